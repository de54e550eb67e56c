"""Noticing that a paused connection is gone, without reading from it.

A paused Twisted transport learns of neither FIN nor RST. The sockets of held visitors are therefore registered with an
epoll object of our own that asks for hang-ups only; it hangs in the reactor as one more reader. Where there is no epoll(7)
they are noticed once they are relayed.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import Attribute, Interface, implementer

_HUNG_UP, _HALF, _ONCE = (
    getattr(select, "EPOLLHUP", 0) | getattr(select, "EPOLLERR", 0),
    getattr(select, "EPOLLRDHUP", 0),
    getattr(select, "EPOLLONESHOT", 0),
)


class IHangups(Interface):
    """Watches paused transports."""

    def watch(transport: Any, gone: Callable[[], None], *, half: bool) -> None:  # noqa: N805
        """Call ``gone`` once when the peer reset the connection or closed it; with ``half`` its sending side suffices."""

    def unwatch(transport: Any) -> None:  # noqa: N805
        """Stop watching; harmless if the transport is not watched."""

    def close() -> None:
        """Watch nothing any more."""

    watched = Attribute("The number of transports watched.")


def hangups_for(reactor: Any) -> IHangups:
    """Give what watches on this system, with this reactor."""
    able = hasattr(select, "epoll") and IReactorFDSet.providedBy(reactor)
    watches: IHangups = EpollHangups(reactor) if able else Unnoticed()
    return watches


@implementer(IHangups)
class Unnoticed:
    """Watches nothing."""

    watched = 0

    def watch(self, transport: Any, gone: Callable[[], None], *, half: bool) -> None:
        """See :meth:`IHangups.watch`."""

    def unwatch(self, transport: Any) -> None:
        """See :meth:`IHangups.unwatch`."""

    def close(self) -> None:
        """See :meth:`IHangups.close`."""


@implementer(IHangups, IReadDescriptor)
class EpollHangups:
    """Watches file descriptors with one epoll object."""

    log = Logger()

    def __init__(self, reactor: IReactorFDSet) -> None:
        self._epoll = select.epoll()
        self._reactor = reactor
        self._gone: dict[int, Callable[[], None]] = {}
        self._fds: dict[int, int] = {}
        reactor.addReader(self)

    @property
    def watched(self) -> int:
        """See :class:`IHangups`."""
        return len(self._gone)

    def watch(self, transport: Any, gone: Callable[[], None], *, half: bool) -> None:
        """See :meth:`IHangups.watch`."""
        fd = transport.fileno()
        # One-shot: a level-triggered hang-up would otherwise be reported until somebody closes the socket.
        events = _HUNG_UP | _ONCE | (_HALF if half else 0)
        self._epoll.register(fd, events)
        self._gone[fd] = gone
        self._fds[id(transport)] = fd

    def unwatch(self, transport: Any) -> None:
        """See :meth:`IHangups.unwatch`."""
        fd = self._fds.pop(id(transport), None)
        if fd is not None and self._gone.pop(fd, None) is not None:
            try:
                self._epoll.unregister(fd)
            except (OSError, ValueError):
                # The socket is closed, and with it the registration.
                return

    def doRead(self) -> None:
        """Tell those whose peers are gone (called by the reactor)."""
        for fd, _events in self._epoll.poll(0):
            gone = self._gone.get(fd)
            if gone is not None:
                gone()

    def fileno(self) -> int:
        """Give the epoll object's descriptor."""
        return self._epoll.fileno()

    def logPrefix(self) -> str:
        """Name this in the reactor's log lines."""
        return "hangups"

    def connectionLost(self, reason: Failure) -> None:
        """Be told by the reactor that it dropped this reader."""
        self.log.debug("hang-ups are no longer watched", event="relay.watch-stopped")

    def close(self) -> None:
        """Leave the reactor and close the epoll object."""
        self._reactor.removeReader(self)
        self._epoll.close()
