"""A hostile container on the LAN: each attack works without the guards that LXD's members load, and fails with them."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address

from tests import frames
from tests.frames import ICMP, ICMPV6, IPV4, IPV6, SYN, TCP, UDP, ethernet, icmp, ip, tcp, udp
from tests.namespaces import NamespaceCase, temporary
from webspaced.router.guards import Guarding, guards
from webspaced.router.lan import Lan, Span
from webspaced.router.plan import Reservation

ROUTER, TRAEFIK, VICTIM, HOSTILE = "172.24.254.1", "172.24.0.254", "172.24.1.1", "172.24.1.2"
ROUTER6, VICTIM6, HOSTILE6 = "fd42::1", "fd42::ac18:101", "fd42::ac18:102"
ALL_NODES, ALL_NODES_MAC = "ff02::1", "33:33:00:00:00:01"
LAN = Lan(
    interface="mesh0",
    router=IPv4Interface(f"{ROUTER}/16"),
    router6=IPv6Interface(f"{ROUTER6}/64"),
    plan=Span.parse("172.24.1.1-172.24.253.254"),
    infrastructure=(ip_address(TRAEFIK),),
)
MARK = b"that was all"


class GuardCase(NamespaceCase):
    """A bridge with a victim and a hostile container, and the mesh, behind which the router and Traefik are."""

    def setUp(self) -> None:
        super().setUp()
        ports = (("vethvictim", "victim"), ("vethhostile", "hostile"), ("mesh0", "platform"))
        self.switch, (self.victim, self.hostile, self.platform) = self.bridged("lxdbr0", ports)
        self.victim.sysctl(ipv6__conf__eth0__accept_dad="0")
        self.victim.ip(f"addr add {VICTIM}/16 dev eth0", f"addr add {VICTIM6}/64 dev eth0 nodad")
        self.hostile.ip(f"addr add {HOSTILE}/16 dev eth0", f"addr add {HOSTILE6}/64 dev eth0 nodad")
        self.platform.ip(
            f"addr add {ROUTER}/16 dev eth0", f"addr add {TRAEFIK}/16 dev eth0", f"addr add {ROUTER6}/64 dev eth0 nodad"
        )
        self.mac = self.hostile.mac("eth0")

    def guard(self, *, apart: bool = False, bound: bool = True) -> None:
        """Load the guards on the member."""
        owners = [self.reservation(self.victim.mac("eth0"), VICTIM, VICTIM6), self.reservation(self.mac, HOSTILE, HOSTILE6)]
        guarding = Guarding(apart=apart, bound=owners if bound else None)
        self.switch.run("nft", "-f", "-", text=guards(LAN, guarding))

    def reservation(self, mac: str, address: str, address6: str) -> Reservation:
        return Reservation(mac=mac, address=IPv4Address(address), address6=IPv6Address(address6))

    def arrives(self, frame: bytes, at: str = "victim") -> bool:
        """Whether a frame of the hostile container's gets through: sent before one that nothing is wrong with."""
        wire = (self.victim if at == "victim" else self.platform).packets("eth0")
        sending = self.hostile.packets("eth0")
        harmless = ip(HOSTILE, "172.24.255.255", UDP, udp(9, 9, MARK))
        sending.send(frame)
        sending.send(ethernet(self.mac, frames.BROADCAST, IPV4, harmless))
        seen = False
        while MARK not in (got := wire.recv(65536)):
            # The kernel takes a tag off, and tells of it elsewhere.
            seen = seen or got in (frame, frame[:12] + frame[16:])
        return seen

    def check(self, *attacks: bytes, at: str = "victim") -> None:
        """Each frame arrives without the guards, and not with them."""
        self.assertEqual([self.arrives(each, at) for each in attacks], [True] * len(attacks))
        self.guard()
        self.assertEqual([self.arrives(each, at) for each in attacks], [False] * len(attacks))

    def frame(self, kind: int, packet: bytes, to: str = frames.BROADCAST) -> bytes:
        return ethernet(self.mac, to, kind, packet)


class FrameTests(GuardCase):
    """What is dropped, frame by frame."""

    def test_dhcp_servers(self) -> None:
        offer = udp(67, 68, b"\2" + bytes(239))
        reply6 = udp(547, 546, b"\7" + bytes(3))
        self.check(
            self.frame(IPV4, ip(HOSTILE, "255.255.255.255", UDP, offer)),
            self.frame(IPV6, ip(HOSTILE6, ALL_NODES, UDP, reply6), ALL_NODES_MAC),
        )

    def test_redirects_and_router_advertisements(self) -> None:
        advert = frames.router_advertisement("2001:db8:66::", 1800)
        redirect6 = frames.redirect6("fe80::66", "2001:db8::1")
        stolen = ip(VICTIM, "198.51.100.10", UDP, udp(1, 1, b""))
        redirect = icmp(5, 1, IPv4Address(HOSTILE).packed + stolen)
        self.check(
            self.frame(IPV6, ip("fe80::66", ALL_NODES, ICMPV6, advert), ALL_NODES_MAC),
            self.frame(IPV6, ip("fe80::66", ALL_NODES, ICMPV6, redirect6), ALL_NODES_MAC),
            self.frame(IPV4, ip(HOSTILE, "172.24.255.255", ICMP, redirect)),
        )

    def test_addresses_of_the_platform(self) -> None:
        claimed6 = frames.neighbour_advertisement(ROUTER6, self.mac)
        self.check(
            frames.arp_reply(self.mac, ROUTER),
            frames.arp_reply(self.mac, TRAEFIK),
            self.frame(IPV4, ip(ROUTER, "172.24.255.255", UDP, udp(53, 5353, b"lie"))),
            self.frame(IPV4, ip(TRAEFIK, "172.24.255.255", UDP, udp(53, 5353, b"lie"))),
            self.frame(IPV6, ip(ROUTER6, ALL_NODES, UDP, udp(53, 5353, b"lie")), ALL_NODES_MAC),
            self.frame(IPV6, ip(HOSTILE6, ALL_NODES, ICMPV6, claimed6), ALL_NODES_MAC),
        )

    def test_addresses_of_others(self) -> None:
        self.check(
            frames.arp_reply(self.mac, VICTIM),
            frames.arp_reply(self.mac, "172.24.9.9"),
            self.frame(IPV4, ip(VICTIM, "172.24.255.255", UDP, udp(9, 9, b"lie"))),
            self.frame(IPV4, ip("198.51.100.10", "172.24.255.255", UDP, udp(9, 9, b"lie"))),
            self.frame(IPV6, ip(VICTIM6, ALL_NODES, UDP, udp(9, 9, b"lie")), ALL_NODES_MAC),
        )

    def test_addresses_of_others_advertised(self) -> None:
        for_victim = frames.neighbour_advertisement(VICTIM6, self.mac)
        for_nobody = frames.neighbour_advertisement("fd42::9:9", self.mac)
        self.check(
            self.frame(IPV6, ip("fe80::66", ALL_NODES, ICMPV6, for_victim), ALL_NODES_MAC),
            self.frame(IPV6, ip(HOSTILE6, ALL_NODES, ICMPV6, for_nobody), ALL_NODES_MAC),
        )

    def test_other_kinds_of_arp(self) -> None:
        self.check(frames.arp_reply(self.mac, ROUTER, kind=6), frames.arp_reply(self.mac, VICTIM, kind=6))

    def test_other_protocols(self) -> None:
        vlan = struct.pack("!HH", 7, IPV4) + ip(HOSTILE, "172.24.255.255", UDP, udp(67, 68, b"inside"))
        self.check(self.frame(0x88CC, b"a station's tale"), self.frame(0x8100, vlan), self.frame(0x88A8, vlan))

    def test_the_platform_is_asked_for_addresses_and_names_only(self) -> None:
        mac = self.platform.mac("eth0")
        self.check(
            self.frame(IPV4, ip(HOSTILE, TRAEFIK, TCP, tcp(4000, 8443, SYN)), mac),
            self.frame(IPV4, ip(HOSTILE, ROUTER, TCP, tcp(4000, 22, SYN)), mac),
            self.frame(IPV4, ip(HOSTILE, TRAEFIK, UDP, udp(4000, 53, b"?")), mac),
            self.frame(IPV4, ip(HOSTILE, "169.254.169.254", TCP, tcp(4000, 80, SYN)), mac),
            self.frame(IPV6, ip(HOSTILE6, ROUTER6, TCP, tcp(4000, 22, SYN)), mac),
            self.frame(IPV6, ip(HOSTILE6, ROUTER6, UDP, udp(4000, 161, b"?")), mac),
            at="platform",
        )

    def test_what_containers_need_passes(self) -> None:
        self.guard(apart=True)
        mac = self.platform.mac("eth0")
        own = frames.neighbour_advertisement(HOSTILE6, self.mac)
        own_local = frames.neighbour_advertisement("fe80::66", self.mac)
        needed = (
            self.frame(IPV4, ip("0.0.0.0", "255.255.255.255", UDP, udp(68, 67, b"\1"))),
            self.frame(IPV4, ip(HOSTILE, ROUTER, UDP, udp(68, 67, b"\1")), mac),
            self.frame(IPV4, ip(HOSTILE, ROUTER, UDP, udp(4000, 53, b"?")), mac),
            self.frame(IPV4, ip(HOSTILE, ROUTER, TCP, tcp(4000, 53, SYN)), mac),
            self.frame(IPV4, ip(HOSTILE, TRAEFIK, TCP, tcp(80, 4000, SYN | 0x10)), mac),
            self.frame(IPV4, ip(HOSTILE, "198.51.100.10", TCP, tcp(4000, 443, SYN)), mac),
            self.frame(IPV6, ip("fe80::66", "ff02::1:2", UDP, udp(546, 547, b"\1")), "33:33:00:01:00:02"),
            self.frame(IPV6, ip(HOSTILE6, "2600::1", TCP, tcp(4000, 443, SYN)), mac),
            self.frame(IPV6, ip(HOSTILE6, ALL_NODES, ICMPV6, own), ALL_NODES_MAC),
            self.frame(IPV6, ip("fe80::66", ALL_NODES, ICMPV6, own_local), ALL_NODES_MAC),
            frames.arp_reply(self.mac, HOSTILE),
            frames.arp_reply(self.mac, "0.0.0.0", about=HOSTILE),
        )
        self.assertEqual([self.arrives(each, "platform") for each in needed], [True] * len(needed))


class EffectTests(GuardCase):
    """What comes of it."""

    def test_a_foreign_dhcp_server_gives_addresses(self) -> None:
        folder = temporary(self)
        served = "start 192.168.66.10\nend 192.168.66.20\ninterface eth0\n"
        (folder / "udhcpd.conf").write_text(f"{served}lease_file {folder}/leases\npidfile {folder}/pid\n")
        script = folder / "told"
        script.write_text(f'#!/bin/sh\n[ "$1" = bound ] && echo "$ip" > {folder}/got\nexit 0\n')
        script.chmod(0o755)
        (folder / "leases").touch()
        self.hostile.ip("addr add 192.168.66.1/24 dev eth0")
        self.hostile.start("busybox", "udhcpd", "-f", str(folder / "udhcpd.conf"), stderr=subprocess.DEVNULL)

        def ask() -> bool:
            asking = ("busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "5", "-T", "1", "-s", str(script))
            self.victim.run(*asking, check=False)
            return (folder / "got").exists()

        self.assertTrue(ask())
        (folder / "got").unlink()
        self.guard(bound=False)
        self.assertFalse(ask())

    def test_an_advertisement_makes_it_the_router(self) -> None:
        self.victim.sysctl(ipv6__conf__eth0__accept_ra="1")
        advert = ip("fe80::66", ALL_NODES, ICMPV6, frames.router_advertisement("2001:db8:66::", 1800))
        self.arrives(self.frame(IPV6, advert, ALL_NODES_MAC))
        self.assertIn("via fe80::66", self.victim.run("ip", "-6", "route", "show", "default"))
        self.victim.run("ip", "-6", "route", "flush", "root", "default")
        self.guard()
        self.arrives(self.frame(IPV6, advert, ALL_NODES_MAC))
        self.assertNotIn("fe80::66", self.victim.run("ip", "-6", "route", "show", "default"))

    def where(self, address: str) -> str:
        told = json.loads(self.victim.run("ip", "-json", "neigh", "show", address))
        return str(told[0].get("lladdr", "")) if told else ""

    def test_an_answer_makes_it_the_platforms_address(self) -> None:
        # The kernel takes no second answer within this time.
        self.victim.sysctl(ipv4__neigh__eth0__locktime="0")
        self.victim.connects(ROUTER, 9)
        self.assertEqual(self.where(ROUTER), self.platform.mac("eth0"))
        for kind in (1, 6):
            self.victim.ip("neigh flush dev eth0")
            self.victim.connects(ROUTER, 9)
            self.arrives(frames.arp_reply(self.mac, ROUTER, kind=kind))
            self.assertEqual(self.where(ROUTER), self.mac)
        self.victim.ip("neigh flush dev eth0")
        self.guard()
        self.victim.connects(ROUTER, 9)
        for kind in (1, 6):
            self.arrives(frames.arp_reply(self.mac, ROUTER, kind=kind))
            self.assertEqual(self.where(ROUTER), self.platform.mac("eth0"))

    def test_neighbours_reach_each_other(self) -> None:
        self.victim.listen("0.0.0.0", 80)
        self.platform.listen("0.0.0.0", 80)
        self.assertTrue(self.hostile.connects(VICTIM, 80))
        self.guard(apart=True)
        self.hostile.ip("neigh flush dev eth0")
        self.assertFalse(self.hostile.connects(VICTIM, 80, timeout=2))
        # Traefik and webspaced reach it as before.
        self.assertTrue(self.platform.connects(VICTIM, 80))

    def test_neighbours_behind_other_members_reach_it(self) -> None:
        """What comes by the mesh from a container elsewhere is kept away at the victim's member."""
        far = self.platform.packets("eth0")
        packet = ip("172.24.7.7", VICTIM, UDP, udp(9, 9, b"from afar"))
        frame = ethernet("02:00:00:00:07:07", self.victim.mac("eth0"), IPV4, packet)
        mark = ethernet("02:00:00:00:07:07", frames.BROADCAST, IPV4, ip("198.51.100.1", VICTIM, UDP, udp(9, 9, MARK)))
        self.assertTrue(self.gets(far, [frame, mark], frame))
        self.guard(apart=True)
        self.assertFalse(self.gets(far, [frame, mark], frame))

    def test_neighbours_reach_each_other_by_link_local_addresses(self) -> None:
        self.victim.listen("::", 80)
        self.victim.ip("addr add fe80::11/64 dev eth0 nodad")
        self.hostile.ip("addr add fe80::66/64 dev eth0 nodad")
        self.assertTrue(self.hostile.connects("fe80::11", 80, interface="eth0"))
        self.guard(apart=True)
        self.assertFalse(self.hostile.connects("fe80::11", 80, timeout=2, interface="eth0"))

    def test_neighbours_behind_other_members_reach_it_otherwise(self) -> None:
        """By link-local addresses, or with anything at all that bears the hardware address of a container."""
        far, to = self.platform.packets("eth0"), self.victim.mac("eth0")
        mark = ethernet("02:00:00:00:07:07", frames.BROADCAST, IPV4, ip("198.51.100.1", VICTIM, UDP, udp(9, 9, MARK)))
        attacks = (
            ethernet("02:00:00:00:07:07", to, IPV6, ip("fe80::77", "fe80::11", UDP, udp(9, 9, b"from afar"))),
            ethernet(self.mac, to, IPV4, ip("198.51.100.1", VICTIM, UDP, udp(9, 9, b"from afar"))),
        )
        advert = ip("fe80::1", ALL_NODES, ICMPV6, frames.router_advertisement("2001:db8:66::", 1800))
        reply = ip("fe80::1", "fe80::11", UDP, udp(547, 546, b"\7"))
        routers = [ethernet(self.platform.mac("eth0"), to, IPV6, each) for each in (advert, reply)]
        self.assertEqual([self.gets(far, [each, mark], each) for each in attacks], [True, True])
        self.guard(apart=True)
        self.assertEqual([self.gets(far, [each, mark], each) for each in attacks], [False, False])
        self.assertEqual([self.gets(far, [each, mark], each) for each in routers], [True, True])

    def gets(self, sending: socket.socket, sent: Sequence[bytes], wanted: bytes) -> bool:
        wire = self.victim.packets("eth0")
        for each in sent:
            sending.send(each)
        return self.heard(wire, wanted)

    def heard(self, wire: socket.socket, wanted: bytes) -> bool:
        seen = False
        while MARK not in (got := wire.recv(65536)):
            seen = seen or got == wanted
        return seen

    def test_neighbours_on_one_member_reach_each_other_whatever_they_say(self) -> None:
        """Where addresses are not bound, too: the ports tell."""
        frame = self.frame(IPV4, ip("198.51.100.10", VICTIM, UDP, udp(9, 9, b"as if from outside")), self.victim.mac("eth0"))
        mark = ethernet("02:00:00:00:07:07", frames.BROADCAST, IPV4, ip("198.51.100.1", VICTIM, UDP, udp(9, 9, MARK)))

        def arrives() -> bool:
            wire = self.victim.packets("eth0")
            self.hostile.packets("eth0").send(frame)
            self.platform.packets("eth0").send(mark)
            return self.heard(wire, frame)

        self.assertTrue(arrives())
        self.guard(apart=True, bound=False)
        self.assertFalse(arrives())

    def test_others_rules_stay(self) -> None:
        self.switch.run("nft", "add", "table", "bridge", "somebody_elses")
        self.guard()
        self.guard()
        tables = self.switch.run("nft", "list", "tables")
        self.assertIn("bridge somebody_elses", tables)
        self.assertEqual(tables.count("webspaced_guards"), 1)
