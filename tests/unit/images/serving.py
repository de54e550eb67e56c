"""A whole image server in memory, over a release API in memory."""

from __future__ import annotations

import hashlib
import io
import lzma
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import Agent, HTTPConnectionPool, readBody
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from twisted.web.server import Site
from zope.interface import implementer

from webspaced.images.server import Server, build_server
from webspaced.images.settings import SCHEMA
from webspaced.settings import load_for
from webspaced.testing.network import MemoryReactor
from webspaced.testing.releases import FakeReleases

REPOSITORY = "netsoc/lxd-images"
API = "http://127.0.0.1:3000"
HERE = "http://127.0.0.1:8095"
NOW = 1_700_000_000.0


@implementer(IAgentEndpointFactory)
class Endpoints:
    """To the listeners in memory: names need no resolver there."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def endpointForURI(self, uri: Any) -> TCP4ClientEndpoint:
        return TCP4ClientEndpoint(self._reactor, uri.host.decode(), uri.port)


class Inline:
    """Threads for tests: what blocks is done at once."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def run(self, function: Callable[..., Any], *args: Any) -> Deferred[Any]:
        return maybeDeferred(function, *args)

    def stop(self) -> None:
        pass


def metadata(text: str = "", created: int = 1_630_000_000) -> bytes:
    """A metadata archive."""
    document = {"architecture": "x86_64", "creation_date": created, "properties": {"os": "Ubuntu", "release": "focal"}}
    raw = (text or yaml.safe_dump(document)).encode()
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        entry = tarfile.TarInfo("metadata.yaml")
        entry.size = len(raw)
        archive.addfile(entry, io.BytesIO(raw))
    return lzma.compress(stream.getvalue())


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def build(
    root: bytes = b"root" * 1000, *, arch: str = "amd64", sums: bool = True, created: int = 1_630_000_000
) -> dict[str, bytes]:
    """The files of OctoLXD's releases, for one architecture."""
    first = metadata(created=created)
    files = {f"lxd.{arch}.tar.xz": first, f"rootfs.{arch}.squashfs": root}
    if not sums:
        return files
    said = {f"{name}.sha256": f"{sha256(content)}  {name}\n".encode() for name, content in files.items()}
    return {**files, **said, f"combined.{arch}.sha256": f"{sha256(first + root)}\n".encode()}


class ServingCase(SynchronousTestCase):
    """The server is built by `serve`; `get` asks it."""

    forgejo = False

    def setUp(self) -> None:
        self.reactor = MemoryReactor()
        self.began = self.reactor.seconds()
        self.api = FakeReleases(API, forgejo=self.forgejo, now=self.now)
        self.reactor.listenTCP(3000, Site(self.api, reactor=self.reactor), interface="127.0.0.1")
        self.data = Path(self.mktemp()).absolute()
        self.agent = Agent.usingEndpointFactory(self.reactor, Endpoints(self.reactor), HTTPConnectionPool(self.reactor))

    def now(self) -> float:
        return NOW + self.reactor.seconds() - self.began

    def serve(self, **environ: str) -> Server:
        """Start one, and let it look at its sources."""
        settings = load_for(SCHEMA, None, {
            "WSI_DATA_DIR": str(self.data),
            "WSI_RELEASES_API": API + ("/api/v1" if self.forgejo else ""),
            "WSI_RELEASES_REPOSITORIES": REPOSITORY,
            **environ,
        })  # fmt: skip
        threads: Any = Inline(self.reactor)
        self.server = build_server(self.reactor, settings, now=self.now, agent=self.agent, threads=threads)
        for service in self.server.services:
            service.startService()
        self.settle()
        return self.server

    def stop(self) -> None:
        for service in reversed(self.server.services):
            service.stopService()
        self.settle()

    def settle(self) -> None:
        for _ in range(400):
            self.reactor.advance(0)

    def advance(self, seconds: float) -> None:
        self.reactor.advance(seconds)
        self.settle()

    def ask(self, path: str, method: str = "GET", base: str = HERE, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of an answer."""
        named = Headers({name.replace("_", "-"): [value] for name, value in headers.items()})
        answer = self.agent.request(method.encode(), f"{base}{path}".encode(), named)
        self.settle()
        response = self.successResultOf(answer)
        body = readBody(response)
        self.settle()
        found = {name.decode().lower(): values[0].decode() for name, values in response.headers.getAllRawHeaders()}
        return response.code, found, self.successResultOf(body)

    def get(self, path: str, **headers: str) -> bytes:
        """The body of what must be there."""
        status, _, body = self.ask(path, **headers)
        self.assertEqual(status, 200, (path, body))
        return body

    def products(self, stream: str = REPOSITORY) -> dict[str, Any]:
        """The products that are listed."""
        return dict(yaml.safe_load(self.get(f"/{stream}/streams/v1/images.json"))["products"])

    def versions(self, product: str = "docker:amd64", stream: str = REPOSITORY) -> list[str]:
        """The versions of a product, the newest first."""
        versions = self.products(stream).get(product, {"versions": {}})["versions"]
        items = [versions[key]["items"] for key in sorted(versions, reverse=True)]
        return [next(iter(each.values()))["path"].split("/")[-2] for each in items]

    def kinds(self, stream: str = REPOSITORY) -> dict[str, str]:
        """What is hidden, and why."""
        found = self.server.streams.find(stream)
        assert found is not None and not isinstance(found, Deferred)
        return {each.what: each.kind for each in found.hidden}
