"""Writes lines beside the reactor: a disk that is full and a reader that is slow hold nobody up.

A thread writes. What it cannot keep up with, and what the file refuses, is lost, and counted.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from pathlib import Path
from queue import Full, Queue
from threading import Thread
from typing import Protocol

from attrs import define, field

from webspaced.errors import Invalid

MOST = 10_000
"""Lines that wait to be written: some 5 MB."""
LAST_LINES = 2.0
"""Seconds for what still waits when the daemon has stopped."""
MODE = 0o600


class ITarget(Protocol):
    """Where lines go. It is used by one thread."""

    def write(self, data: bytes) -> None:
        """Write all of it, or raise ``OSError``."""

    def close(self) -> None:
        """Be done."""


class Stream:
    """A descriptor that is open already, such as standard output."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = os.dup(descriptor)

    def write(self, data: bytes) -> None:
        """See :class:`ITarget`."""
        _write_all(self._descriptor, data)

    def close(self) -> None:
        """See :class:`ITarget`."""
        os.close(self._descriptor)


@define
class LogFile:
    """A file that is opened again once another one has its name, or none: so logrotate needs to tell nobody."""

    _path: Path
    _descriptor: int | None = field(default=None, init=False)
    _identity: tuple[int, int] = field(default=(0, 0), init=False)

    def write(self, data: bytes) -> None:
        """See :class:`ITarget`."""
        if self._descriptor is None or self._was_moved():
            self.close()
            self._open()
        assert self._descriptor is not None  # noqa: S101  (it was opened, or that has raised)
        _write_all(self._descriptor, data)

    def _was_moved(self) -> bool:
        try:
            now = self._path.stat()
        except OSError:
            return True
        return (now.st_dev, now.st_ino) != self._identity

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
        self._descriptor = os.open(self._path, flags, MODE)
        found = os.fstat(self._descriptor)
        self._identity = (found.st_dev, found.st_ino)

    def close(self) -> None:
        """See :class:`ITarget`."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            # Whoever shares it has made it so.
            select.select((), (descriptor,), ())


class Writer:
    """Takes lines in the reactor's thread, and has them written in its own."""

    def __init__(self, make: Callable[[], ITarget], most: int = MOST) -> None:
        """:param make: opens the target, in the thread."""
        self.written = 0
        self._not_taken = self._not_written = 0
        """Each is counted by one thread."""
        self.trouble = ""
        """Why the last line could not be written; empty once one could."""
        self._make = make
        self._waiting: Queue[str | None] = Queue(most)
        self._thread: Thread | None = None
        self._is_torn = False

    @property
    def lost(self) -> int:
        """How many lines were not written, and never will be."""
        return self._not_taken + self._not_written

    def put(self, line: str) -> None:
        """Write a line, with its end, some time soon."""
        if self._thread is None:
            # A daemon: one that hangs in a write must not keep the process alive.
            self._thread = Thread(target=self._work, name="audit", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(line)
        except Full:
            self._not_taken += 1
            self.trouble = "it is not read, or too slow"

    def close(self, within: float = LAST_LINES) -> bool:
        """Write what waits, for so many seconds at most, and end; whether all was written."""
        thread, self._thread = self._thread, None
        if thread is None:
            return True
        try:
            self._waiting.put(None, timeout=within)
        except Full:
            return False
        thread.join(within)
        return not thread.is_alive()

    def _work(self) -> None:
        target: ITarget | None = None
        while (line := self._waiting.get()) is not None:
            try:
                target = target or self._make()
                # A line that was torn off ends where the next one begins.
                target.write(f"\n{line}".encode() if self._is_torn else line.encode())
            except OSError as error:
                self._not_written += 1
                self.trouble, self._is_torn = error.strerror or str(error), target is not None
            else:
                self.written += 1
                self.trouble, self._is_torn = "", False
        if target is not None:
            target.close()


def writer_for(where: str) -> Writer:
    """Give what writes to standard output (``stdout``), to standard error (``stderr``) or to a file.

    :raises Invalid: the file cannot be written as things are.
    """
    standard = {"stdout": 1, "stderr": 2}.get(where)
    path = Path(where)
    if standard is None and not os.access(path if path.exists() else path.parent, os.W_OK):
        message = f"audit_log: {path} cannot be written"
        raise Invalid(message)
    return Writer(lambda: LogFile(Path(where)) if standard is None else Stream(standard))
