"""What applications do with HTTP/1.1 beside plain requests, through Traefik to a webspace that sleeps, wakes, and runs."""

from __future__ import annotations

import base64
import hashlib
import http.client
import http.server
import socket
import ssl
import threading
import time
from contextlib import ExitStack
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests.real.relayed_inside import configure, gateway_of, relay_inside, sleeps
from tests.stack import StackCase, wait_until
from tests.visitors import PATIENCE

PORT = 8080
HOST = "alice.example.test"
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    told: threading.Semaphore
    """Taken before each further event: an event has to arrive before the next one is sent."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        # The standard library says 100 Continue to who asks for it.
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        {"/events": self.events, "/trailers": self.trailers, "/socket": self.socket}[self.path]()

    def events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for number in range(3):
            self.wfile.write(b"data: %d\n\n" % number)
            self.told.acquire()

    def trailers(self) -> None:
        self.send_response(200)
        self.send_header("Trailer", "X-Sum")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"5\r\nhello\r\n0\r\nX-Sum: 5\r\n\r\n")

    def socket(self) -> None:
        accept = base64.b64encode(hashlib.sha1(self.headers["Sec-WebSocket-Key"].encode() + MAGIC).digest())  # noqa: S324
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept.decode())
        self.end_headers()
        # One frame of text, masked, of less than 126 bytes (RFC 6455 section 5.2), and the same without the mask.
        first, length = self.rfile.read(2)
        mask = self.rfile.read(4)
        data = bytes(byte ^ mask[n % 4] for n, byte in enumerate(self.rfile.read(length & 127)))
        self.wfile.write(bytes([first, len(data)]) + data)
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


BOUND = 1
"""Seconds for the beginning of a request."""
PAUSE = 2 * BOUND
"""Seconds for which somebody says nothing that may last."""


class MannersTests(StackCase):
    def prepare(self) -> None:
        # How long Traefik may take is the operator's to say. Here it shares the machine with other tests.
        self.stack.set_traefik(settle_time="5s", header_timeout=f"{BOUND}s")

    def setUp(self) -> None:
        super().setUp()
        self.told = threading.Semaphore(0)
        handler = type("OurHandler", (Handler,), {"told": self.told})
        server = http.server.ThreadingHTTPServer((gateway_of(self.stack), 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.stack.create()
        self.assertEqual(self.stack.ask("POST", "/v1/webspace/self/state").status, 204)
        relay_inside(self.stack, {PORT: server.server_port})
        configure(self.stack, httpPort=PORT)

    def connection(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self.stack.http_port, timeout=PATIENCE)
        self.addCleanup(connection.close)
        return connection

    def talk(self) -> bool:
        """Whether a WebSocket echoes."""
        plain = socket.create_connection(("127.0.0.1", self.stack.http_port), PATIENCE)
        try:
            with connect(f"ws://{HOST}/socket", sock=plain, compression=None, open_timeout=PATIENCE) as there:
                there.send("hello")
                return there.recv(PATIENCE) == "hello"
        except (WebSocketException, OSError):
            return False

    def listen(self) -> bool:
        """Whether events come one by one."""
        connection = self.connection()
        connection.request("GET", "/events", headers={"Host": HOST})
        response = connection.getresponse()
        if response.status != 200:
            return False
        for number in range(3):
            self.assertEqual((response.readline(), response.readline()), (b"data: %d\n" % number, b"\n"))
            self.told.release()
        return True

    def ask_first(self) -> bool:
        """Whether a body that is only sent when it is asked for arrives."""
        with socket.create_connection(("127.0.0.1", self.stack.http_port), PATIENCE) as connection:
            lines = ("POST / HTTP/1.1", f"Host: {HOST}", "Content-Length: 4", "Expect: 100-continue", "Connection: close")
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
            answer = connection.makefile("rb")
            if not answer.readline().startswith(b"HTTP/1.1 100"):
                return False
            self.assertEqual(answer.readline(), b"\r\n")
            connection.sendall(b"body")
            return answer.read().endswith(b"\r\n\r\nbody")

    def read_to_the_trailer(self) -> bool:
        """Whether what comes after a body is there."""
        with socket.create_connection(("127.0.0.1", self.stack.http_port), PATIENCE) as connection:
            connection.sendall(f"GET /trailers HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
            return connection.makefile("rb").read().endswith(b"5\r\nhello\r\n0\r\nX-Sum: 5\r\n\r\n")

    def test_who_has_said_what_it_wants_may_take_its_time(self) -> None:
        wait_until("Traefik goes to the container itself", self.stack.is_direct)
        with ExitStack() as all_:
            plain, secure = (all_.enter_context(self.to_traefik(is_secure=each)) for each in (False, True))
            sockets = [
                all_.enter_context(connect(f"ws://{HOST}/socket", sock=self.to_traefik(is_secure=each), compression=None))
                for each in (False, True)
            ]
            events = [self.stream(each) for each in (self.to_traefik(is_secure=False), self.to_traefik(is_secure=True))]
            for upload in (plain, secure):
                upload.sendall(f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 8\r\n\r\n".encode())
            for _ in range(4):
                time.sleep(PAUSE / 2)
                for upload in (plain, secure):
                    upload.sendall(b"xy")
            for upload in (plain, secure):
                self.assertEqual(upload.makefile("rb").readline(), b"HTTP/1.1 200 OK\r\n")
            for each in sockets:
                each.send("hello")
                self.assertEqual(each.recv(PATIENCE), "hello")
            for each in events:
                self.told.release(3 * len(events))
                self.assertTrue(each.read().endswith(b"data: 2\n\n"))

    def to_traefik(self, *, is_secure: bool) -> socket.socket:
        port = self.stack.https_port if is_secure else self.stack.http_port
        plain = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.addCleanup(plain.close)
        if not is_secure:
            return plain
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(plain, server_hostname=HOST)

    def stream(self, connection: socket.socket) -> Any:
        """Begin to listen to events, of which the first is there."""
        connection.sendall(f"GET /events HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode())
        answer = connection.makefile("rb")
        while not answer.readline().startswith(b"data: 0"):
            pass
        return answer

    def test_each_wakes_it_and_works_then(self) -> None:
        for each in (self.talk, self.listen, self.ask_first, self.read_to_the_trailer):
            with self.subTest(each.__name__):
                wait_until("Traefik goes to the container itself", self.stack.is_direct)
                self.assertTrue(each())
                sleeps(self.stack)
                wait_until("it wakes it", each)
                self.assertEqual(self.stack.status(), "Running")
