"""LXD in the terms of webspaces: paths, bodies, and documents as LXD sends them."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.lxd.fake_lxd import FakeLxd, Reply, accepted, error, sync
from tests.unit.timing import Time, watch
from webspaced.core.instance import NewInstance, Status
from webspaced.errors import Changed, NotFound, RemoteError
from webspaced.lxd import parse
from webspaced.lxd.client import LxdClient
from webspaced.lxd.instances import LxdInstances
from webspaced.lxd.network import NetworkLeases, profile_network

INSTANCE = {
    "name": "ws-u7", "status": "Running", "status_code": 103, "type": "container", "location": "none",
    "created_at": "2026-11-21T08:00:00.1Z", "last_used_at": "2026-11-21T09:00:00.123456789Z",
    "config": {"user._webspaced": "{}", "volatile.eth0.hwaddr": "00:16:3E:AA:BB:CC", "volatile.uuid": "u-1"},
    "expanded_devices": {"eth0": {"type": "nic", "network": "lxdbr0"}, "root": {"type": "disk", "path": "/"}},
}  # fmt: skip
STATE = {
    "status_code": 103, "pid": 4, "processes": 9, "cpu": {"usage": 5}, "disk": {},
    "network": {
        "lo": {"hwaddr": "", "type": "loopback", "addresses": [
            {"family": "inet", "address": "127.0.0.1", "netmask": "8", "scope": "local"},
        ]},
        "eth0": {"hwaddr": "00:16:3E:aa:bb:cc", "type": "broadcast", "addresses": [
            {"family": "inet", "address": "10.7.0.5", "netmask": "24", "scope": "global"},
            {"family": "inet6", "address": "fe80::1", "netmask": "64", "scope": "link"},
            {"family": "inet6", "address": "rubbish", "netmask": "64", "scope": "global"},
        ]},
        "tap0": {"hwaddr": "", "addresses": None},
    },
}  # fmt: skip
DONE = sync({"status_code": 200})


class ParseTests(SynchronousTestCase):
    def test_an_instance(self) -> None:
        instance = parse.instance(INSTANCE, '"e"')
        self.assertEqual((instance.name, instance.status, instance.etag), ("ws-u7", Status.RUNNING, '"e"'))
        self.assertEqual(instance.nic_mac("eth0"), "00:16:3e:aa:bb:cc")
        self.assertIsNone(instance.nic_mac("eth1"))
        self.assertEqual(instance.incarnation, "u-1 2026-11-21T09:00:00.123456789Z")

    def test_the_devices_own_hardware_address_comes_first(self) -> None:
        devices = {"eth0": {"type": "nic", "hwaddr": "00:16:3E:00:00:09"}}
        instance = parse.instance({**INSTANCE, "expanded_devices": devices})
        self.assertEqual(instance.nic_mac("eth0"), "00:16:3e:00:00:09")

    def test_an_instance_of_an_old_version(self) -> None:
        instance = parse.instance({"name": "x", "status_code": 102, "config": {}, "expanded_devices": None})
        self.assertEqual((instance.status, instance.location, instance.nic_mac("eth0")), (Status.STOPPED, "none", None))

    def test_a_state(self) -> None:
        state = parse.state(STATE)
        self.assertEqual([nic.name for nic in state.interfaces], ["lo", "eth0", "tap0"])
        eth0 = state.interfaces[1]
        self.assertEqual(eth0.mac, "00:16:3e:aa:bb:cc")
        self.assertEqual(eth0.addresses, ((ip_address("10.7.0.5"), "global"), (ip_address("fe80::1"), "link")))
        self.assertIs(state.document, STATE)

    def test_a_stopped_ones_state(self) -> None:
        state = parse.state({"status_code": 102, "network": None})
        self.assertEqual((state.status, state.interfaces), (Status.STOPPED, ()))

    def test_an_image(self) -> None:
        document = {"fingerprint": "f", "aliases": [{"name": "a", "description": "d"}], "properties": {"os": "x"}, "size": 5}
        image = parse.image(document)
        self.assertEqual((image.fingerprint, image.aliases), ("f", (("a", "d"),)))
        self.assertEqual((image.properties, image.size), ({"os": "x"}, 5))
        self.assertEqual(parse.image({"fingerprint": "f", "aliases": None}).aliases, ())


class InstancesCase(SynchronousTestCase):
    def lxd(self, *replies: Reply) -> LxdInstances:
        self.clock = Time()
        self.fake = FakeLxd(self.clock, *replies)
        self.client = LxdClient(self.fake, self.clock, "p")
        return LxdInstances(self.client)

    def first(self) -> tuple[str, str, object]:
        asked = self.fake.asked[0]
        return asked.method, asked.path, asked.body


class InstancesTests(InstancesCase):
    def test_the_list(self) -> None:
        (instance,) = watch(self.lxd(sync([INSTANCE])).list_all()).value
        self.assertEqual((instance.name, instance.etag), ("ws-u7", ""))
        self.assertEqual((self.fake.asked[0].path, self.fake.asked[0].query["recursion"]), ("/1.0/instances", "1"))

    def test_a_list_that_ends_early_is_no_list(self) -> None:
        begun = b'{"type": "sync", "metadata": ['
        for text in (begun + b'{"name": "a"', begun + b'{"name": "a"}', begun, b"", b"<html>", b"{}"):
            self.assertRaises(RemoteError, lambda: watch(self.lxd(Reply(text)).list_all()).value)  # noqa: B023
        self.assertEqual(watch(self.lxd(sync([])).list_all()).value, [])

    def test_one(self) -> None:
        instance = watch(self.lxd(sync(INSTANCE, '"e"')).get("ws-u7")).value
        self.assertEqual((instance.etag, self.fake.asked[0].path), ('"e"', "/1.0/instances/ws-u7"))

    def test_what_is_not_of_the_documented_shape_is_lxds_error(self) -> None:
        for metadata in (None, 3, "x", [None], [{}], {"name": 3}):
            for ask in (LxdInstances.list_all, LxdInstances.images):
                self.assertRaises(RemoteError, lambda: watch(ask(self.lxd(sync(metadata)))).value)  # noqa: B023
            for ask in (LxdInstances.get, LxdInstances.state):
                self.assertRaises(RemoteError, lambda: watch(ask(self.lxd(sync(metadata)), "x")).value)  # noqa: B023

    def test_its_state(self) -> None:
        self.assertTrue(watch(self.lxd(sync(STATE)).state("ws-u7")).value.status.runs)
        self.assertEqual(self.fake.asked[0].path, "/1.0/instances/ws-u7/state")

    def test_images_without_virtual_machines(self) -> None:
        images = [{"fingerprint": "a", "type": "container"}, {"fingerprint": "b", "type": "virtual-machine"}]
        found = watch(self.lxd(sync(images)).images()).value
        self.assertEqual([image.fingerprint for image in found], ["a"])

    def test_creating(self) -> None:
        new = NewInstance(name="ws-u7", fingerprint="f", profile="webspace", config={"user.a": "b"})
        self.assertIsNone(watch(self.lxd(accepted(), DONE).create(new)).value)
        self.assertEqual(self.first(), ("POST", "/1.0/instances", {
            "name": "ws-u7", "type": "container", "source": {"type": "image", "fingerprint": "f"},
            "profiles": ["webspace"], "config": {"user.a": "b"},
        }))  # fmt: skip

    def test_changes_of_state(self) -> None:
        for work, action, force in (
            (lambda lxd: lxd.start("x"), "start", False),
            (lambda lxd: lxd.stop("x", 30.0, force=False), "stop", False),
            (lambda lxd: lxd.stop("x", 30.0, force=True), "stop", True),
            (lambda lxd: lxd.resume("x"), "unfreeze", False),
        ):
            watch(work(self.lxd(accepted(), DONE))).value  # noqa: B018
            method, path, body = self.first()
            self.assertEqual((method, path), ("PUT", "/1.0/instances/x/state"))
            self.assertEqual((body["action"], body["force"]), (action, force))
            if action == "stop":
                self.assertEqual(body["timeout"], 30)

    def test_our_wait_for_a_stop_is_longer_than_lxds(self) -> None:
        stopping = watch(self.lxd(accepted(), *[None] * 4, DONE).stop("x", 30.0, force=False))
        self.clock.pump([1] * 31)
        self.assertFalse(stopping.done)

    def test_deleting(self) -> None:
        watch(self.lxd(accepted(), DONE).delete("x")).value  # noqa: B018
        self.assertEqual(self.first()[:2], ("DELETE", "/1.0/instances/x"))

    def test_configuring(self) -> None:
        watch(self.lxd(sync({})).configure("x", {"user.a": "b"}, '"e"')).value  # noqa: B018
        self.assertEqual(self.first(), ("PATCH", "/1.0/instances/x", {"config": {"user.a": "b"}}))
        self.assertEqual(self.fake.asked[0].headers["if-match"], '"e"')

    def test_configuring_while_lxd_is_not_done_with_a_stop(self) -> None:
        busy = error(500, "Instance is busy")
        changing = watch(self.lxd(busy, busy, sync({})).configure("x", {"user.a": "b"}, '"e"'))
        self.clock.run_for(1)
        self.assertIsNone(changing.value)

    def test_configuring_what_changed_meanwhile_is_not_tried_again(self) -> None:
        changing = watch(self.lxd(error(412), sync({})).configure("x", {"user.a": "b"}, '"e"'))
        self.assertIsInstance(changing.error, Changed)


PRESENT = sync(
    {
        "addresses": [
            {"address": "10.7.0.1", "netmask": "24", "scope": "global"},
            {"address": "fe80::1", "netmask": "64", "scope": "link"},
        ]
    }
)
NO_STATE = error(404)


class NetworkTests(InstancesCase):
    def network(self, devices: object, *replies: Reply) -> object:
        self.lxd(sync({"devices": devices}), *replies)
        return watch(profile_network(self.client, "webspace")).value

    def bridge(self, present: Reply = NO_STATE, **document: object) -> object:
        return self.network({"eth0": {"type": "nic", "parent": "br"}}, sync(document), present)

    def test_a_managed_bridge_tells_its_subnets_and_gateways(self) -> None:
        config = {"ipv4.address": "10.7.0.1/24", "ipv6.address": "fd42::1/64"}
        document = {"config": config, "managed": True}
        found = self.network({"eth0": {"type": "nic", "network": "br"}, "root": {"type": "disk"}}, sync(document), PRESENT)
        self.assertEqual(found.nic, "eth0")
        self.assertEqual(found.networks, (ip_network("10.7.0.0/24"), ip_network("fd42::/64")))
        self.assertEqual(found.gateways, (ip_address("10.7.0.1"), ip_address("fd42::1")))
        self.assertEqual([asked.path for asked in self.fake.asked[1:]], ["/1.0/networks/br", "/1.0/networks/br/state"])

    def test_a_restricted_certificate_sees_what_the_bridge_has(self) -> None:
        found = self.bridge(PRESENT, config={}, managed=True)
        self.assertEqual(found.networks, (ip_network("10.7.0.0/24"),))
        self.assertEqual(found.gateways, (ip_address("10.7.0.1"),))

    def test_leases_of_projects_that_may_not_be_seen_are_left_out(self) -> None:
        network = sync({"used_by": ["/1.0/instances/x?project=b", "/1.0/profiles/y?project=c"]})
        ours = sync([{"address": "10.7.0.5", "hwaddr": "00:16:3E:00:00:01", "location": "none"}])
        told = {"a": ours, "b": error(403), "c": sync([]), "default": error(404)}
        self.assertEqual([str(lease.address) for lease in self.leases(network, told)], ["10.7.0.5"])
        for odd in ({**told, "a": error(403)}, {**told, "b": error(500)}):
            self.assertRaises(RemoteError, self.leases, network, odd)

    def leases(self, network: Reply, told: dict[str, Reply]) -> object:
        clock = Time()
        fake = FakeLxd(clock, network, *(told[project] for project in sorted(told)))
        return clock.result_of(NetworkLeases(LxdClient(fake, clock, "a"), "br").leases())

    def test_none_and_auto_are_no_subnets(self) -> None:
        config = {"ipv4.address": "none", "ipv6.address": "auto"}
        self.assertEqual(self.bridge(config=config, managed=True).networks, ())

    def test_a_bridge_that_lxd_does_not_manage_may_be_wide_but_its_own_address_is_known(self) -> None:
        found = self.bridge(PRESENT, config={}, managed=False)
        self.assertEqual((found.networks, found.gateways), ((), (ip_address("10.7.0.1"),)))

    def test_a_bridge_that_lxd_does_not_know(self) -> None:
        self.assertEqual(self.network({"eth0": {"type": "nic", "parent": "br"}}, error(404), error(404)).networks, ())

    def test_the_first_nic_by_name_counts(self) -> None:
        devices = {"eth1": {"type": "nic", "network": "b"}, "eth0": {"type": "nic", "network": "a"}}
        self.assertEqual(self.network(devices, sync({"config": {}}), NO_STATE).nic, "eth0")

    def test_no_nic(self) -> None:
        self.assertRaises(NotFound, self.network, {"root": {"type": "disk"}})
