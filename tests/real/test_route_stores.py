"""The real Traefik reads what each store writes."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Collection, Coroutine, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from attrs import evolve
from cryptography import x509
from cryptography.x509.oid import NameOID
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.ssl import CertificateOptions, KeyPair
from twisted.internet.threads import deferToThread
from twisted.protocols.policies import WrappingFactory
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent, HTTPConnectionPool, readBody
from twisted.web.http_headers import Headers
from twisted.web.resource import Resource
from twisted.web.server import Site

from tests.certificates import issue
from tests.contracts.neighbours import CHALLENGE, PassthroughContract, SolverContract
from tests.contracts.route_store import PublishedRoutesContract, route
from tests.stack import free_port
from webspaced.core.address import Endpoint
from webspaced.core.routes import ServedCertificate
from webspaced.http.routes import RouteDocument
from webspaced.lib.deferreds import sleep
from webspaced.lib.files import replace_file
from webspaced.reconcile.publisher import Publisher
from webspaced.settings import Address
from webspaced.traefik import embedded
from webspaced.traefik.embedded import Acme, EmbeddedTraefik, Embedding, find_traefik
from webspaced.traefik.entry_point import EntryPoint
from webspaced.traefik.file import FileStore
from webspaced.traefik.render import EntryPoints
from webspaced.traefik.requests import dynamic_configuration
from webspaced.traefik.served import ServedStore

ENTRY_POINTS = EntryPoints(http="web", https="websecure")
SETTLE = 0.5


class Page(Resource):
    isLeaf = True

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text.encode()

    def render_GET(self, request: Any) -> bytes:
        return self._text


class RealTraefik:
    """With a Traefik of its own, and web servers in this process. Mixed into a trial test case."""

    timeout = 300
    entry_points = ENTRY_POINTS
    machine = "127.0.0.1"
    """An address of the machine, for the web servers."""
    token: str | None = None
    """What Traefik says to fetch the routes."""
    brought: Collection[str] = ()
    """Hosts with certificates of their members' own."""
    addCleanup: Any
    mktemp: Any

    def drive(self, test: Coroutine[Any, Any, None]) -> Deferred[None]:
        return Deferred.fromCoroutine(test)

    def sleep(self, seconds: float) -> Deferred[None]:
        return sleep(reactor, seconds)

    async def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.pool = HTTPConnectionPool(reactor)
        self.addCleanup(self.pool.closeCachedConnections)
        self.agent = Agent(reactor, pool=self.pool)
        self.http, self.https = (Address("127.0.0.1", free_port()) for _ in range(2))
        self.first, self.second = (self.web_server(text) for text in ("first", "second"))
        self.secure = self.secure_server()
        self.routes = self.prepare()
        self.start_traefik()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.traefik.stopService()))
        await self.come_back()
        await self.store.apply({}, ())
        await self.serving()

    def start_traefik(self) -> None:
        embedding = Embedding(
            directory=self.directory,
            routes=self.routes,
            entry_points=self.entry_points,
            http=self.http,
            https=self.https,
            acme=self.authority(),
            token=self.token,
        )
        self.traefik = EmbeddedTraefik(reactor, find_traefik(), embedding)
        self.traefik.brought = lambda: self.brought
        self.traefik.startService()

    async def serving(self) -> None:
        """Wait until Traefik answers."""
        await self.traefik.serving()

    async def restart_traefik(self) -> None:
        await self.traefik.stopService()
        self.start_traefik()
        await self.serving()

    def prepare(self) -> Path | Address | Mapping[str, Any]:
        """Say where Traefik reads."""
        raise NotImplementedError

    def authority(self) -> Acme | None:
        """Say who issues certificates."""
        return None

    async def publisher(self) -> Publisher:
        publisher = Publisher(reactor, self.store, SETTLE)
        self.addCleanup(publisher.close)
        await publisher.load()
        publisher.open()
        return publisher

    def listening(self, port: Any) -> Endpoint:
        self.addCleanup(port.stopListening)
        return Endpoint(ip_address(self.machine), port.getHost().port)

    def web_server(self, text: str) -> Endpoint:
        return self.listening(reactor.listenTCP(0, Site(Page(text)), interface=self.machine))

    def secure_server(self) -> Endpoint:
        certificate = KeyPair.generate(size=2048).selfSignedCert(1, commonName="secure")
        options = CertificateOptions(
            privateKey=certificate.privateKey.original, certificate=certificate.original
        )
        return self.listening(reactor.listenSSL(0, Site(Page("secure")), options, interface=self.machine))

    async def visit(self, host: str, path: str = "/") -> tuple[int, str]:
        response = await self.agent.request(b"GET", f"http://{self.http}{path}".encode(), Headers({"Host": [host]}))
        return response.code, (await readBody(response)).decode()

    async def certificate(self, host: str) -> str:
        shown = await self.shown(host)
        return str(shown.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)

    async def shown(self, host: str) -> x509.Certificate:
        """Give the certificate that a host shows."""
        return x509.load_der_x509_certificate(await deferToThread(self._certificate, host))

    async def misdirected(self, name: str, host: str) -> int:
        return await deferToThread(self._asked_as, name, host)

    def _asked_as(self, name: str, host: str) -> int:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection((self.https.host, self.https.port), 60)
        with context.wrap_socket(plain, server_hostname=name) as secure:
            secure.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            return int(secure.makefile("rb").readline().split()[1])

    def _certificate(self, host: str) -> bytes:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection((self.https.host, self.https.port), 60)
        with context.wrap_socket(plain, server_hostname=host) as secure:
            return secure.getpeercert(binary_form=True) or b""


class WithNeighbours(PassthroughContract, SolverContract):
    """Traefik reads a folder, too, into which others write. Mixed into a test case with a Traefik, before it."""

    def prepare(self: Any) -> Any:
        routes = super().prepare()
        static, self.neighbours = embedded.static_configuration, self.directory / "neighbours"
        if isinstance(routes, Path):
            self.neighbours = routes.parent
        self.neighbours.mkdir(parents=True, exist_ok=True)

        def with_folder(embedding: Any) -> dict[str, Any]:
            found = static(embedding)
            folder = {"file": {"directory": str(self.neighbours), "watch": True}}
            replace_file(self.neighbours / "requests.yml", json.dumps(dynamic_configuration()).encode())
            return {**found, "providers": {**found["providers"], **folder}}

        self.patch(embedded, "static_configuration", with_folder)
        return routes

    async def add_solvers(self: Any, hosts: list[str]) -> None:
        routers = {
            f"solver-{n}": {"rule": f"Host(`{host}`) && Path(`{CHALLENGE}`)", "service": "solver", "entryPoints": ["web"]}
            for n, host in enumerate(hosts)
        }
        services = {"solver": {"loadBalancer": {"servers": [{"url": f"http://{self.second}"}]}}}
        document = {"http": {"routers": routers, "services": services}}
        replace_file(self.neighbours / "solvers.yml", json.dumps(document).encode())


class OnFile(RealTraefik):
    """The provider `file`."""

    def prepare(self) -> Path:
        self.path = self.directory / "dynamic" / "webspaced.yml"
        return self.path

    async def go_away(self) -> None:
        del self.store

    async def come_back(self) -> None:
        self.store = FileStore(self.path, self.entry_points)
        await self.store.load()


class AskedTraefik:
    """Mixed into tests with a real Traefik that can be asked, whichever way it reads."""

    async def test_a_generation_tells_what_is_in_effect(self: Any) -> None:
        entry_point = EntryPoint(reactor, f"http://{self.http}")
        generation = None
        for page, text in ((self.first, "first"), (self.second, "second")) * 3:
            generation = await self.store.apply({"ws-u1": self.web(page)}, ())
            while not await entry_point.has(generation):
                await self.sleep(0.005)
            self.assertEqual(await self.visit("ws-u1.example.org"), (200, text))
        self.assertFalse(await entry_point.has(generation + 1))


class FileTests(WithNeighbours, OnFile, AskedTraefik, PublishedRoutesContract, TestCase):
    """On the file provider."""

    async def test_many_are_in_several_files(self) -> None:
        store = FileStore(self.path, self.entry_points, reactor, SETTLE, most=2)
        await store.load()
        entry_point = EntryPoint(reactor, f"http://{self.http}")
        routes = {f"ws-u{n}": evolve(self.web(self.first), name=f"ws-u{n}", hosts=(f"{n}.example.org",)) for n in range(7)}
        for put, remove in ((routes, ()), ({"ws-u5": evolve(routes["ws-u5"], backend=self.second)}, ("ws-u6",))):
            generation = await store.apply(put, remove)
            while not await entry_point.has(generation):
                await self.sleep(0.005)
        for n in range(7):
            found = await self.visit(f"{n}.example.org")
            self.assertEqual(found, {5: (200, "second"), 6: (404, "404 page not found\n")}.get(n, (200, "first")))


class TlsAskedTests(OnFile, TestCase):
    """Where the plain entry point cannot be asked."""

    entry_points = EntryPoints(http="web", https="websecure", asked_over_tls=True)

    async def test_traefik_is_asked_over_tls(self) -> None:
        entry_point = EntryPoint(reactor, f"https://{self.https}")
        self.assertTrue(await entry_point.has_any())
        self.assertFalse(await EntryPoint(reactor, f"http://{self.http}").has_any())


class OnHttp(RealTraefik):
    """The provider `http`."""

    def prepare(self) -> Address:
        self.address = Address("127.0.0.1", free_port())
        return self.address

    async def go_away(self) -> None:
        self.store.close()
        await self.port.stopListening()
        # Traefik keeps its connection, which ends only with a process.
        for connection in list(self.site.protocols):
            connection.transport.abortConnection()

    async def come_back(self) -> None:
        self.store = ServedStore(reactor, self.directory / "fetched.yml", self.entry_points, SETTLE)
        await self.store.load()
        self.site = WrappingFactory(Site(RouteDocument(self.store, self.token).app.resource()))
        self.port = reactor.listenTCP(self.address.port, self.site, interface=self.address.host)
        self.addCleanup(self.port.stopListening)


class ServedTests(WithNeighbours, OnHttp, AskedTraefik, PublishedRoutesContract, TestCase):
    """On the http provider."""

    async def test_asked_before_anything_is_known_traefik_keeps_what_it_has(self) -> None:
        await self.put(self.web(self.first))
        await self.until("ws-u1.example.org", (200, "first"))
        await self.go_away()
        await self.come_back()
        asked: list[bytes | None] = []
        fetch = self.store.fetch
        self.store.fetch = lambda: asked.append(fetch()) or asked[-1]
        while len(asked) < 4:
            self.assertEqual(await self.visit("ws-u1.example.org"), (200, "first"))
            await self.sleep(0.02)
        self.assertEqual(set(asked), {None})

    async def test_after_a_while_away_a_change_is_written_when_traefik_has_asked(self) -> None:
        await self.put(self.web(self.first))
        await self.until("ws-u1.example.org", (200, "first"))
        await self.go_away()
        # Its next tries come ever later.
        await self.sleep(4.0)
        await self.come_back()
        await self.put(self.web(self.second))
        # What Traefik has fetched is kept there.
        self.assertIn(str(self.second), (self.directory / "fetched.yml").read_text())
        await self.until("ws-u1.example.org", (200, "second"))


class TokenTests(OnHttp, TestCase):
    """Where the routes are for who knows the token."""

    token = "fetch-me"

    async def test_traefik_says_it(self) -> None:
        host, brought = "ws-u1.example.org", issue("ws-u1.example.org")
        certificate = ServedCertificate(hosts=(host,), chain=brought.pem, key=brought.key)
        await self.store.apply({"ws-u1": route("ws-u1", self.first, certificates=(certificate,))}, ())
        while (await self.visit(host)) != (200, "first"):
            await self.sleep(0.02)
        self.assertEqual((await self.shown(host)).serial_number, brought.certificate.serial_number)
        response = await self.agent.request(b"GET", f"http://{self.address}/routes".encode())
        self.assertEqual(response.code, 401)
        self.assertNotIn(b"PRIVATE", await readBody(response))
