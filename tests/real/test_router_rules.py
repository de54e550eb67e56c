"""The router's rules before a hostile container: without them, each thing that they forbid works."""

from __future__ import annotations

import json
import socket
import time
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_network

from tests import frames
from tests.frames import IPV4, IPV6, UDP, ethernet, ip, udp
from tests.namespaces import NamespaceCase
from webspaced.router.lan import Lan, Span
from webspaced.router.rules import REASONS, TABLE, Limits, ruleset

ROUTER, ROUTER6, ONE, ONE6, OTHER = "172.24.254.1", "fd42::1", "172.24.1.1", "fd42::ac18:101", "172.24.1.2"
TRAEFIK = "172.24.0.254"
OUTSIDE, OUTSIDE6, WAN = "198.51.100.10", "2600::10", "198.51.100.1"
PRIVATE, METADATA = "10.9.9.9", "169.254.169.254"
LAN = Lan(
    interface="lan0",
    router=IPv4Interface(f"{ROUTER}/16"),
    router6=IPv6Interface(f"{ROUTER6}/64"),
    plan=Span.parse("172.24.1.1-172.24.253.254"),
    infrastructure=(ip_address(TRAEFIK),),
)
ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
NAT_ALONE = Limits(connections=0, ports=(), allowed=ANYWHERE, apart=False)
SO_RCVBUFFORCE = 33
PLENTY = 1 << 24


class RuleCase(NamespaceCase):
    """A container, the router, and what plays the Internet."""

    def setUp(self) -> None:
        super().setUp()
        _, (self.one, self.other, self.router) = self.bridged("br0", (("p1", "one"), ("p2", "other"), ("p3", "router")))
        self.outside = self.namespace("outside")
        self.router.veth("wan0", self.outside, "eth0")
        self.router.ip(
            "link set eth0 down", "link set eth0 name lan0", "link set lan0 up",
            f"addr add {ROUTER}/16 dev lan0", f"addr add {ROUTER6}/64 dev lan0 nodad",
            f"addr add {WAN}/24 dev wan0", "addr add 2600::1/64 dev wan0 nodad",
            f"route add default via {OUTSIDE}", f"route add default via {OUTSIDE6}",
        )  # fmt: skip
        self.router.sysctl(ipv4__ip_forward="1", ipv6__conf__all__forwarding="1", ipv4__conf__all__rp_filter="0")
        self.router.sysctl(ipv4__conf__lan0__rp_filter="0", ipv4__conf__lan0__send_redirects="0")
        self.outside.ip(
            f"addr add {OUTSIDE}/24 dev eth0", f"addr add {OUTSIDE6}/64 dev eth0 nodad",
            f"addr add {PRIVATE}/32 dev lo", f"addr add {METADATA}/32 dev lo", "addr add fd99::9/128 dev lo",
        )  # fmt: skip
        for each, address in ((self.one, ONE), (self.other, OTHER)):
            each.ip(f"addr add {address}/16 dev eth0", f"route add default via {ROUTER}")
        self.one.ip(f"addr add {ONE6}/64 dev eth0 nodad", f"route add default via {ROUTER6}")

    def load(self, limits: Limits) -> None:
        self.router.run("nft", "-f", "-", text=ruleset(LAN, limits))

    def counted(self, reason: str) -> int:
        told = json.loads(self.router.run("nft", "-j", "list", "counters", "table", "inet", TABLE))
        return next(each["counter"]["packets"] for each in told["nftables"] if each.get("counter", {}).get("name") == reason)

    def check_connection(self, address: str, port: int, reason: str, limits: Limits | None = None) -> None:
        """A connection is made without the rule; with it, it is refused at once and counted."""
        self.outside.listen("::" if ":" in address else "0.0.0.0", port)
        self.load(NAT_ALONE)
        self.assertTrue(self.one.connects(address, port))
        self.load(limits or Limits())
        self.assertFalse(self.one.connects(address, port, timeout=60))
        self.assertEqual(self.counted(reason), 1)


class NatTests(RuleCase):
    def test_the_way_out_is_by_the_routers_address(self) -> None:
        for address, wan, listening in ((OUTSIDE, WAN, "0.0.0.0"), (OUTSIDE6, "2600::1", "::")):
            server = self.outside.listen(listening, 443)
            self.load(Limits())
            self.assertTrue(self.one.connects(address, 443))
            self.assertEqual(server.accept()[1][0], wan)
            server.close()

    def test_without_rules_its_own_address_would_leave(self) -> None:
        wire = self.outside.packets("eth0")
        self.send_out(ip(ONE, OUTSIDE, UDP, udp(9, 9, b"plain")))
        self.assertIn(ip_address(ONE).packed, self.heard(wire, b"plain"))
        self.load(Limits())
        self.send_out(ip(ONE, OUTSIDE, UDP, udp(10, 9, b"masked")))
        self.assertNotIn(ip_address(ONE).packed, self.heard(wire, b"masked"))

    def send_out(self, packet: bytes, kind: int = IPV4) -> None:
        self.one.packets("eth0").send(ethernet(self.one.mac("eth0"), self.router.mac("lan0"), kind, packet))

    def heard(self, wire: socket.socket, what: bytes) -> bytes:
        while what not in (got := wire.recv(65536)):
            continue
        return got


class RefusalTests(RuleCase):
    def test_mail(self) -> None:
        self.check_connection(OUTSIDE, 25, "to_refused_ports")

    def test_private_networks_beyond(self) -> None:
        self.check_connection(PRIVATE, 80, "to_private")

    def test_private_networks_beyond_by_ipv6(self) -> None:
        self.check_connection("fd99::9", 80, "to_private")

    def test_the_clouds_metadata(self) -> None:
        self.check_connection(METADATA, 80, "to_private")

    def test_networks_that_the_operator_refuses(self) -> None:
        self.check_connection(OUTSIDE, 80, "to_private", Limits(refused=(ip_network("198.51.100.0/24"),)))

    def test_an_exception_among_private_ones(self) -> None:
        self.outside.listen("0.0.0.0", 80)
        self.load(Limits(allowed=(ip_network("10.9.9.0/24"),)))
        self.assertTrue(self.one.connects(PRIVATE, 80))
        self.assertFalse(self.one.connects(METADATA, 80))

    def test_the_router_itself(self) -> None:
        for address in (ROUTER, WAN):
            listening = self.router.listen(address, 8080)
            self.router.run("nft", "destroy", "table", "inet", TABLE, check=False)
            self.router.run("nft", "delete", "table", "inet", TABLE, check=False)
            self.assertTrue(self.one.connects(address, 8080))
            self.load(Limits())
            self.assertFalse(self.one.connects(address, 8080, timeout=60))
            self.assertEqual(self.counted("to_router"), 1)
            listening.close()

    def test_from_outside_into_the_lan(self) -> None:
        self.outside.ip(f"route add 172.24.0.0/16 via {WAN}")
        self.one.listen("0.0.0.0", 80)
        self.load(NAT_ALONE)
        self.assertFalse(self.outside.connects(ONE, 80, timeout=60))
        self.assertEqual(self.counted("from_outside"), 1)
        self.router.run("nft", "delete", "table", "inet", TABLE)
        self.assertTrue(self.outside.connects(ONE, 80))

    def test_around_what_bridges_keep_apart(self) -> None:
        """A container that sends to the router what is for its neighbour."""
        self.one.ip(f"route add {OTHER}/32 via {ROUTER}")
        self.other.ip(f"route add {ONE}/32 via {ROUTER}")
        self.other.listen("0.0.0.0", 80)
        self.load(NAT_ALONE)
        self.assertTrue(self.one.connects(OTHER, 80))
        self.load(Limits())
        self.assertFalse(self.one.connects(OTHER, 80, timeout=60))
        self.assertEqual(self.counted("between_members"), 1)

    def test_what_has_nothing_to_do_with_the_lan_passes(self) -> None:
        third = self.namespace("third")
        self.router.veth("side0", third, "eth0")
        self.router.ip("addr add 10.77.0.1/24 dev side0")
        third.ip("addr add 10.77.0.2/24 dev eth0", "route add default via 10.77.0.1")
        self.outside.ip(f"route add 10.77.0.0/24 via {WAN}")
        self.outside.listen("0.0.0.0", 25)
        self.load(Limits())
        self.assertTrue(third.connects(PRIVATE, 25))


class SpoofTests(RuleCase):
    def passes(self, packet: bytes, kind: int = IPV4) -> bool:
        """Whether a packet comes through the router, sent before one that is allowed to."""
        wire = self.outside.packets("eth0")
        sending = self.one.packets("eth0")
        mac, to = self.one.mac("eth0"), self.router.mac("lan0")
        sending.send(ethernet(mac, to, kind, packet))
        sending.send(ethernet(mac, to, IPV4, ip(ONE, OUTSIDE, UDP, udp(9, 9, b"that was all"))))
        seen = False
        while b"that was all" not in (got := wire.recv(65536)):
            seen = seen or b"false source" in got
        return seen

    def test_false_sources(self) -> None:
        foreign = ip("203.0.113.66", OUTSIDE, UDP, udp(9, 9, b"false source"))
        foreign6 = ip("2600:66::66", OUTSIDE6, UDP, udp(9, 9, b"false source"))
        # Whoever is asked for an address first keeps packets waiting.
        self.one.connects(OUTSIDE6, 9)
        self.assertTrue(self.passes(foreign))
        self.assertTrue(self.passes(foreign6, IPV6))
        self.load(Limits())
        self.assertFalse(self.passes(foreign))
        self.assertFalse(self.passes(foreign6, IPV6))
        self.assertEqual(self.counted("spoofed"), 2)

    def test_redirects_to_the_router(self) -> None:
        self.load(Limits())
        redirect = ip(
            ONE, ROUTER, frames.ICMP, frames.icmp(5, 1, ip_address(ONE).packed + ip(ONE, OUTSIDE, UDP, udp(1, 1, b"")))
        )
        self.passes(redirect)
        self.assertEqual(self.counted("redirects"), 1)


class BoundTests(RuleCase):
    def connections(self, number: int) -> int:
        return sum(self.one.connects(OUTSIDE, 80) for _ in range(number))

    def test_connections(self) -> None:
        self.outside.listen("0.0.0.0", 80)
        self.load(NAT_ALONE)
        self.assertEqual(self.connections(30), 30)
        self.router.run("nft", "delete", "table", "inet", TABLE)
        self.load(Limits(connections=20))
        opened = self.connections(30)
        self.assertLessEqual(opened, 20)
        self.assertEqual(self.counted("too_many_connections"), 30 - opened)
        # Somebody else's are not bounded by these.
        self.assertTrue(self.other.connects(OUTSIDE, 80))

    def sent(self, sender: str, receiver: str) -> tuple[int, float]:
        """How many bytes of a million come through, and in how many seconds."""
        ends = {"one": (self.one, ONE), "outside": (self.outside, OUTSIDE)}
        sink = ends[receiver][0].socket(socket.AF_INET, socket.SOCK_DGRAM)
        sink.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, PLENTY)
        source = ends[sender][0].socket(socket.AF_INET, socket.SOCK_DGRAM)
        began = time.monotonic()
        if receiver == "outside":
            sink.bind((OUTSIDE, 999))
            source.connect((OUTSIDE, 999))
        else:
            # The container asks first, so that the answers are its own.
            sink.connect((OUTSIDE, 999))
            source.bind((OUTSIDE, 999))
            sink.send(b"?")
            source.connect(source.recvfrom(9)[1])
        for _ in range(1000):
            source.send(bytes(1000))
        taken = time.monotonic() - began
        sink.settimeout(0.5)
        got = 0
        try:
            while True:
                got += len(sink.recv(65536))
        except TimeoutError:
            return got, taken
        finally:
            sink.close()
            source.close()

    def check_bandwidth(self, sender: str, receiver: str) -> None:
        self.load(NAT_ALONE)
        self.assertEqual(self.sent(sender, receiver)[0], 1_000_000)
        self.load(Limits(bandwidth=100_000))
        got, seconds = self.sent(sender, receiver)
        # A second's worth at once, and what the time it took allows; packets have heads.
        self.assertLessEqual(got, 100_000 + 100_000 * seconds)
        self.assertGreater(got, 0)
        self.assertGreater(self.counted("too_much_traffic"), 0)

    def test_bandwidth_out(self) -> None:
        self.check_bandwidth("one", "outside")

    def test_bandwidth_in(self) -> None:
        self.check_bandwidth("outside", "one")


class TableTests(RuleCase):
    def test_nothing_of_others_is_touched(self) -> None:
        self.router.run("nft", "add", "table", "inet", "somebody_elses")
        for _ in range(2):
            self.load(Limits())
        tables = self.router.run("nft", "list", "tables")
        self.assertIn("inet somebody_elses", tables)
        self.assertEqual(tables.count(TABLE), 1)

    def test_a_wrong_line_leaves_all_as_it_was(self) -> None:
        self.load(Limits())
        before = self.router.run("nft", "list", "table", "inet", TABLE)
        wrong = ruleset(LAN, Limits(connections=1)).replace("masquerade", "masquerade nonsense")
        self.router.run("nft", "-f", "-", text=wrong, check=False)
        self.assertEqual(self.router.run("nft", "list", "table", "inet", TABLE), before)

    def test_every_reason_is_counted(self) -> None:
        self.load(Limits())
        self.assertEqual([self.counted(reason) for reason in REASONS], [0] * len(REASONS))
