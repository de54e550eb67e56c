"""Visitors of the embedded Traefik who say too little are let go; who says what it wants stays as long as it likes."""

from __future__ import annotations

import os
import select
import signal
import socket
import ssl
import time
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path
from typing import ClassVar

from tests.real.simulated import SimulatedCase
from tests.stack import exchange, wait_until
from tests.visitors import PATIENCE

BOUND = 2
"""Seconds that a visitor has for the beginning of a request."""
HOST = "alice.example.test"
REQUEST = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()


def is_open(connection: socket.socket) -> bool:
    """Whether the other side neither ended it nor said something."""
    return not select.select([connection], [], [], 0)[0]


class FrontCase(SimulatedCase):
    settings: ClassVar[dict[str, object]] = {"TRAEFIK_HEADER_TIMEOUT": f"{BOUND}s"}

    def setUp(self) -> None:
        super().setUp()
        self.connections = ExitStack()
        self.addCleanup(self.connections.close)
        self.assertEqual(self.ask("POST", "", b'{"image": "fast"}').status, 201)
        wait_until("it is served", lambda: self.visit() == b"ws-u1\n")

    def visit(self) -> bytes:
        return exchange("127.0.0.1", self.http, "GET", "/", None, {"Host": HOST}).body

    def plain(self, said: bytes = b"") -> socket.socket:
        connection = self.connections.enter_context(socket.create_connection(("127.0.0.1", self.http), PATIENCE))
        connection.sendall(said)
        return connection

    def secure(self, said: bytes = b"", version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLSocket:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.maximum_version = version
        bare = socket.create_connection(("127.0.0.1", self.https), PATIENCE)
        connection = self.connections.enter_context(context.wrap_socket(bare, server_hostname=HOST))
        if said:
            connection.sendall(said)
        return connection

    def hello(self) -> bytes:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        beginning = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=HOST)
        self.assertRaises(ssl.SSLWantReadError, beginning.do_handshake)
        return outgoing.read()


class SilenceTests(FrontCase):
    def test_who_says_too_little_is_let_go(self) -> None:
        silent = {
            "nothing": self.plain(),
            "half a head": self.plain(REQUEST[:-2]),
            "no line": self.plain(b"x" * 5000),
            "no TLS": self.plain(b"\x16\x03\x01"),
            "half a hello": self.connections.enter_context(socket.create_connection(("127.0.0.1", self.https))),
            "a handshake": self.secure(),
            "a handshake of an older TLS": self.secure(version=ssl.TLSVersion.TLSv1_2),
        }
        silent["half a hello"].sendall(self.hello()[:-1])
        for what, each in silent.items():
            wait_until(f"{what} is let go", lambda each=each: not is_open(each))

    def test_who_says_it_slowly_has_no_more_time(self) -> None:
        slow = self.plain(REQUEST[:-2])
        began = time.monotonic()
        while is_open(slow):
            slow.sendall(b"X-Slow: y\r\n"[:1])
            time.sleep(0.1)
            self.assertLess(time.monotonic() - began, PATIENCE)

    def test_a_beginning_in_pieces_is_understood(self) -> None:
        slow = self.plain()
        for byte in REQUEST:
            slow.sendall(bytes([byte]))
        self.assertTrue(slow.recv(1000).startswith(b"HTTP/1.1 200"))
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        secure = context.wrap_bio(incoming, outgoing, server_hostname=HOST)
        with socket.create_connection(("127.0.0.1", self.https), PATIENCE) as bare:
            while True:
                try:
                    secure.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    for byte in outgoing.read():
                        bare.sendall(bytes([byte]))
                    incoming.write(bare.recv(65536))


class CrowdTests(FrontCase):
    settings: ClassVar[dict[str, object]] = {}
    files = 1024

    def test_one_client_keeps_nobody_out(self) -> None:
        silent = [self.plain() for _ in range(300)] + [self.plain(REQUEST[:-2]) for _ in range(300)]
        self.assertEqual(self.visit(), b"ws-u1\n")
        # Whose they are is not known here: all come from one address, which has its share.
        self.assertGreater(sum(not is_open(each) for each in silent), len(silent) - self.files / 4)


class TraefikTests(FrontCase):
    settings: ClassVar[dict[str, object]] = {}

    def test_who_comes_while_it_is_started_again_waits(self) -> None:
        [traefik] = [int(pid) for pid in self.children() if b"traefik" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(traefik, signal.SIGKILL)
        # Who was on the way to the old one is cut off; nobody is told that there is no such page.
        seen = [self.visit_or_none() for _ in range(20)]
        self.assertEqual(set(seen) - {None}, {b"ws-u1\n"})
        self.assertLessEqual(seen.count(None), 2)

    def test_one_that_comes_back_without_routes_is_told_of_and_mended(self) -> None:
        # What Traefik cannot read spoils its whole folder.
        [folder] = self.directory.rglob("dynamic")
        broken = folder / "broken.yml"
        broken.write_text("{")
        [traefik] = [int(pid) for pid in self.children() if b"traefik" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(traefik, signal.SIGKILL)
        wait_until("it is noticed", lambda: not self.is_ready())
        told = exchange("127.0.0.1", self.api, "GET", "/ready", None, {})
        self.assertIn(b"none of webspaced's routes", told.body)
        broken.unlink()
        wait_until("it is well again", self.is_ready)
        self.assertEqual(self.visit(), b"ws-u1\n")

    def visit_or_none(self) -> bytes | None:
        try:
            return self.visit()
        except (OSError, HTTPException):
            return None

    def children(self) -> list[str]:
        return Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()

    def test_it_is_told_who_the_visitor_is(self) -> None:
        silent = self.plain(b"GET / HTTP/1.0\r\nHost: nobody.example\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")
        self.assertTrue(silent.recv(1000).startswith(b"HTTP/1.0 404"))
