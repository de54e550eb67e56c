"""Settings that say who wakes a webspace, each shown by a whole daemon."""

from __future__ import annotations

from twisted.internet.address import IPv4Address

from tests.unit.assembled import AssembledCase
from tests.unit.forward.wires import Wire

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
