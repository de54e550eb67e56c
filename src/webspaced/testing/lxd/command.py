"""What every command of simulated containers is: an object that gets input and signals, and tells its output and end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IReactorTime

from webspaced.testing.lxd.things import Instance

TERMINATED_BY = 128


@frozen(kw_only=True)
class Surroundings:
    """What a command sees: its container, its environment, and what it can do to the container."""

    clock: IReactorTime
    instance: Instance
    environment: Mapping[str, str]
    cwd: str
    output: Callable[[int, bytes], None]
    """Told of output: descriptor and bytes."""
    ended: Callable[[int], None]
    """Told of the end, with the status."""
    power: Any


class Command:
    """A command that runs until it is told otherwise."""

    def __init__(self, around: Surroundings, arguments: Sequence[str]) -> None:
        self.around = around
        self.arguments = arguments
        self.over = False

    @classmethod
    def present(cls, instance: Instance) -> bool:  # noqa: ARG003
        """Whether a container has this command."""
        return True

    def begin(self) -> None:
        """Start."""

    def data(self, data: bytes) -> None:
        """Get standard input."""

    def eof(self) -> None:
        """Get the end of standard input."""

    def signal(self, number: int) -> None:
        """Get a signal."""
        self.end(TERMINATED_BY + number)

    def out(self, text: str | bytes, descriptor: int = 1) -> None:
        """Write."""
        if text:
            self.around.output(descriptor, text if isinstance(text, bytes) else text.encode())

    def end(self, status: int = 0) -> None:
        """End, once."""
        if not self.over:
            self.over = True
            self.around.ended(status)


class Says(Command):
    """Says something and ends."""

    def begin(self) -> None:
        text, status = self.said()
        self.out(text)
        self.end(status)

    def said(self) -> tuple[str, int]:
        """Give what is said, and the status."""
        return "", 0
