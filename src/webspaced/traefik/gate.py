"""Visitors on their way to the embedded Traefik wait here until it serves, as others do at the boot gate for a webspace."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from webspaced.core.address import Endpoint
from webspaced.core.probing import Ask
from webspaced.interfaces import IBootGate
from webspaced.traefik.sockets import LOOPBACK


class Serving(Protocol):
    """A Traefik of webspaced's own."""

    @property
    def is_serving(self) -> bool:
        """Whether it runs and has its routes."""

    async def serving(self) -> None:
        """Wait until it does."""


@implementer(IBootGate)
class TraefikGate:
    """See :class:`webspaced.interfaces.IBootGate`: the ports are those of Traefik's own sockets, and nothing is woken."""

    def __init__(self, traefik: Serving) -> None:
        self._traefik = traefik
        self._ports: dict[Deferred[Endpoint], int] = {}
        self._look: Deferred[None] | None = None

    def ready_now(self, uid: int, port: int, asks: Ask = Ask.CONNECTION) -> Endpoint | None:
        """See :meth:`IBootGate.ready_now`."""
        return _endpoint(port) if self._traefik.is_serving else None

    def ready(self, uid: int, port: int, asks: Ask = Ask.CONNECTION) -> Deferred[Endpoint]:
        """See :meth:`IBootGate.ready`: one look serves all who wait."""
        waiting: Deferred[Endpoint] = Deferred(self._leave)
        self._ports[waiting] = port
        if self._look is None:
            look = self._look = Deferred.fromCoroutine(self._traefik.serving())
            look.addBoth(self._told)
        return waiting

    async def suspect(self, uid: int, endpoint: Endpoint, *, refused: bool, asks: Ask = Ask.CONNECTION) -> None:
        """See :meth:`IBootGate.suspect`: its sockets are there in any case."""

    def _leave(self, waiting: Deferred[Endpoint]) -> None:
        del self._ports[waiting]

    def _told(self, result: Failure | None) -> None:
        self._look = None
        ports, self._ports = self._ports, {}
        for waiting, port in ports.items():
            if isinstance(result, Failure):
                waiting.errback(result)
            else:
                waiting.callback(_endpoint(port))


def _endpoint(port: int) -> Endpoint:
    return Endpoint(ip_address(LOOPBACK), port)
