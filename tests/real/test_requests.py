"""What Traefik does to requests: the embedded one, and one that is set as the documents say."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

import yaml
from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import Site

from tests.contracts.route_store import route
from tests.real.test_route_stores import OnFile, OnHttp
from webspaced.core.address import Endpoint
from webspaced.lib.files import replace_file
from webspaced.traefik import embedded
from webspaced.traefik.requests import aliases, dynamic_configuration, entry_point

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "own-traefik.md"
OURS = re.compile(r"<!-- checked: tests/real/test_requests.py .*?-->\n```yaml\n(.*?)```", re.DOTALL)
"""The blocks of the page that this module tries."""
KEPT = ("api_key", "access_token", "X_Api_Version", "X-Custom", "__utm")
FORGED = ("X_Forwarded_For", "x_forwarded_proto", "X-Forwarded_Host", "X.Real.Ip", "X_FORWARDED_TLS_CLIENT_CERT")


class Echo(Resource):
    """Tells what has arrived."""

    isLeaf = True

    def render_GET(self, request: Any) -> bytes:
        every = request.requestHeaders.getAllRawHeaders()
        headers = [[name.decode(), value.decode()] for name, values in every for value in values]
        return json.dumps({"path": request.uri.decode(), "headers": headers}).encode()


class TreatmentContract:
    """Mixed into a test case with a real Traefik."""

    async def setUp(self: Any) -> None:
        await super().setUp()  # type: ignore[misc]
        port = reactor.listenTCP(0, Site(Echo()), interface="127.0.0.1")  # type: ignore[attr-defined]
        backend: Endpoint = self.listening(port)
        await self.store.apply({"ws-u1": route(backend=backend)}, ())
        await self.until_served()

    async def until_served(self: Any) -> None:
        while (await self.visit("ws-u1.example.org"))[0] != 200:
            await self.sleep(0.02)

    async def ask(self: Any, path: str = "/", **headers: str) -> Any:
        """Give what arrives of a request that is written by hand."""
        return await deferToThread(self._ask, path, headers)

    def _ask(self: Any, path: str, headers: dict[str, str]) -> Any:
        lines = [f"GET {path} HTTP/1.1", "Host: ws-u1.example.org", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        with socket.create_connection((self.http.host, self.http.port), 60) as connection:
            connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        return json.loads(re.search(rb"\{.*\}", body)[0]) if b" 200 " in head.split(b"\r\n")[0] else int(head.split()[1])

    async def test_only_what_could_be_taken_for_traefiks_own_headers_is_taken_away(self: Any) -> None:
        seen = await self.ask(**dict.fromkeys((*KEPT, *FORGED, "X-Forwarded-For"), "forged"))
        names = {name.lower() for name, _ in seen["headers"]}
        self.assertEqual(names & {each.lower() for each in (*KEPT, *FORGED)}, {each.lower() for each in KEPT})
        self.assertNotIn("forged", [value for name, value in seen["headers"] if name.lower().startswith("x-forwarded")])

    async def test_of_all_names_on_the_list(self: Any) -> None:
        seen = await self.ask(**dict.fromkeys(aliases(), "forged"))
        self.assertEqual([name for name, value in seen["headers"] if value == "forged"], [])

    async def test_encoded_characters_come_as_they_are_and_dots_are_resolved(self: Any) -> None:
        for path in ("/a%2Fb", "/a%5Cb", "/a%00b", "/a%3Bb", "/a%25b", "/a%3Fb", "/a%23b", "/%C3%A4?a=%2F&b=c+d"):
            self.assertEqual((await self.ask(path))["path"], path)
        self.assertEqual((await self.ask("/?a=b;c"))["path"], "/?a=b%3Bc")
        for path in ("/a//b", "/a/./b", "/a/c/../b"):
            self.assertEqual((await self.ask(path))["path"], "/a/b")

    async def test_what_is_added_and_what_is_for_traefik_alone(self: Any) -> None:
        seen = await self.ask(**{"Keep-Alive": "5", "Proxy-Connection": "x", "TE": "gzip", "Upgrade": "x", "X-Hop": "1"})
        names = {name.lower() for name, _ in seen["headers"]}
        added = {"x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-forwarded-server"}
        self.assertEqual(names, {"host", "x-hop", "x-real-ip", "accept-encoding", *added})

    async def test_too_many_headers(self: Any) -> None:
        self.assertEqual(await self.ask(**{"X-Long": "x" * (65536 + 8192)}), 431)


class FileTests(TreatmentContract, OnFile, TestCase):
    """The embedded one, with its routes in files."""


class HttpTests(TreatmentContract, OnHttp, TestCase):
    """The embedded one, which fetches its routes."""


class OwnTests(TreatmentContract, OnFile, TestCase):
    """One that is set as the page says."""

    def prepare(self) -> Any:
        routes = super().prepare()
        static, dynamic = (yaml.safe_load(text) for text in OURS.findall(PAGE.read_text()))
        self.assertEqual(static["entryPoints"]["web"]["http"], entry_point())
        self.assertEqual(dynamic, dynamic_configuration())
        as_set = embedded.static_configuration

        def by_the_page(embedding: Any) -> dict[str, Any]:
            found = as_set(embedding)
            replace_file(embedding.routes.parent / "requests.yml", json.dumps(dynamic).encode())
            point = static["entryPoints"]["web"]
            points = {name: {**point, "address": each["address"]} for name, each in found["entryPoints"].items()}
            return {**found, "entryPoints": points}

        self.patch(embedded, "static_configuration", by_the_page)
        return routes
