"""TLS that ends in the container: Traefik passes it through by its SNI, and webspaced wakes for it.

The tiny image speaks no TLS; what listens in the container hands each connection to a TLS server of the test, on the
container's side of the bridge.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.stack import StackCase, wait_until
from tests.visitors import PATIENCE, receive_all
from webspaced.lxd.certificate import make_certificate

CONFIG = "/v1/webspace/self/config"
TLS_PORT = 443


class TlsServer:
    """Answers every connection with one line; ``certificate`` (DER) is its own."""

    def __init__(self, address: str, directory: Path) -> None:
        certificate, key = make_certificate("inside", dt.datetime.now(dt.UTC))
        self.certificate = ssl.PEM_cert_to_DER_cert(certificate.decode())
        file = directory / "inside.pem"
        file.write_bytes(certificate + key)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(file)
        self._socket = socket.create_server((address, 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, plain: socket.socket) -> None:
        # A port check of the daemon's ends before any TLS.
        try:
            with self._context.wrap_socket(plain, server_side=True) as connection:
                asked = connection.recv(4096)
                connection.sendall(b"inside: " + asked)
        except OSError:
            plain.close()


class PassthroughTests(StackCase):
    def setUp(self) -> None:
        super().setUp()
        gateway = str(ipaddress.ip_network(self.stack.lxd.subnet)[1])
        self.server = TlsServer(gateway, self.stack.directory)
        self.addCleanup(self.server.close)
        self.stack.create()
        self.assertEqual(self.stack.ask("POST", "/v1/webspace/self/state").status, 204)
        line = f"nc -ll -p {TLS_PORT} -e /bin/nc {gateway} {self.server.port} >/dev/null 2>&1 &"
        self.stack.run_inside("sh", "-c", f"echo '{line}' >>/etc/rc; /bin/{line}")

    def switch(self, *, on: bool) -> None:
        change = {"sniPassthrough": on, "httpPort": TLS_PORT if on else 80}
        answer = self.stack.ask("PATCH", CONFIG, change)
        self.assertEqual(answer.status, 200, answer)

    def visit(self, name: str = "alice") -> tuple[bytes, bytes]:
        """Give the certificate (DER) that a visitor of HTTPS sees, and the answer to one line."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection(("127.0.0.1", self.stack.https_port), PATIENCE)
        with context.wrap_socket(plain, server_hostname=f"{name}.example.test") as connection:
            shown = connection.getpeercert(binary_form=True) or b""
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {name}.example.test\r\nConnection: close\r\n\r\n".encode())
            return shown, receive_all(connection)

    def sees_inside(self) -> bool:
        shown, answer = self.visit()
        return shown == self.server.certificate and answer.startswith(b"inside: GET")

    def test_it_ends_in_the_container_and_wakes_it(self) -> None:
        self.switch(on=True)
        wait_until("TLS ends inside", self.sees_inside)
        self.assertEqual(self.stack.ask("DELETE", "/v1/webspace/self/state").status, 204)
        self.assertEqual(self.stack.status(), "Stopped")
        wait_until("it may be woken again", self.comes_through)
        self.assertEqual(self.stack.status(), "Running")
        # One kind of router for its name, never both.
        document = self.stack.document()
        self.assertIn("ws-u1", document["tcp"]["routers"])
        self.assertNotIn("ws-u1-https", document["http"]["routers"])

    def comes_through(self) -> bool:
        """Whether a visit ends inside."""
        try:
            return self.sees_inside()
        except OSError:
            return False

    @contextmanager
    def visitors(self) -> Iterator[list[str]]:
        """Have somebody visit all the time; gives whose certificates they saw, or what happened to them."""
        seen: list[str] = []
        over = threading.Event()

        def run() -> None:
            while not over.is_set():
                try:
                    shown, _ = self.visit()
                    seen.append("inside" if shown == self.server.certificate else "traefik")
                except OSError as error:
                    seen.append(repr(error))

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield seen
        finally:
            over.set()
            thread.join()

    def test_when_the_switchs_answer_is_there_every_visitor_sees_its_effect(self) -> None:
        with self.visitors() as seen:
            for wanted, on in (("inside", True), ("traefik", False), ("inside", True)):
                self.switch(on=on)
                # One visit may have begun before the answer came.
                begun = len(seen) + 1
                wait_until("many have visited", lambda begun=begun: len(seen) > begun + 50)
                self.assertEqual(set(seen[begun:]), {wanted})
