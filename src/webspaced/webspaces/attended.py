"""Terminals and consoles whose use counts as activity of their webspace."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IConsumer, IProducer, IPushProducer
from zope.interface import implementer

from webspaced.core.command import Size
from webspaced.interfaces import ITerminal
from webspaced.webspaces.activity import Activity


@implementer(IConsumer)
class AttendedScreen:
    """A screen on which something that appears is activity."""

    def __init__(self, activity: Activity, uid: int, screen: IConsumer) -> None:
        self._activity = activity
        self._uid = uid
        self._screen: Any = screen

    def write(self, data: bytes) -> None:
        """Show."""
        self._activity.note(self._uid)
        self._screen.write(data)

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Pause and resume who shows something, as the screen keeps up."""
        self._screen.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """Pause and resume nobody any more."""
        self._screen.unregisterProducer()


@implementer(ITerminal)
class AttendedTerminal:
    """A terminal at which typing is activity, and wakes a webspace that dozes."""

    def __init__(self, activity: Activity, uid: int, terminal: Any) -> None:
        self._activity = activity
        self._uid = uid
        self._terminal = terminal
        self.ended = terminal.ended

    def write(self, data: bytes) -> None:
        """Type."""
        self._activity.stir(self._uid)
        self._terminal.write(data)

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:
        """See :meth:`ITerminal.registerProducer`."""
        self._terminal.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """See :meth:`ITerminal.unregisterProducer`."""
        self._terminal.unregisterProducer()

    def resize(self, size: Size) -> None:
        """See :meth:`ITerminal.resize`."""
        self._terminal.resize(size)

    def signal(self, number: int) -> None:
        """See :meth:`ITerminal.signal`."""
        self._activity.stir(self._uid)
        self._terminal.signal(number)

    def close(self) -> None:
        """Hang up. What runs there can end only if it is awake."""
        self._activity.stir(self._uid)
        self._terminal.close()
