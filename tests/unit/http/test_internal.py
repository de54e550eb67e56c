"""What a Traefik of the former daemon asks."""

from __future__ import annotations

from tests.unit.http.served import ServedCase
from webspaced.core.instance import Status

PATH = "/internal/alice/ensure-started"


class EnsureStartedTests(ServedCase):
    def setUp(self) -> None:
        super().setUp()
        self.ask("POST", "/v1/webspace/self", {"image": "fast"}, token="alice")
        self.container = self.w.lxd.containers["ws-u1"]

    def test_boots_and_gives_the_bare_address(self) -> None:
        for path in (PATH, "/internal/id%3A1/ensure-started"):
            answer = self.ask("POST", path, token="root", inside=True)
            self.assertEqual((answer.status, answer.headers["content-type"]), (200, "text/plain; charset=utf-8"))
            self.assertEqual(answer.body.decode(), str(self.w.seen(1).address))
            self.assertIs(self.container.status, Status.RUNNING)
        self.assertEqual(len(self.w.calls("start")), 1)

    def test_many_at_once_share_one_boot(self) -> None:
        lines = [self.line(inside=True) for _ in range(5)]
        for line in lines:
            line.say(b"POST %s HTTP/1.1\r\nAuthorization: Bearer root\r\nConnection: close\r\n\r\n" % PATH.encode())
        lines[0].hang_up()
        for line in lines[1:]:
            self.wait(line)
            self.assertTrue(line.value().startswith(b"HTTP/1.1 200"), line.value())
        self.assertEqual(len(self.w.calls("start")), 1)

    def test_a_boot_that_fails(self) -> None:
        self.container.crashes = True
        self.assertEqual(self.ask("POST", PATH, token="root", inside=True).status, 502)

    def test_no_webspace(self) -> None:
        self.assertEqual(self.ask("POST", "/internal/bob/ensure-started", token="root", inside=True).status, 404)

    def test_only_post(self) -> None:
        answer = self.ask("GET", PATH, token="root", inside=True)
        self.assertEqual((answer.status, answer.headers["allow"]), (405, "POST"))
