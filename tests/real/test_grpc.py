"""gRPC, unary and streaming, through Traefik to a webspace that sleeps, wakes, and runs (https://grpc.io/docs/what-is-grpc/)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import grpc
from twisted.internet.ssl import KeyPair

from tests.real.relayed_inside import configure, gateway_of, relay_inside, sleeps
from tests.stack import StackCase, wait_until
from tests.visitors import PATIENCE

PORT = 50051
DETAIL = "detail"


class Echo(grpc.GenericRpcHandler):
    """All four kinds of calls; messages are bytes. Each ends with a trailer."""

    def service(self, handler_call_details: Any) -> Any:
        kinds = {
            "/echo.Echo/Once": grpc.unary_unary_rpc_method_handler(self.once),
            "/echo.Echo/Down": grpc.unary_stream_rpc_method_handler(self.down),
            "/echo.Echo/Up": grpc.stream_unary_rpc_method_handler(self.up),
            "/echo.Echo/Both": grpc.stream_stream_rpc_method_handler(self.both),
            "/echo.Echo/Fail": grpc.unary_unary_rpc_method_handler(self.fail),
        }
        return kinds.get(handler_call_details.method)

    def once(self, request: bytes, context: Any) -> bytes:
        context.set_trailing_metadata(((DETAIL, "once"),))
        return request

    def down(self, request: bytes, context: Any) -> Iterator[bytes]:
        for _ in range(3):
            yield request

    def up(self, requests: Iterator[bytes], context: Any) -> bytes:
        return b"".join(requests)

    def both(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        yield from requests

    def fail(self, request: bytes, context: Any) -> bytes:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "as asked")


class GrpcCase(StackCase):
    protocol: ClassVar[str]

    def prepare(self) -> None:
        # How long Traefik may take is the operator's to say. Here it shares the machine with other tests.
        self.stack.set_traefik(settle_time="5s")

    def setUp(self) -> None:
        super().setUp()
        server = grpc.server(ThreadPoolExecutor(4), handlers=(Echo(),))
        self.addCleanup(lambda: server.stop(None).wait(PATIENCE))
        port = self.listen(server, f"{gateway_of(self.stack)}:0")
        server.start()
        self.stack.create()
        self.assertEqual(self.stack.ask("POST", "/v1/webspace/self/state").status, 204)
        relay_inside(self.stack, {PORT: port})
        configure(self.stack, protocol=self.protocol, httpPort=PORT)
        authority = ("grpc.default_authority", "alice.example.test")
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.stack.http_port}", options=[authority])
        self.addCleanup(self.channel.close)

    def listen(self, server: Any, address: str) -> int:
        """Have the server listen, and give the port."""
        raise NotImplementedError

    # --- calls

    def once(self, message: bytes) -> tuple[bytes, dict[str, str]]:
        answer, call = self.channel.unary_unary("/echo.Echo/Once").with_call(message, timeout=PATIENCE)
        return answer, dict(call.trailing_metadata())

    def answers(self) -> bool:
        try:
            return self.once(b"hello")[0] == b"hello"
        except grpc.RpcError:
            return False

    def speak_every_way(self) -> None:
        self.assertEqual(self.once(b"hello"), (b"hello", {DETAIL: "once"}))
        self.assertEqual(list(self.channel.unary_stream("/echo.Echo/Down")(b"a", timeout=PATIENCE)), [b"a"] * 3)
        self.assertEqual(self.channel.stream_unary("/echo.Echo/Up")(iter([b"a", b"b"]), timeout=PATIENCE), b"ab")
        with self.assertRaises(grpc.RpcError) as caught:
            self.channel.unary_unary("/echo.Echo/Fail")(b"", timeout=PATIENCE)
        found = caught.exception.code(), caught.exception.details()
        self.assertEqual(found, (grpc.StatusCode.FAILED_PRECONDITION, "as asked"))
        self.converse()

    def converse(self) -> None:
        """Say something only once the former has come back: nothing on the way waits for more."""
        turn = threading.Semaphore(0)

        def said() -> Iterator[bytes]:
            for number in range(3):
                yield b"%d" % number
                turn.acquire()

        heard = []
        for message in self.channel.stream_stream("/echo.Echo/Both")(said(), timeout=PATIENCE):
            heard.append(message)
            turn.release()
        self.assertEqual(heard, [b"0", b"1", b"2"])

    def check(self) -> None:
        wait_until("Traefik goes to the container itself", lambda: self.stack.routes()["ws-u1"].endswith(f":{PORT}"))
        self.speak_every_way()
        sleeps(self.stack)
        self.assertTrue(self.stack.routes()["ws-u1"].startswith(f"{self.protocol}://127."))
        wait_until("a call wakes it", self.answers)
        self.assertEqual(self.stack.status(), "Running")
        self.speak_every_way()
        wait_until("Traefik goes there again", lambda: self.stack.routes()["ws-u1"].endswith(f":{PORT}"))
        self.speak_every_way()


class PlainTests(GrpcCase):
    protocol = "h2c"

    def listen(self, server: Any, address: str) -> int:
        return server.add_insecure_port(address)

    def test_every_kind_of_call(self) -> None:
        self.check()

    def test_a_stream_wakes_it_too(self) -> None:
        sleeps(self.stack)
        wait_until("a stream wakes it", self.conversed)
        self.assertEqual(self.stack.status(), "Running")

    def conversed(self) -> bool:
        try:
            self.converse()
        except grpc.RpcError:
            return False
        return True


class SecureTests(GrpcCase):
    """The container ends TLS, with a certificate that nobody else has signed."""

    protocol = "https"

    def listen(self, server: Any, address: str) -> int:
        pair = KeyPair.generate(size=2048).selfSignedCert(1, commonName="inside")
        key, certificate = pair.privateKey.dump(1), pair.dump(1)
        return server.add_secure_port(address, grpc.ssl_server_credentials([(key, certificate)]))

    def test_every_kind_of_call(self) -> None:
        self.check()
