"""A member, a visitor and an operator use one machine."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor

from tests.stack import MEMBERS, StackCase, wait_until
from tests.visitors import PATIENCE, receive_all


class WakingTests(StackCase):
    variants = ("fast", "crash", "warming")

    def test_first_visit_wakes_and_route_becomes_direct(self) -> None:
        self.stack.create()
        self.assertEqual(self.stack.status(), "Stopped")
        wait_until("the route exists", self.stack.leads_to_itself)
        wait_until("Traefik has it", lambda: self.stack.visit(method="HEAD").status == 200)
        self.assertEqual(self.stack.visit().body.strip(), b"ws-u1")
        self.assertEqual(self.stack.status(), "Running")
        wait_until("the route is direct", self.stack.is_direct)
        self.assertEqual(self.stack.visit().status, 200)

    def test_https_wakes(self) -> None:
        self.stack.create()
        wait_until("the route exists", self.stack.leads_to_itself)
        wait_until("Traefik has it", lambda: self.stack.visit_https().status == 200)
        self.assertEqual(self.stack.visit_https().body, b"ws-u1\n")

    def test_names_that_nobody_has(self) -> None:
        for host in ("nobody", "alice", "webspaced"):
            self.assertEqual(self.stack.visit(host).status, 404)

    def test_a_forwarded_connection_wakes(self) -> None:
        self.stack.create()
        port = self.stack.forward(7)
        data = bytes(range(256)) * 4096
        self.assertEqual(self.stack.echo(port, data), data)
        self.assertEqual(self.stack.status(), "Running")

    def test_concurrent_first_visitors_share_one_boot(self) -> None:
        self.stack.create()
        # Not the echo service: with its backlog of one connection it resets most of so many even without a relay.
        port = self.stack.forward(80)
        request = b"GET / HTTP/1.0\r\n\r\n"
        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(lambda _: self.stack.echo(port, request), range(50)))
        self.assertEqual({answer.rpartition(b"\r\n\r\n")[2] for answer in answers}, {b"ws-u1\n"})
        self.assertEqual(self.stack.log().count("webspace 1 is up"), 1)

    def test_server_that_ends_first_is_passed_on(self) -> None:
        self.stack.create()
        port = self.stack.forward(80)
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            self.assertTrue(receive_all(connection).endswith(b"ws-u1\n"))

    def test_a_webspace_that_crashes_at_once_is_refused_with_a_reason(self) -> None:
        self.stack.create(image="crash")
        wait_until("Traefik has the route", lambda: self.stack.visit(method="HEAD").status != 404)
        answer = self.stack.visit()
        self.assertEqual(answer.status, 503)
        self.assertIn(b"stopped again", answer.body)
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)

    def test_a_warming_server_is_waited_for(self) -> None:
        self.stack.create(image="warming")
        wait_until("Traefik has the route", lambda: self.stack.visit(method="HEAD").status != 404)
        self.assertEqual(self.stack.visit().status, 200)


class ApiTests(StackCase):
    def test_life_of_a_webspace(self) -> None:
        ask = self.stack.ask
        created = ask("POST", "/v1/webspace/self", {"image": "fast"})
        self.assertEqual(created.status, 201, created)
        expected = {
            "user": 1,
            "config": {"startupDelay": 3, "httpPort": 80, "sniPassthrough": False, "protocol": "http"},
            "domains": [],
            "ports": {},
        }
        self.assertEqual(created.json, expected)
        self.assertEqual(ask("GET", "/v1/webspace/alice").json, expected)
        document = json.loads(self.stack.key("user._webspaced") or "")
        self.assertEqual(set(document.pop("granted")), {"name", "boot"})
        self.assertEqual(document, expected)
        self.assertEqual(ask("POST", "/v1/webspace/self", {"image": "fast"}).status, 409)
        self.assertEqual(ask("DELETE", "/v1/webspace/self").status, 204)
        self.assertEqual(ask("GET", "/v1/webspace/self").status, 404)
        self.assertEqual(self.stack.rest.get("/1.0/instances"), [])

    def test_power(self) -> None:
        self.stack.create()
        ask, path = self.stack.ask, "/v1/webspace/self/state"
        self.assertEqual(ask("DELETE", path).status, 404)
        self.assertEqual(ask("PUT", path).status, 404)
        self.assertIs(ask("GET", path).json["running"], False)
        self.assertEqual(ask("POST", path).status, 204)
        self.assertEqual(ask("POST", path).status, 409)
        state = ask("GET", path).json
        self.assertIs(state["running"], True)
        self.assertEqual(set(state["networkInterfaces"]), {"eth0"})
        self.assertEqual(ask("PUT", path).status, 204)
        self.assertEqual(ask("PATCH", path).status, 204)
        self.assertEqual(self.stack.status(), "Running")
        self.assertEqual(ask("DELETE", path).status, 204)
        self.assertEqual(self.stack.status(), "Stopped")
        wait_until("the route is ours", self.stack.leads_to_itself)

    def test_config_moves_the_route(self) -> None:
        self.stack.create()
        ask, path = self.stack.ask, "/v1/webspace/self/config"
        self.assertEqual(ask("POST", "/v1/webspace/self/state").status, 204)
        wait_until("the route is direct", self.stack.is_direct)
        self.assertEqual(ask("PATCH", path, {"httpPort": 7}).json["httpPort"], 80)
        self.assertEqual(ask("GET", path).json["httpPort"], 7)
        wait_until("the route names port 7", lambda: self.stack.routes()["ws-u1"].endswith(":7"))
        for bad in ({"httpPort": 0}, {"httpPort": "80"}, {"startupDelay": 61}, {"startupDelay": -1}, {"nonsense": 1}, []):
            self.assertEqual(ask("PATCH", path, bad).status, 400, bad)
        now = {"startupDelay": 3, "httpPort": 7, "sniPassthrough": False, "protocol": "http"}
        self.assertEqual(ask("GET", path).json, now)

    def test_ports(self) -> None:
        self.stack.create()
        self.stack.create("bob")
        ask, path = self.stack.ask, "/v1/webspace/self/ports"
        random = self.stack.forward(7)
        self.assertEqual(ask("GET", path).json, {str(random): 7})
        self.assertEqual(ask("POST", f"{path}/{random}/80").status, 409)
        self.assertEqual(ask("POST", f"{path}/{random}/80", token="token-bob").status, 409)
        self.assertEqual(ask("DELETE", f"{path}/{random}", token="token-bob").status, 404)
        start, end = self.stack.forward_ports
        wanted, other = [port for port in range(start, end + 1) if port != random][:2]
        with socket.create_server(("127.0.0.1", wanted)):
            self.assertEqual(ask("POST", f"{path}/{wanted}/80").status, 409)
        created = ask("POST", f"{path}/{wanted}/80")
        self.assertEqual((created.status, created.body), (201, b""))
        for bad in ("80/80", "70000/80", f"{other}/0", f"{other}/x"):
            self.assertEqual(ask("POST", f"{path}/{bad}").status, 400, bad)
        self.assertEqual(ask("DELETE", f"{path}/{random}").status, 204)
        self.assertEqual(ask("DELETE", f"{path}/{random}").status, 404)
        with self.assertRaises(OSError):
            socket.create_connection(("127.0.0.1", random), PATIENCE)

    def test_two_creations_at_once(self) -> None:
        with ThreadPoolExecutor(2) as pool:
            bodies = [{"image": "fast"}] * 2
            answers = list(pool.map(lambda body: self.stack.ask("POST", "/v1/webspace/self", body).status, bodies))
        self.assertEqual(sorted(answers), [201, 409])

    def test_many_ports_at_once_are_different(self) -> None:
        for name in MEMBERS.values():
            self.stack.create(name)
        names = [name for name in MEMBERS.values() for _ in range(5)]
        with ThreadPoolExecutor(10) as pool:
            ports = list(pool.map(lambda name: self.stack.forward(7, name), names))
        self.assertEqual(len(set(ports)), len(names))

    def test_bad_input_and_strangers(self) -> None:
        ask = self.stack.ask
        self.assertEqual(ask("POST", "/v1/webspace/self", {"image": "nothing"}).status, 404)
        for body in ({}, {"image": 1}, {"image": "fast", "extra": 1}, b"{", b"[]"):
            self.assertEqual(ask("POST", "/v1/webspace/self", body).status, 400, body)
        self.assertEqual(self.stack.rest.get("/1.0/instances"), [])
        self.assertEqual(ask("GET", "/v1/webspace/self", token=None).status, 401)
        self.assertEqual(ask("GET", "/v1/webspace/self", token="wrong").status, 403)
        self.assertEqual(ask("GET", "/v1/webspace/bob").status, 403)
        self.assertEqual(ask("GET", "/v1/webspace/id:2").status, 401)
        self.assertEqual(ask("GET", "/v1/webspace/id%3A2", token="token-root").status, 404)
        self.assertEqual(ask("GET", "/v1/webspace/nobody", token="token-root").status, 404)
        problem = ask("GET", "/v1/webspace/self/exec")
        self.assertEqual((problem.status, problem.headers["Content-Type"]), (404, "application/problem+json"))
        refused = ask("PUT", "/v1/webspace/self")
        self.assertEqual((refused.status, refused.headers["Allow"]), (405, "DELETE, GET, HEAD, POST"))
        self.assertEqual(ask("GET", "/nowhere").json["message"], "there is nothing at this path")

    def test_nothing_of_a_failed_creation_is_left(self) -> None:
        empty = {"name": "ws-u1", "source": {"type": "none"}, "profiles": ["webspace"]}
        self.stack.rest.ask("POST", "/1.0/instances", empty)
        self.assertEqual(self.stack.ask("POST", "/v1/webspace/self", {"image": "fast"}).status, 409)
        self.assertEqual(self.stack.rest.get("/1.0/instances/ws-u1")["config"].get("user._webspaced"), None)
