"""Settings that say who wakes a webspace and how visitors wait, each shown by a whole daemon."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address

from tests.unit.assembled import AssembledCase
from tests.unit.forward.wires import Wire
from webspaced.errors import Invalid

ADDRESS = "192.0.2.7"


def head(agent: str, path: str = "/", address: str = ADDRESS) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: a\r\nUser-Agent: {agent}\r\nX-Forwarded-For: {address}\r\n\r\n".encode()


class WakeTests(AssembledCase):
    def starting(self, **wake: object) -> None:
        """Start a daemon with three webspaces that sleep, whose Traefik is on loopback."""
        self.patch(Wire, "getPeer", lambda _: IPv4Address("TCP", "127.0.0.1", 40000))
        self.start(webspaces={"wake": wake})
        for name in ("alice", "bob", "carol"):
            self.create(name)
        self.lxd.calls.clear()

    def woken(self) -> list[str]:
        self.machine.run_for(5)
        return [name for what, name, *_ in self.lxd.calls if what == "start"]

    def test_agents_ignored(self) -> None:
        self.starting(agents_ignored=["UptimeRobot", "Site24x7 check"])
        for agent in ("Mozilla/5.0 (compatible; uptimerobot/2.0)", "site24x7 check"):
            self.assertIn(b"Retry-After: 3600", self.machine.visit(self.boot_port(), head=head(agent)).value())
        self.assertEqual(self.woken(), [])
        self.machine.visit(self.boot_port(), head=head("UptimeRobot", "/.well-known/acme-challenge/t"))
        self.assertEqual(self.woken(), ["ws-u1"])

    def test_per_address(self) -> None:
        self.starting(per_address=2)
        said = [
            self.machine.visit(self.boot_port(name), head=head("curl", address=address)).value()[:12]
            for name, address in (("ws-u1", ADDRESS), ("ws-u1", ADDRESS), ("ws-u2", ADDRESS), ("ws-u3", ADDRESS))
        ]
        self.assertEqual(said, [b"", b"", b"", b"HTTP/1.1 503"])
        self.assertEqual(self.woken(), ["ws-u1", "ws-u2"])
        self.machine.visit(self.boot_port("ws-u3"), head=head("curl", address="192.0.2.8"))
        self.assertEqual(self.woken(), ["ws-u1", "ws-u2", "ws-u3"])

    def test_0_is_no_bound(self) -> None:
        self.starting(per_address=0)
        for name in ("ws-u1", "ws-u2", "ws-u3"):
            self.machine.visit(self.boot_port(name), head=head("curl"))
        self.assertEqual(len(self.woken()), 3)

    def test_a_forward_that_wakes_on_data(self) -> None:
        self.starting()
        self.assertEqual(self.ask("POST", "self/ports/50000/22", {"wakeOn": "data"})[0], 201)
        wire = self.machine.connect(50000, ADDRESS)
        self.assertEqual(self.woken(), [])
        self.machine.protocols[wire].dataReceived(b"hello")
        self.assertEqual(self.woken(), ["ws-u1"])


BROWSER = b"GET / HTTP/1.1\r\nHost: alice.example.org\r\nAccept: text/html\r\nSec-Fetch-Mode: navigate\r\n\r\n"


class PageTests(AssembledCase):
    def told(self, seconds: float, **webspaces: Any) -> str:
        """Give what a browser was told after so many seconds before a webspace that takes its time."""
        self.start(webspaces=webspaces)
        self.create()
        self.lxd.containers["ws-u1"].opens[80] = None
        return self.visited(seconds)

    def visited(self, seconds: float) -> str:
        visitor = self.machine.visit(self.boot_port(), head=BROWSER)
        self.machine.run_for(seconds)
        return visitor.value().decode()

    def test_waiting(self) -> None:
        self.assertEqual(self.told(10, waiting="hold"), "")
        self.assertIn("alice.example.org is waking up", self.told(10, waiting="page"))

    def test_page_after(self) -> None:
        for after, early in (("7s", 6.9), ("0", 0.0)):
            if early:
                self.assertEqual(self.told(early, waiting="page", page_after=after), "")
            self.assertIn("is waking up", self.told(early + 0.2, waiting="page", page_after=after))

    def test_a_members_word(self) -> None:
        self.assertEqual(self.told(0.1), "")
        for waiting, is_paged, told in (("page", True, "page"), ("default", False, None), ("hold", False, "hold")):
            self.assertEqual(self.ask("PATCH", "self/config", {"waiting": waiting})[0], 200)
            self.assertEqual(self.ask("GET", "self/config")[1].get("waiting"), told)
            self.assertEqual("is waking up" in self.visited(3), is_paged)
        self.assertEqual(self.ask("PATCH", "self/config", {"waiting": "dance"})[0], 400)

    def test_how_far_it_is(self) -> None:
        said = self.told(3, waiting="page")
        self.assertIn('<li class="now" aria-current="step">The website gets ready</li>', said)

    def test_one_that_is_switched_off(self) -> None:
        self.told(0.1, waiting="page")
        self.assertEqual(self.ask("PUT", "self/desired", {"desired": "stopped"})[0], 200)
        self.assertIn("alice.example.org is switched off", self.visited(0.1))
        suspended = {"desired": "suspended", "reason": "no money", "publicReason": "unpaid"}
        self.assertEqual(self.ask("PUT", "alice/desired", suspended, name="root")[0], 200)
        self.assertIn("unpaid", self.visited(0.1))

    def test_pages(self) -> None:
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        (folder / "style.css").write_text("h1 { color: red }")
        self.assertIn("<style>h1 { color: red }</style>", self.told(3, waiting="page", pages=str(folder)))

    def test_pages_that_cannot_be_used_end_the_start(self) -> None:
        error = self.assertRaises(Invalid, self.build, webspaces={"pages": "/nowhere/pages"})
        self.assertIn("/nowhere/pages", str(error))
