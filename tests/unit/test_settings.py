"""Each setting does what it says: from its key in a file to what the whole daemon does then."""

from __future__ import annotations

import io
import json
import re
import time
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from attrs import evolve
from treq.testing import StubTreq
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel

from tests.contracts.fake_instances import NIC
from tests.unit.assembled import NETWORK, AssembledCase
from tests.unit.forward.wires import Wire
from tests.unit.iam.memory import MemoryAgent
from tests.unit.lxd.fake_lxd import FakeLxd
from tests.unit.lxd.test_tls import Party
from tests.unit.timing import watch
from webspaced import tap
from webspaced.assembly import build as assembly
from webspaced.assembly.addresses import address_rule, advice_of, claim_rules, reached_member
from webspaced.core.instance import Status
from webspaced.errors import Invalid, Unavailable
from webspaced.iam import choice
from webspaced.lxd.network import Profile, profile_network
from webspaced.lxd.tls import Identities
from webspaced.lxd.trust import introduce
from webspaced.reload.live import Live
from webspaced.settings import Settings
from webspaced.testing.iamd import Iamd
from webspaced.testing.lxd.timings import Behaviour


class WebspaceTests(AssembledCase):
    def test_domain(self) -> None:
        self.start(webspaces={"domain": "hosting.example"})
        self.create()
        self.assertEqual(self.route().hosts, ("alice.hosting.example",))

    def test_instance_prefix(self) -> None:
        self.start(webspaces={"instance_prefix": "site-"})
        self.create()
        self.assertEqual(list(self.lxd.containers), ["site-u1"])

    def test_lxd_profile(self) -> None:
        self.start(webspaces={"lxd_profile": "small"})
        create = self.lxd.create
        self.patch(self.lxd, "create", lambda new, told: self.profiles.append(new.profile) or create(new, told))
        self.profiles: list[str] = []
        self.create()
        self.assertEqual(self.profiles, ["small"])

    def test_config_defaults(self) -> None:
        defaults = {"startup_delay": 7.5, "http_port": 8080, "sni_passthrough": True, "protocol": "h2c"}
        self.start(webspaces={"config_defaults": defaults})
        config = {"startupDelay": 7.5, "httpPort": 8080, "sniPassthrough": True, "protocol": "h2c"}
        self.assertEqual(self.create()["config"], config)
        self.assertTrue(self.route().passthrough)

    def test_max_startup_delay(self) -> None:
        self.start(webspaces={"max_startup_delay": 5})
        self.create()
        self.assertEqual(self.ask("PATCH", "self/config", {"startupDelay": 5})[0], 200)
        self.assertEqual(self.ask("PATCH", "self/config", {"startupDelay": 5.1})[0], 400)

    def test_exec(self) -> None:
        self.start(webspaces={"exec": {"timeout": "7s", "max_output": 1234}})
        self.create()
        self.assertEqual(self.ask("POST", "self/exec", {"command": "sleep 6"})[0], 200)
        self.assertEqual(self.ask("POST", "self/exec", {"command": "sleep 8"})[0], 504)
        self.assertEqual(self.ask("POST", "self/exec", {"command": "head -c 1234 /dev/zero"})[0], 200)
        self.assertEqual(self.ask("POST", "self/exec", {"command": "head -c 1235 /dev/zero"})[0], 502)

    def test_networks(self) -> None:
        self.start(webspaces={"networks": ["10.9.0.0/16"]})
        rule = address_rule(self.settings, NETWORK, loopback=False)
        self.assertEqual([rule.allows(ip_address(a)) for a in ("10.9.1.1", "10.7.0.9")], [True, False])

    def test_reserved_addresses(self) -> None:
        self.start(webspaces={"reserved_addresses": ["10.7.0.9"]})
        rule = address_rule(self.settings, NETWORK, loopback=False)
        self.assertEqual([rule.allows(ip_address(a)) for a in ("10.7.0.8", "10.7.0.9")], [True, False])

    def networked(self, **changes: Any) -> None:
        """Let LXD tell of the network."""
        device = {"type": "nic", "network": "lxdbr0"}
        told = {"config": {"ipv4.address": "10.7.0.1/24"}, "profile": Profile(name="webspace", devices={NIC: device})}
        self.network = evolve(NETWORK, **{**told, **changes})

    def test_fixed_addresses(self) -> None:
        for fixed in (True, False):
            self.networked()
            self.start(webspaces={"fixed_addresses": fixed})
            self.create()
            self.assertEqual(NIC in self.lxd.containers["ws-u1"].devices, fixed)

    def test_leases(self) -> None:
        path = Path(self.mktemp()).absolute()
        self.networked(managed=False)
        for leased in ("10.7.0.10", "10.7.0.99"):
            path.write_text(f"0 00:16:3e:00:00:01 {leased} * *\n")
            self.start(webspaces={"leases": str(path), "networks": ["10.7.0.0/24"]})
            self.create()
            self.lxd.power_on("ws-u1")
            self.machine.run_for(20)
            self.ask("PATCH", "self/state")
            status, webspace = self.ask("GET", "self")
            clashes = [each["kind"] for each in webspace.get("conditions", [])]
            self.assertEqual((status, clashes), (200, [] if leased == "10.7.0.10" else ["address-clash", "no-address"]))

    def test_reserved_names(self) -> None:
        for names, expected in ((["alice"], []), ([], ["alice.example.org"])):
            self.start(webspaces={"reserved_names": names})
            self.create()
            self.assertEqual(self.ask("GET", "self/domains")[1], expected)

    def test_the_services_own_hosts_are_reserved_by_themselves(self) -> None:
        url = "https://alice.example.org/v1"
        for naming in (
            {"iam": {"url": url}},
            {"http": {"cors": {"allowed_origins": ["https://bob.example.net", "https://alice.example.org"]}}},
            {"traefik": {"probe_url": "http://alice.example.org:80"}},
            {"webspaces": {"leases": url}},
        ):
            rules = claim_rules(self.load_in_folder(naming))
            self.assertTrue(rules.is_reserved("alice"), naming)
            self.assertFalse(rules.is_reserved("bob"))
            self.assertTrue(rules.is_reserved("www"))
        self.assertFalse(claim_rules(self.load_in_folder({})).is_reserved("alice"))

    def load_in_folder(self, settings: dict[str, Any]) -> Settings:
        self.build()
        return self.load(settings)

    def test_resync_interval(self) -> None:
        self.start(webspaces={"resync_interval": "20s"})
        self.lxd.calls.clear()
        self.machine.run_for(61)
        self.assertEqual(len([call for call in self.lxd.calls if call[0] == "list_all"]), 3)


    def test_domains_max(self) -> None:
        self.start(webspaces={"domains": {"max": 1}})
        self.create()
        self.domains("one.example", "two.example")
        self.assertEqual(self.ask("POST", "self/domains/one.example")[0], 201)
        self.assertEqual(self.ask("POST", "self/domains/two.example")[0], 400)

    def test_domains_resolvers(self) -> None:
        self.build(webspaces={"domains": {"resolvers": ["192.0.2.53:5353"]}})
        resolver = self.made_resolver()
        self.assertEqual((resolver.servers, resolver.resolv), ([("192.0.2.53", 5353)], None))


class PortTests(AssembledCase):
    def test_external_range(self) -> None:
        self.start(webspaces={"ports": {"start": 50000, "end": 50001}})
        self.create()
        given = {self.ask("POST", "self/ports/22")[1]["ePort"] for _ in range(2)}
        self.assertEqual(given, {50000, 50001})
        for port, status in ((49999, 400), (50002, 400), (50000, 409)):
            self.assertEqual(self.ask("POST", f"self/ports/{port}/22")[0], status, port)
        self.assertEqual(self.ask("POST", "self/ports/22")[0], 409)

    def test_max(self) -> None:
        self.start(webspaces={"ports": {"max": 2}})
        self.create()
        self.assertEqual([self.ask("POST", "self/ports/22")[0] for _ in range(3)], [201, 201, 400])

    def test_listen_address(self) -> None:
        self.start(webspaces={"ports": {"listen_address": "192.0.2.7"}})
        self.create()
        port = self.ask("POST", "self/ports/22")[1]["ePort"]
        self.assertIn(("192.0.2.7", port), self.machine.listening())

    def test_boot_ports(self) -> None:
        self.start(webspaces={"boot_ports": {"start": 30001, "end": 30002}})
        self.create("alice")
        self.create("bob")
        self.assertEqual({self.boot_port("ws-u1"), self.boot_port("ws-u2")}, {30001, 30002})
        self.assertEqual(self.ask("POST", "self", {"image": "fast"}, name="carol")[0], 409)


class BootTests(AssembledCase):
    def boot(self, name: str = "alice") -> Any:
        """Begin to boot by API."""
        headers = {"Authorization": f"Bearer {name}"}
        return watch(self.public.post("http://webspaced.test/v1/webspace/self/state", headers=headers))

    def waits(self, seconds: float) -> int:
        """Let the boot take that long, not less, and give its answer."""
        booting = self.boot()
        self.machine.run_for(seconds - 0.5)
        self.public.flush()
        self.assertFalse(booting.done)
        self.machine.run_for(3.5)
        self.public.flush()
        return booting.value.code

    def test_ip_timeout(self) -> None:
        self.start(webspaces={"ip_timeout": "7s"})
        self.create()
        self.lxd.containers["ws-u1"].has_network = False
        self.assertEqual(self.waits(7), 502)

    def test_ready_timeout(self) -> None:
        self.start(webspaces={"ready_timeout": "11s"})
        self.create()
        self.lxd.containers["ws-u1"].opens[80] = None
        visitor = self.machine.visit(self.boot_port())
        self.machine.run_for(10)
        self.assertEqual(visitor.value(), b"")
        self.machine.run_for(4)
        self.assertIn(b"503", visitor.value())

    def test_max_wait(self) -> None:
        self.start(webspaces={"max_wait": "8s", "ready_timeout": "60s"})
        self.create()
        self.lxd.containers["ws-u1"].opens[80] = None
        visitor = self.machine.visit(self.boot_port())
        self.machine.run_for(7.9)
        self.assertEqual(visitor.value(), b"")
        self.machine.run_for(1.2)
        self.assertIn(b"did not start within 8 seconds", visitor.value())

    def test_max_concurrent_boots(self) -> None:
        self.start(webspaces={"max_concurrent_boots": 2})
        for name in ("alice", "bob", "carol"):
            self.create(name)
        self.lxd.calls.clear()
        for name in ("alice", "bob", "carol"):
            self.boot(name)
        self.machine.run_for(0.1)
        self.assertEqual(len([call for call in self.lxd.calls if call[0] == "start"]), 2)
        self.machine.run_for(5)
        self.assertEqual(len([call for call in self.lxd.calls if call[0] == "start"]), 3)

    def test_max_running(self) -> None:
        self.start(webspaces={"max_running": 1})
        self.create("alice")
        self.create("bob")
        self.assertEqual(self.ask("POST", "self/state", name="alice")[0], 204)
        began = self.machine.seconds()
        self.assertEqual(self.ask("POST", "self/state", name="bob")[0], 204)
        self.assertEqual(self.lxd.containers["ws-u1"].status, Status.STOPPED)
        # Who was active a moment ago is not stopped for somebody else.
        self.assertTrue(60 <= self.machine.seconds() - began < 120)

    def test_relay_idle_timeout(self) -> None:
        for seconds, cut in (("8s", True), (0, False)):
            self.start(webspaces={"relay_idle_timeout": seconds})
            self.create()
            silent, _ = self.relayed()
            self.machine.run_for(7.9)
            self.assertNotIn("reset", silent.ends)
            wire, backend = self.relayed()
            for _ in range(10):
                self.machine.run_for(2)
                self.machine.protocols[wire].dataReceived(b"x")
            self.assertNotIn("reset", wire.ends)
            self.machine.run_for(8 + 2 + 0.1)
            self.assertEqual("reset" in wire.ends, cut)
            self.assertIn(b"x" * 10, backend.transport.value())

    def relayed(self) -> tuple[Any, Any]:
        """Let a visitor be relayed, and give both sides."""
        wire = self.machine.visit(self.boot_port())
        self.machine.run_for(20)
        *_, factory, _timeout, _bind = self.machine.tcpClients[-1]
        backend = factory.buildProtocol(None)
        backend.makeConnection(Wire())
        self.machine.run_for(0.1)
        return wire, backend

    def test_max_held(self) -> None:
        self.start(webspaces={"max_held": 2, "max_held_per_webspace": 2})
        self.create("alice")
        self.create("bob")
        visitors = [self.machine.visit(self.boot_port(name)) for name in ("ws-u1", "ws-u2", "ws-u1", "ws-u2")]
        self.assertEqual([b"too many" in each.value() for each in visitors], [False, False, True, True])

    def test_max_per_address(self) -> None:
        for most, refused in ((2, [False, False, True, False]), (0, [False] * 4)):
            self.start(webspaces={"max_per_address": most})
            self.create()
            self.assertEqual(self.ask("POST", "self/ports/50000/22")[0], 201)
            addresses = ("192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2")
            visitors = [self.machine.connect(50000, address) for address in addresses]
            self.assertEqual(["reset" in each.ends for each in visitors], refused)
            # Web visitors all come from Traefik.
            web = [self.machine.visit(self.boot_port(), "127.0.0.1") for _ in range(4)]
            self.assertEqual(["reset" in each.ends for each in web], [False] * 4)

    def test_max_held_per_webspace(self) -> None:
        self.start(webspaces={"max_held_per_webspace": 1})
        self.create("alice")
        self.create("bob")
        visitors = [self.machine.visit(self.boot_port(name)) for name in ("ws-u1", "ws-u1", "ws-u2")]
        self.assertEqual([b"too many" in each.value() for each in visitors], [False, True, False])


class StopTests(AssembledCase):
    def stopped_after(self, **settings: Any) -> float:
        """Give the time from a shutdown's request to LXD being asked for it."""
        self.start(**settings)
        self.create()
        self.assertEqual(self.ask("POST", "self/state")[0], 204)
        self.machine.run_for(5)
        self.lxd.calls.clear()
        began = self.machine.seconds()
        watch(self.public.delete("http://webspaced.test/v1/webspace/self/state", headers={"Authorization": "Bearer alice"}))
        self.machine.run_until(lambda: ("stop", "ws-u1") in self.lxd.calls)
        return self.machine.seconds() - began

    def test_drain_time_and_settle_time(self) -> None:
        for settle, drain in (("1s", "2s"), ("4s", "2s"), ("1s", "5s")):
            after = self.stopped_after(traefik={"settle_time": settle}, webspaces={"drain_time": drain})
            self.assertApproximates(after, float(settle[:-1]) + float(drain[:-1]), 0.2)

    def test_stop_timeout(self) -> None:
        self.stopped_after(webspaces={"stop_timeout": "13s"})
        self.lxd.timings = evolve(self.lxd.timings, stop=1000.0)
        asked = self.machine.seconds()
        self.machine.run_until(lambda: ("force", "ws-u1") in self.lxd.calls)
        self.assertApproximates(self.machine.seconds() - asked, 13.0, 0.5)


    def test_install_timeout(self) -> None:
        self.start(webspaces={"install_timeout": "77s"})
        self.insides.behaviour = Behaviour(stuck=frozenset({"apt-get"}))
        began = self.machine.seconds()
        status, problem = self.ask("POST", "self", {"image": "fast", "ssh": True}, limit=1000.0)
        self.assertEqual(status, 502, problem)
        self.assertIn("77 s", problem["message"])
        self.assertApproximates(self.machine.seconds() - began, 77, 10)


class ListenTests(AssembledCase):
    def test_addresses(self) -> None:
        self.start(http={"listen_address": "192.0.2.1:8100", "internal_address": "192.0.2.2:8101"})
        sites = {(interface, port): factory for port, factory, _, interface in self.machine.tcpServers}
        for where, images in ((("192.0.2.1", 8100), 200), (("192.0.2.2", 8101), 404)):
            treq = StubTreq(sites[where].resource)
            asking = watch(treq.get("http://webspaced.test/v1/images"))
            self.machine.run_for(1)
            treq.flush()
            self.assertEqual(asking.value.code, images)

    def test_an_address_that_the_machine_lacks_ends_the_start_with_that_reason(self) -> None:
        self.build()
        self.patch(assembly, "can_bind", lambda address, port: not str(address).startswith("192.0.2.") or port != 0)
        for section, key in (("traefik", "traefik.boot_address"), ("webspaces", "webspaces.ports.listen_address")):
            more = {"boot_address": "192.0.2.3"} if section == "traefik" else {"ports": {"listen_address": "192.0.2.3"}}
            error = self.assertRaises(Invalid, assembly.build, self.machine, Live(self.load({section: more})))
            self.assertIn(f"{key} is 192.0.2.3, which is no address of this machine", str(error))

    def test_boot_address(self) -> None:
        self.start(traefik={"boot_address": "192.0.2.3"})
        self.create()
        self.assertIn(("192.0.2.3", self.boot_port()), self.machine.listening())
        self.assertEqual(str(self.route().backend), f"192.0.2.3:{self.boot_port()}")


class IamTests(AssembledCase):
    def test_users_file(self) -> None:
        path = Path(self.mktemp()).absolute()
        path.write_text("users: []")
        self.start(iam={"users_file": str(path)})
        self.assertEqual(self.ask("GET", "self")[0], 403)
        self.start(iam={"provider": "static", "url": "https://iam.example.org"})
        self.assertEqual(self.ask("GET", "self")[0], 404)

    def test_grace(self) -> None:
        for grace, woken in (("1h", False), ("0", True)):
            iamd = Iamd(now=lambda: 0.0)
            iamd.add(1, "alice")
            iamd.add(9, "webspaced", is_admin=True)
            self.patch(choice, "iamd_agent", lambda *_, iamd=iamd, **__: MemoryAgent(iamd))
            self.build(iam={"url": "https://iam.example.org/v1", "token": iamd.token(9), "grace": grace})
            keys = {"": '{"user": 2}', "_username": "bob", "_boot_port": "20002", "_unknown_since": str(time.time() - 7200)}
            self.lxd.put("ws-u2", **{f"user._webspaced{key}": value for key, value in keys.items()})
            self.daemon.privilegedStartService()
            self.daemon.startService()
            self.machine.run_for(5)
            said = self.machine.said(self.machine.visit(20002))
            self.machine.run_for(5)
            self.assertEqual(("start", "ws-u2") in self.lxd.calls, woken, said)

    def test_whom_an_admin_took_out_of_the_users_file_is_gone_in_moments(self) -> None:
        host = assembly.Host
        self.patch(assembly, "Host", lambda **parts: host(now=lambda: 1e9 + self.machine.seconds(), **parts))
        self.start()
        self.create()
        self.assertEqual(self.ask("POST", "self/state")[0], 204)
        members = self.users().read_text()
        self.users().write_text(members.replace("id: 1\n", "id: 11\n"))
        self.machine.run_for(12)
        self.assertEqual(self.lxd.containers["ws-u1"].status, Status.STOPPED)
        said = self.machine.said(self.machine.visit(self.boot_port()))
        self.machine.run_for(5)
        self.assertEqual(self.lxd.calls.count(("start", "ws-u1")), 1, said)
        self.assertEqual(self.ask("GET", "id:1", name="root")[0], 200)

    def test_provider_iamd_with_its_url_and_token(self) -> None:
        iamd = Iamd(now=lambda: 0.0)
        iamd.add(1, "alice")
        iamd.add(9, "webspaced", is_admin=True)
        agent, made = MemoryAgent(iamd), []
        self.patch(choice, "iamd_agent", lambda _reactor, *, insecure: made.append(insecure) or agent)
        own = iamd.token(9)
        for insecure in (False, True):
            self.start(iam={"url": "https://iam.example.org/v1", "token": own, "allow_insecure": insecure})
            self.assertEqual(self.ask("GET", "self", name=iamd.token(1))[0], 404)
            self.assertTrue(agent.sent[-1][0].startswith("GET https://iam.example.org/v1/users/self"))
            self.assertEqual(self.ask("GET", "self", name="alice")[0], 401)
            agent.sent.clear()
            self.lxd.put("ws-u1", **{"user._webspaced": '{"user": 1}'})
            self.lxd.listeners[0].connected()
            self.machine.run_for(1)
            self.assertEqual(agent.sent[-1][1]["authorization"], [f"Bearer {own}"])
            self.assertEqual(self.key("user._webspaced_username"), "alice")
        self.assertEqual(made, [False, True])


class LxdTests(AssembledCase):
    def test_url(self) -> None:
        self.build()
        self.patch(assembly, "introduce", introduce)
        built = assembly.build(self.machine, Live(self.load({"lxd": {"url": "unix:///run/my.socket"}})))
        built.startService()
        self.assertEqual(self.machine.unixClients[0][0], "/run/my.socket")

    def test_member(self) -> None:
        self.build()
        cluster = evolve(NETWORK, here="m2", local=True, alike=True, name="lxdbr0")
        for url, lxd, expected in (
            ("https://lxd.example:8443", {"member": "m1"}, "m1"),
            ("https://lxd.example:8443", {}, None),
            ("https://127.0.0.1:8443", {}, "m2"),
            ("https://localhost:8443", {}, "m2"),
            ("unix:///run/my.socket", {}, "m2"),
        ):
            settings = self.load({"lxd": {"url": url, **lxd}})
            self.assertEqual(reached_member(settings, cluster), expected)
            warned = [each for each in advice_of(settings, cluster) if "lxd.member" in each]
            self.assertEqual(len(warned), expected is None)
            # Where the bridges are not said to be alike, an address tells enough.
            apart = evolve(cluster, alike=False)
            self.assertEqual(reached_member(settings, apart), expected or "")

    def test_project_and_profile(self) -> None:
        self.build()
        lxd = FakeLxd(self.machine, None)
        connections = SimpleNamespace(agent=lxd, endpoints=None, lost=None, found=None, suspect=False)
        self.patch(assembly, "Connections", lambda *_: connections)
        self.patch(assembly, "profile_network", profile_network)
        settings = self.load({"lxd": {"project": "members"}, "webspaces": {"lxd_profile": "small"}})
        built = assembly.build(self.machine, Live(settings))
        built.startService()
        self.assertEqual((lxd.asked[0].path, lxd.asked[0].query["project"]), ("/1.0/profiles/small", "members"))

    def test_the_identities(self) -> None:
        self.build()
        party, ca = Party("lxd"), Party("ca", ca=True)
        tls = {"server_cert": party.pem, "ca": ca.pem, "client_cert": party.pem, "client_key": party.key_pem}
        given: list[Any] = []
        self.patch(assembly, "endpoints_for", lambda *args: given.append(args))
        assembly.build(self.machine, Live(self.load({"lxd": {"url": "https://lxd.example:9443", "tls": tls}})))
        (_, url, identities), *_ = given
        self.assertEqual(url, "https://lxd.example:9443")
        expected = Identities(server=party.pem, ca=ca.pem, client=party.pem, client_key=party.key_pem)
        self.assertEqual(identities, expected)

    def test_allow_insecure(self) -> None:
        self.build()
        given: list[Any] = []
        self.patch(assembly, "endpoints_for", lambda *args: given.append(args[2].insecure))
        for insecure in (False, True):
            lxd = {"url": "https://lxd.example", "tls": {"allow_insecure": insecure}}
            assembly.build(self.machine, Live(self.load({"lxd": lxd})))
        self.assertEqual(given, [False, True])

    def test_trust_password(self) -> None:
        self.build()
        given: list[object] = []

        async def told(_client: object, secret: str | None) -> None:
            given.append(secret)

        self.patch(assembly, "introduce", told)
        assembly.build(self.machine, Live(self.load({"lxd": {"tls": {"trust_password": "word"}}}))).startService()
        self.assertEqual(given, ["word"])


class DaemonTests(AssembledCase):
    def test_timeouts_startup(self) -> None:
        self.build(timeouts={"startup": "17s"})
        self.patch(assembly, "profile_network", self._never)
        built = assembly.build(self.machine, Live(self.settings))
        ended: list[float] = []
        self.patch(self.machine, "stop", lambda: ended.append(self.machine.seconds()))
        built.startService()
        self.machine.run_for(100)
        self.assertEqual(ended, [17.0])

    async def _never(self, *_: Any) -> Any:
        raise Unavailable("LXD cannot be reached")

    def test_timeouts_shutdown(self) -> None:
        self.start(timeouts={"shutdown": "9s"})
        self.patch(self.daemon.sites, "close", Deferred)
        stopping = watch(self.daemon.stopService())
        self.machine.run_for(8.9)
        self.assertFalse(stopping.done)
        self.machine.run_for(0.2)
        self.assertTrue(stopping.done)

    def logged(self, **settings: Any) -> str:
        """Give what the daemon would log of a detail, a fact and a worry."""
        self.build(**settings)
        # The tests' own reactor stays as it is.
        self.patch(tap, "go_by_monotonic_time", lambda _reactor: None)
        options = tap.Options()
        options.parseOptions(["--config", str(self.folder / "webspaced.yaml")])
        options.parent = {"nodaemon": True, "logfile": None, "syslog": False, "logger": None}
        stream = io.StringIO()
        with mock.patch("sys.stdout", stream), mock.patch.object(assembly, "build", lambda *_: self.daemon):
            observe = tap.makeService(options).log_observer
        for level, text in ((LogLevel.debug, "detail"), (LogLevel.info, "fact"), (LogLevel.warn, "worry")):
            observe({"log_level": level, "log_format": text, "log_namespace": "webspaced.test", "log_time": 0.0})
        return stream.getvalue()

    def test_log_level(self) -> None:
        expected = {"debug": ["detail", "fact", "worry"], "info": ["fact", "worry"], "warn": ["worry"], "error": []}
        for level, words in expected.items():
            self.assertEqual(re.findall("detail|fact|worry", self.logged(log_level=level)), words)

    def test_log_format(self) -> None:
        lines = self.logged(log_format="json").splitlines()
        self.assertEqual([json.loads(line)["message"] for line in lines], ["fact", "worry"])
        self.assertNotIn("{", self.logged(log_format="text"))

