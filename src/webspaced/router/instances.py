"""What LXD says of the instances on the network, and the one key that the router writes.

This is the one module of this room that knows the client of LXD (decision 58).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from zope.interface import implementer

from webspaced.core.instance import Instance
from webspaced.core.ownership import ADDRESS_KEY
from webspaced.errors import NotFound
from webspaced.interfaces import IEventListener
from webspaced.lxd import parse
from webspaced.lxd.agent import Connections, endpoints_for
from webspaced.lxd.client import LxdClient
from webspaced.lxd.events import EventSubscription
from webspaced.lxd.read import read
from webspaced.lxd.tls import Identities
from webspaced.lxd.trust import introduce
from webspaced.router.plan import Reservation, Seat, seat_of
from webspaced.router.settings import Lxd


@frozen
class Seen:
    """An instance, by project and name, and its seat on the network: ``None`` if it has none.

    ``untold``: LXD does not say, as the cluster member that has the instance is away.
    """

    identity: tuple[str, str]
    seat: Seat | None
    untold: bool = False


class LxdInstances:
    """Instances of some projects of one LXD."""

    def __init__(self, client: LxdClient, network: str, projects: Sequence[str], trust_secret: str | None = None) -> None:
        """:param network: the bridge or network that counts."""
        self._client, self._network, self._projects = client, network, projects
        self._trust_secret = trust_secret

    async def greet(self) -> None:
        """Make sure that LXD trusts us; ``Distrusted`` tells an operator what to do."""
        await introduce(self._client, self._trust_secret)

    async def all(self) -> list[Seen]:
        """Give every instance there is."""
        found: list[Seen] = []

        def told(document: Any) -> None:
            found.append(self._seen(read(lambda: parse.instance(document))))

        for project in self._projects:
            await self._client.each("/instances", told, recursion="1", project=project)
        return found

    async def one(self, project: str, name: str) -> Seen:
        """Give one instance; one that is gone has no seat."""
        try:
            reply = await self._client.get(f"/instances/{name}", project=project)
        except NotFound:
            return Seen((project, name), None)
        return self._seen(read(lambda: parse.instance(reply.metadata)))

    async def keep(self, reservation: Reservation) -> None:
        """Write an instance's address to its key, unless it got one meanwhile. ``NotFound`` if the instance is gone."""
        path = f"/instances/{reservation.instance}"
        reply = await self._client.get(path, project=reservation.project)
        now = seat_of(read(lambda: parse.instance(reply.metadata)), self._network)
        if now is None or now.by_nic or now.address == reservation.address:
            return
        body = {"config": {ADDRESS_KEY: str(reservation.address)}}
        await self._client.send("PATCH", path, body, etag=reply.etag, project=reservation.project)

    def _seen(self, instance: Instance) -> Seen:
        return Seen(instance.identity, seat_of(instance, self._network), instance.untold)


@implementer(IEventListener)
class _OfProject:
    """Passes on what happens in one project."""

    def __init__(self, project: str, connected: Callable[[], Deferred[Any]], happened: Callable[[str, str], None]) -> None:
        self._project, self._connected, self._happened = project, connected, happened

    def connected(self) -> Deferred[Any]:
        return self._connected()

    def happened(self, name: str) -> None:
        self._happened(self._project, name)

    def disconnected(self, reason: str) -> None:
        pass


def connect(reactor: Any, lxd: Lxd) -> tuple[LxdInstances, Callable[..., MultiService]]:
    """Give LXD's instances, and what makes the service that tells of changes (``connected``, ``happened``).

    :raises Unavailable: there is no local socket.
    :raises Invalid: a certificate or key cannot be used.
    """
    endpoints = endpoints_for(reactor, lxd.url, Identities.by(lxd.tls))
    connections = Connections(reactor, endpoints)
    client = LxdClient(
        connections.agent, reactor, lxd.projects[0] if lxd.projects else "default", suspect=lambda: connections.suspect
    )

    def events(connected: Callable[[], Deferred[Any]], happened: Callable[[str, str], None]) -> MultiService:
        service = MultiService()
        for project in lxd.projects:
            listener = _OfProject(project, connected, happened)
            EventSubscription(reactor, endpoints, project, listener, connections.lost, connections.found).setServiceParent(
                service
            )
        return service

    return LxdInstances(client, lxd.network, lxd.projects, lxd.tls.trust_password), events
