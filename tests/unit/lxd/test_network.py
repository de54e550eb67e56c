"""The webspaces' network in a cluster, and the leases of all projects."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.lxd.fake_lxd import FakeLxd, Reply, error, sync
from tests.unit.timing import Time, watch
from webspaced.core.instance import Instance, Status
from webspaced.errors import NotFound, RemoteError
from webspaced.lxd.client import LxdClient
from webspaced.lxd.network import NetworkLeases, profile_network
from webspaced.webspaces.ownership import Ownership

NIC = {"eth0": {"type": "nic", "network": "br"}}
CONFIG = {"ipv4.address": "10.7.0.1/24"}
ALONE = sync({"environment": {"server_name": "m1", "server_clustered": False}})
MEMBER = sync({"environment": {"server_name": "m1", "server_clustered": True}})
LEASES = [
    {"hostname": "br.gw", "hwaddr": "", "address": "10.7.0.1", "type": "gateway", "location": ""},
    {"hostname": "a", "hwaddr": "00:16:3E:00:00:01", "address": "10.7.0.10", "type": "dynamic", "location": "none"},
    {"hostname": "b", "hwaddr": "00:16:3e:00:00:02", "address": "10.7.0.11", "type": "static", "location": "m2"},
]


class NetworkCase(SynchronousTestCase):
    def client(self, *replies: Reply) -> LxdClient:
        clock = Time()
        self.fake = FakeLxd(clock, *replies)
        return LxdClient(self.fake, clock, "default")

    def network(self, document: dict[str, Any], server: Reply | None) -> Any:
        more = [server] if server is not None else []
        client = self.client(sync({"devices": NIC}), sync(document), error(404), *more)
        return watch(profile_network(client, "webspace")).value


class ClusterTests(NetworkCase):
    def test_a_bridge_of_each_members_own(self) -> None:
        found = self.network({"type": "bridge", "managed": True, "config": CONFIG}, MEMBER)
        self.assertEqual((found.here, found.local, found.alike), ("m1", True, True))
        untold = self.network({"type": "bridge", "managed": True, "config": {}}, MEMBER)
        self.assertEqual((untold.local, untold.alike), (True, False))

    def test_a_single_machine(self) -> None:
        found = self.network({"type": "bridge", "managed": True, "config": CONFIG}, ALONE)
        self.assertEqual((found.here, found.local), ("", False))

    def test_networks_that_all_members_share(self) -> None:
        for document in (
            {"type": "ovn", "managed": True, "config": CONFIG},
            {"type": "bridge", "managed": True, "config": {**CONFIG, "bridge.mode": "fan"}},
            {"type": "bridge", "managed": True, "config": {**CONFIG, "bridge.external_interfaces": "eth1"}},
            {"type": "bridge", "managed": False, "config": {}},
        ):
            self.assertFalse(self.network(document, None).local, document)

    def test_what_cannot_be_reached_from_here_is_told_apart(self) -> None:
        there = Instance(name="ws-u1", status=Status.RUNNING, config={}, expanded_devices={}, location="m2")
        for here in ("m1", None):
            self.assertTrue(Ownership("eth0", local=True, here=here).out_of_reach(there))
        for local, here in ((True, "m2"), (False, "m1"), (True, "")):
            self.assertFalse(Ownership("eth0", local=local, here=here).out_of_reach(there))


class LeaseTests(NetworkCase):
    def test_of_all_projects_that_use_the_network(self) -> None:
        used = ["/1.0/instances/a", "/1.0/instances/b?project=other", "/1.0/profiles/p?project=other"]
        client = self.client(sync({"used_by": used}), sync(LEASES[:2]), sync(LEASES[2:]))
        leases = watch(NetworkLeases(client, "br").leases()).value
        self.assertEqual(
            [(str(each.address), each.mac, each.location) for each in leases],
            [("10.7.0.10", "00:16:3e:00:00:01", "none"), ("10.7.0.11", "00:16:3e:00:00:02", "m2")],
        )
        asked = [(each.path, each.query["project"]) for each in self.fake.asked]
        self.assertEqual(asked, [
            ("/1.0/networks/br", "default"), ("/1.0/networks/br/leases", "default"), ("/1.0/networks/br/leases", "other"),
        ])  # fmt: skip

    def test_a_project_that_may_not_be_seen_is_left_out_and_our_own_is_not(self) -> None:
        used = sync({"used_by": ["/1.0/instances/b?project=other"]})
        for refusal in (error(404), error(403)):
            client = self.client(used, sync(LEASES), refusal)
            self.assertEqual(len(watch(NetworkLeases(client, "br").leases()).value), 2)
        self.assertIsInstance(watch(NetworkLeases(self.client(used, error(404)), "br").leases()).error, NotFound)
        for replies in ((error(403),), (sync(LEASES), error(500))):
            self.assertIsInstance(watch(NetworkLeases(self.client(used, *replies), "br").leases()).error, RemoteError)

    def test_what_is_no_lease(self) -> None:
        for odd in ([7], {"a": 1}, "x", [{"address": 7, "hwaddr": 8}]):
            client = self.client(sync({"used_by": []}), sync(odd))
            self.assertIsInstance(watch(NetworkLeases(client, "br").leases()).error, RemoteError, odd)
