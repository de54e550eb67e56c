"""Leases of a network that LXD does not manage: dnsmasq's file, or a URL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from treq.testing import RequestTraversalAgent
from twisted.internet.defer import fail
from twisted.internet.error import ConnectionRefusedError as Refusal
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from tests.unit.timing import Time, watch
from webspaced.errors import DeadlineExceeded, RemoteError, Unavailable
from webspaced.network.leases import LARGEST, TIMEOUT, LeaseFile, LeaseUrl, leases_from

NOW = 1000.0
MAC = "00:16:3e:00:00:01"


class FileTests(SynchronousTestCase):
    def leases(self, path: Path) -> list[str]:
        return [str(lease.address) for lease in watch(LeaseFile(path, lambda: NOW).leases()).value]

    def test_what_stands_there_now(self) -> None:
        path = Path(self.mktemp())
        path.write_text(f"2000 {MAC} 10.7.0.10 * *\n")
        self.assertEqual(self.leases(path), ["10.7.0.10"])
        # Of two leases for one machine the clock tells which one counts.
        path.write_text(f"999 {MAC} 10.7.0.11 * *\n2000 {MAC} 10.7.0.12 * *\n")
        self.assertEqual(self.leases(path), ["10.7.0.12"])

    def test_a_file_that_is_not_there_is_named(self) -> None:
        error = watch(LeaseFile(Path("nowhere")).leases()).error
        self.assertIsInstance(error, Unavailable)
        self.assertIn("webspaces.leases", str(error))


class _Page(Resource):
    isLeaf = True

    def __init__(self, status: int, body: bytes | None) -> None:
        super().__init__()
        self._status, self._body = status, body

    def render(self, request: Request) -> Any:
        request.setResponseCode(self._status)
        return NOT_DONE_YET if self._body is None else self._body


class UrlTests(SynchronousTestCase):
    def asking(self, body: bytes | None, status: int = 200) -> Any:
        self.clock = Time()
        agent = RequestTraversalAgent(_Page(status, body))
        asking = watch(LeaseUrl(self.clock, "http://dhcp.example/leases", agent, lambda: NOW).leases())
        for _ in range(5):
            agent.flush()
        return asking

    def test_a_list(self) -> None:
        told = self.asking(json.dumps([{"address": "10.7.0.10", "hwaddr": MAC, "expires": 2000}]).encode()).value
        self.assertEqual([(str(lease.address), lease.mac) for lease in told], [("10.7.0.10", MAC)])

    def test_what_is_none(self) -> None:
        for body, status in ((b"{}", 200), (b"<html>", 200), (b"[]", 500), (b"[" + b" " * LARGEST + b"]", 200)):
            self.assertIsInstance(self.asking(body, status).error, RemoteError)

    def test_nobody_there(self) -> None:
        class Nobody:
            def request(self, *_: Any, **__: Any) -> Any:
                return fail(Refusal())

        self.assertIsInstance(watch(LeaseUrl(Time(), "http://dhcp.example", Nobody()).leases()).error, Unavailable)

    def test_silence(self) -> None:
        asking = self.asking(None)
        self.clock.advance(TIMEOUT)
        self.assertIsInstance(asking.error, DeadlineExceeded)


class ChoiceTests(SynchronousTestCase):
    def test_a_path_or_a_url(self) -> None:
        self.assertIsInstance(leases_from(Time(), "/var/lib/misc/dnsmasq.leases"), LeaseFile)
        self.assertIsInstance(leases_from(Time(), "https://dhcp.example/leases"), LeaseUrl)
