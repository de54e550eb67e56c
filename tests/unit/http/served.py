"""The public and the internal site as the assembly makes them, on a clock, spoken to byte by byte."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping
from http.client import HTTPResponse
from ipaddress import ip_network
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.testing import StringTransport
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.openapi import check_answer
from tests.unit.http.test_routes import Document
from tests.unit.world import MEMBERS, World
from webspaced.core.user import User
from webspaced.http.api import Api, Backing
from webspaced.http.auth import Auth
from webspaced.http.cors import Cors
from webspaced.http.health import Health
from webspaced.http.internal import Internal
from webspaced.http.limits import Limits, LimitSettings
from webspaced.http.routes import RouteDocument
from webspaced.http.site import Listening, Pages, Sites
from webspaced.http.terminals import Terminals
from webspaced.http.tickets import Tickets
from webspaced.iam.static import StaticIdentity
from webspaced.iam.users_file import hash_token
from webspaced.interfaces import IIdentity
from webspaced.lib.buckets import Rate
from webspaced.lib.logs import log_observer
from webspaced.settings import Address
from webspaced.webspaces.members import Members

ADMIN = 99
CLIENT, PROXY = "192.0.2.9", "10.9.9.9"
MOST_COMMANDS = 16
OFF = LimitSettings(address=Rate(0, 1), user=Rate(0, 1))


def members() -> IIdentity:
    """Give alice, bob and so on, and the admin root; each token is its holder's name."""
    users = [(User(id=uid, username=name), hash_token(name)) for uid, name in MEMBERS.items()]
    return StaticIdentity([*users, (User(id=ADMIN, username="root", is_admin=True), hash_token("root"))])


class Answer:
    """An answer as it came over the wire."""

    def __init__(self, raw: bytes, method: str) -> None:
        response = HTTPResponse(_Read(raw), method=method)  # type: ignore[arg-type]
        response.begin()
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class _Read:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._raw)


@implementer(ITCPTransport)
class Line(StringTransport):
    """A connection of a client: ``channel`` is what serves it. ``ended``: how, once it is."""

    def __init__(self, address: str) -> None:
        kind = IPv6Address if ":" in address else IPv4Address
        super().__init__(peerAddress=kind("TCP", address, 40000))
        self.channel: Any = None
        self.ended: type[Exception] | None = None
        self.half_closed = False
        self.reads = True
        """Whether the client takes what is written; if not, nothing ends but by force."""
        self.acknowledged = 0
        """Bytes that the client took, as the kernel would know."""

    def say(self, data: bytes) -> None:
        """Send bytes, as far as anybody takes them."""
        if self.ended is None:
            self.channel.dataReceived(data)

    def unregisterProducer(self) -> None:
        # A socket takes this, whether or not there is one.
        if self.producer is not None:
            super().unregisterProducer()

    def getHandle(self) -> Any:
        return self

    def getsockopt(self, _level: int, _option: int, length: int) -> bytes:
        return self.acknowledged.to_bytes(8, sys.byteorder).rjust(length, b"\0")

    def setTcpNoDelay(self, enabled: bool) -> None:
        pass

    def loseWriteConnection(self) -> None:
        self.half_closed = True

    def loseConnection(self) -> None:
        super().loseConnection()
        if self.reads:
            self._end(ConnectionDone)

    def abortConnection(self) -> None:
        self._end(ConnectionAborted)

    def hang_up(self) -> None:
        """Go away as a client does."""
        self._end(ConnectionDone)

    def _end(self, how: type[Exception]) -> None:
        if self.ended is None:
            self.ended = how
            self.channel.connectionLost(Failure(how()))


class ServedCase(SynchronousTestCase):
    """``configure`` anew for other settings than none at all; all proxies in 10.9.0.0/16 are trusted."""

    def setUp(self) -> None:
        self.w = World().start()
        self.configure()

    def configure(
        self,
        *,
        limits: LimitSettings = OFF,
        origins: tuple[str, ...] = ("*",),
        opened: bool = False,
        connections: int = 0,
        most: int = 10_000,
        commands: int = 200,
        identity: IIdentity | None = None,
    ) -> None:
        """Build the sites."""
        self.identity = identity or members()
        self.document = Document()
        self.tickets = Tickets(self.w.clock)
        cors, counted = Cors(origins), Limits(self.w.clock, limits)
        known = Members(self.identity, self.w.registry, self.w.documents)
        self.auth = Auth(known, counted, cors, self.tickets)
        service, resync = self.w.service, self.w.reconciler.resync
        pages = Pages(
            api=Api(
                Backing(
                    service=service,
                    domains=self.w.domains,
                    uploads=self.w.uploads,
                    insides=self.w.interior,
                    terminals=Terminals(self.w.clock, 500, 32),
                    commands=(commands, MOST_COMMANDS),
                    auth=self.auth,
                    resync=resync,
                    sleeper=self.w.sleeper,
                    now=lambda: 1000.0,
                    conditions=self.w.conditions,
                )
            ),
            health=Health(ready=lambda: True, healthy=lambda: True),
            routes=RouteDocument(self.document),
            internal=Internal(Auth(known, counted, counts_members=False), self.w.gate, service.read),
            opened=opened,
        )
        listening = Listening(
            public=Address("", 80),
            internal=Address("127.0.0.1", 81),
            connections=most,
            connections_per_address=connections,
            trusted=(ip_network("10.9.0.0/16"),),
            cors=cors,
            limits=counted,
        )
        self.public, self.internal = (site for _, site in Sites(self.w.clock, pages, listening).sites())
        for site in (self.public, self.internal):
            site.doStart()

    def line(self, address: str = CLIENT, *, inside: bool = False) -> Line:
        """Connect; ``ended`` at once if nobody takes the connection."""
        line = Line(address)
        line.channel = (self.internal if inside else self.public).buildProtocol(line.getPeer())
        if line.channel is None:
            line.ended = ConnectionDone
        else:
            line.channel.makeConnection(line)
        return line

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        address: str = CLIENT,
        inside: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Make a request on a connection of its own, and wait for the answer."""
        line = self.line(address, inside=inside)
        line.say(request(method, path, body, token=token, headers={"Connection": "close", **(headers or {})}))
        self.wait(line)
        answer = Answer(line.value(), method)
        if not inside or answer.status != 404:
            # The document is of the public listener; inside most of it is not there.
            check_answer(method, path, answer.status, answer.headers, answer.body)
        return answer

    def wait(self, line: Line) -> None:
        """Let time go by until a connection is over."""
        done = self.w.clock.run_until(lambda: line.ended is not None or line.half_closed, limit=300)
        self.assertTrue(done, "no answer")

    def listen_to_log(self, form: str = "json", level: str = "debug") -> io.StringIO:
        """Write what is logged from now on as the daemon would."""
        stream = io.StringIO()
        observer = log_observer(stream, level, form)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        return stream

    def accesses(self, stream: io.StringIO) -> list[dict[str, Any]]:
        """Give the events of the access log in a log of JSON."""
        events = [json.loads(line) for line in stream.getvalue().splitlines()]
        return [event for event in events if event["logger"] == "webspaced.http.access"]


def request(
    method: str, path: str, body: Any = None, *, token: str | None = None, headers: Mapping[str, str] | None = None
) -> bytes:
    """Give the bytes of a request."""
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"Host": "webspaced.test", **(headers or {})}
    if token is not None:
        fields["Authorization"] = f"Bearer {token}"
    if data:
        fields.setdefault("Content-Length", str(len(data)))
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + data
