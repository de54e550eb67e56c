"""A terminal between a command and its client: echo, line ends, and the keys that end and interrupt."""

from __future__ import annotations

from collections.abc import Callable

from webspaced.testing.lxd.command import Command

END_OF_INPUT, INTERRUPT = b"\x04", b"\x03"
SIGINT = 2


class Tty:
    """A line discipline (termios(3), in its usual settings; without editing)."""

    def __init__(self, command: Command, show: Callable[[bytes], None]) -> None:
        self._command = command
        self._show = show
        self._line = b""

    @staticmethod
    def shown(data: bytes) -> bytes:
        """Give output as the client sees it."""
        return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")

    def typed(self, data: bytes) -> None:
        """Get keys."""
        for number in data:
            self._key(bytes((number,)))

    def _key(self, key: bytes) -> None:
        if key == INTERRUPT:
            self._show(b"^C")
            self._line = b""
            self._command.signal(SIGINT)
        elif key == END_OF_INPUT:
            line, self._line = self._line, b""
            if line:
                self._command.data(line)
            else:
                self._command.eof()
        elif key in b"\r\n":
            self._show(b"\r\n")
            line, self._line = self._line + b"\n", b""
            self._command.data(line)
        else:
            self._show(key)
            self._line += key
