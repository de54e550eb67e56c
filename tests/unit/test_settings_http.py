"""What the settings of webspaced's own HTTP do, from a key in a file to the daemon's answers; see `test_settings`."""

from __future__ import annotations

from typing import Any

from tests.unit.assembled import AssembledCase
from tests.unit.http.served import Answer, Line, request

OWN, STRANGER = "203.0.113.1", "192.0.2.9"


class HttpTests(AssembledCase):
    def daemon_with(self, traefik: dict[str, Any] | None = None, **http: Any) -> None:
        """Start a daemon; only its public site is asked."""
        self.start(http=http, traefik=traefik or {})
        self.site = next(factory for port, factory, _, _ in self.machine.tcpServers if port == 80)

    def line(self, address: str = STRANGER) -> Line | None:
        line = Line(address)
        line.channel = self.site.buildProtocol(line.getPeer())
        if line.channel is None:
            return None
        line.channel.makeConnection(line)
        return line

    def get(
        self, path: str, token: str | None = None, address: str = STRANGER, method: str = "GET", **fields: str
    ) -> Answer:
        headers = {"Connection": "close", **{name.replace("_", "-"): value for name, value in fields.items()}}
        line = self.line(address)
        assert line is not None
        line.say(request(method, path, token=token, headers=headers))
        self.machine.run_until(lambda: line.ended is not None, 200)
        return Answer(line.value(), method)

    def statuses(self, count: int, **more: Any) -> list[int]:
        return [self.get("/v1/webspace/self", **more).status for _ in range(count)]

    def test_cors_allowed_origins(self) -> None:
        for origins, page, allowed in (
            (["https://a.example"], "https://a.example", "https://a.example"),
            (["https://a.example"], "https://b.example", None),
            (["*"], "https://b.example", "*"),
        ):
            self.daemon_with(cors={"allowed_origins": origins})
            answer = self.get("/v1/images", origin=page)
            self.assertEqual(answer.headers.get("access-control-allow-origin"), allowed)

    def test_limits_per_address(self) -> None:
        self.daemon_with(limits={"per_address": 0.1, "per_address_burst": 2})
        self.assertEqual(self.statuses(3), [401, 401, 429])
        self.machine.run_for(10)
        self.assertEqual(self.statuses(2), [401, 429])

    def test_limits_per_user(self) -> None:
        self.daemon_with(limits={"per_user": 0.1, "per_user_burst": 2})
        self.assertEqual(self.statuses(3, token="alice"), [404, 404, 429])
        self.machine.run_for(10)
        self.assertEqual(self.statuses(2, token="alice"), [404, 429])
        self.assertEqual(self.statuses(3), [401] * 3)

    def test_old_traefiks_ask_as_often_as_they_like(self) -> None:
        self.daemon_with(limits={"per_user": 0.1, "per_user_burst": 1}, traefik={"webspaced_url": "http://a.example"})
        path = "/internal/alice/ensure-started"
        self.assertEqual([self.get(path, token="root", method="POST").status for _ in range(5)], [404] * 5)

    def test_nobody_guesses_tokens_there_either(self) -> None:
        limits = {"per_address": 1, "per_address_burst": 5, "per_user": 0}
        self.daemon_with(limits=limits, traefik={"webspaced_url": "http://a.example"})
        path = "/internal/alice/ensure-started"
        found = [self.get(path, token=f"guess{n}", method="POST").status for n in range(5)]
        # Each takes one for the request, and one for the guess.
        self.assertEqual(found, [403, 403, 403, 429, 429])

    def test_limits_of_0_are_none(self) -> None:
        bursts = {"per_address_burst": 1, "per_user_burst": 1}
        self.daemon_with(limits={"per_address": 0, "per_user": 0, "connections_per_address": 0, **bursts})
        self.assertEqual(set(self.statuses(20, token="alice")), {404})
        self.assertNotIn(None, [self.line() for _ in range(1000)])

    def test_what_a_dashboard_never_notices(self) -> None:
        self.daemon_with()
        self.assertEqual(set(self.statuses(500, token="alice")), {404})

    def test_limits_connections_per_address(self) -> None:
        self.daemon_with(limits={"connections_per_address": 2})
        self.assertEqual([self.line() is None for _ in range(3)], [False, False, True])

    def held(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[Line, bytes]:
        """Make a request of alice's that may take a while; gives the first line of the answer, if there is one by now."""
        line = self.line()
        assert line is not None
        line.say(request(method, f"/v1/webspace/self/{path}", body, token="alice", headers=headers))
        self.machine.run_for(1)
        return line, line.value().partition(b"\r\n")[0]

    def test_limits_concurrent_per_user(self) -> None:
        for most, refused in ((2, True), (0, False)):
            self.daemon_with(limits={"concurrent_per_user": most})
            self.create()
            running = [self.held("POST", "exec", {"command": "sleep 30"}) for _ in range(3)]
            self.assertEqual([b"429" in answer for _, answer in running], [False, False, refused])
            self.assertEqual(self.statuses(1, token="alice"), [429 if refused else 200])
            self.assertEqual(self.get("/v1/webspace/self", token="bob").status, 404)
            self.assertEqual(self.get("/v1/webspace/alice", token="root").status, 200)
            # Who goes away counts no more, and neither does what was answered.
            running[0][0].hang_up()
            self.assertEqual(set(self.statuses(5, token="alice")), {200})

    def test_how_many_commands_and_terminals(self) -> None:
        self.start(webspaces={"exec": {"max_commands": 2, "max_terminals": 3}}, http={"limits": {"concurrent_per_user": 4}})
        self.site = next(factory for port, factory, _, _ in self.machine.tcpServers if port == 80)
        self.create()
        running = [self.held("POST", "exec", {"command": "sleep 30"})[1] for _ in range(3)]
        self.assertEqual([b"429" in answer for answer in running], [False, False, True])
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        upgrade["Sec-WebSocket-Key"] = "AAAAAAAAAAAAAAAAAAAAAA=="
        opened = [self.held("GET", path, **upgrade)[1].split()[1] for path in ("exec", "console", "exec", "console")]
        # Open ones are no requests under way.
        self.assertEqual(opened, [b"101"] * 3 + [b"429"])

    def test_trusted_proxies(self) -> None:
        limits = {"per_address": 0.001, "per_address_burst": 1}
        for trusted, proxy, refused in (
            (None, "127.0.0.1", False),
            (None, OWN, True),
            ([f"{OWN}/32"], OWN, False),
            ([f"{OWN}/32"], "127.0.0.1", True),
            ([], "127.0.0.1", True),
        ):
            more = {} if trusted is None else {"trusted_proxies": trusted}
            self.daemon_with(limits=limits, **more)
            found = [self.get("/v1/images", address=proxy, x_forwarded_for=f"192.0.2.{n}").status for n in range(3)]
            self.assertEqual(found, [200, 429, 429] if refused else [200] * 3, (trusted, proxy))

    def test_webspaced_url(self) -> None:
        for url, status in (("http://webspaced.example.org", 200), (None, 404)):
            self.daemon_with(traefik={} if url is None else {"webspaced_url": url})
            self.create()
            answer = self.get("/internal/alice/ensure-started", token="root", method="POST")
            self.assertEqual(answer.status, status)
            self.assertEqual(self.get("/metrics", token="root").status, 404)
