"""Each new webspace gets an address of its own, that nobody else has or is promised."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address, ip_network

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import watch
from tests.unit.world import NIC, RULE, World
from webspaced.core.address import AddressRule
from webspaced.core.instance import IPAddress
from webspaced.core.user import User
from webspaced.errors import Changed, Conflict, RemoteError
from webspaced.webspaces.housing import Housing, Site, ranges_of

DEVICE = {"type": "nic", "network": "bridge", "security.mac_filtering": "true"}


def site(subnet: str = "10.7.0.0/24", ranges: str = "") -> Site:
    return Site(nic=NIC, device=DEVICE, subnet=ip_network(subnet), dynamic=ranges_of(ranges))


class HousingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.w = World().start()
        self.w.housing.prepare(site(), RULE, self.w.ownership)

    def create(self, uid: int) -> str:
        self.w.clock.result_of(self.w.service.create(User(id=uid, username=f"m{uid}"), "fast"))
        return self.w.lxd.containers[f"ws-u{uid}"].devices[NIC]["ipv4.address"]

    def test_the_device_is_the_profiles_with_an_address(self) -> None:
        self.assertEqual(self.create(1), "10.7.0.2")
        self.assertEqual(self.w.lxd.containers["ws-u1"].devices, {NIC: {**DEVICE, "ipv4.address": "10.7.0.2"}})

    def test_nobody_gets_what_another_one_has_by_nic_or_lease(self) -> None:
        self.w.lxd.put("builder").address = ip_address("10.7.0.3")
        self.assertEqual([self.create(1), self.create(2)], ["10.7.0.2", "10.7.0.4"])

    def test_two_at_once_get_two(self) -> None:
        both = [watch(self.w.service.create(User(id=uid, username=f"m{uid}"), "fast")) for uid in (1, 2)]
        self.w.clock.run_for(20)
        self.assertTrue(all(each.value for each in both))
        given = {each.devices[NIC]["ipv4.address"] for each in self.w.lxd.containers.values()}
        self.assertEqual(given, {"10.7.0.2", "10.7.0.3"})

    def test_it_is_reached_at_that_address(self) -> None:
        address = self.create(1)
        self.assertEqual(str(self.w.clock.result_of(self.w.ready(1))), f"{address}:80")

    def test_one_that_somebody_else_takes_in_that_moment_is_replaced(self) -> None:
        self.w.lxd.fail_next("create", RemoteError("in use", 400))
        stranger = self.w.lxd.put("builder")
        stranger.leased = False
        creating = watch(self.w.service.create(User(id=1, username="alice"), "fast"))
        self.w.clock.run_until(lambda: bool(self.w.calls("create")))
        stranger.address, stranger.leased = ip_address("10.7.0.2"), True
        self.w.clock.run_for(20)
        self.assertTrue(creating.value)
        self.assertEqual(self.w.lxd.containers["ws-u1"].devices[NIC]["ipv4.address"], "10.7.0.3")

    def test_a_copy_gets_one_of_its_own(self) -> None:
        address = self.create(1)
        self.w.lxd.copy("ws-u1", "ws-u2")
        self.w.clock.run_for(10)
        self.assertEqual(self.w.lxd.containers["ws-u1"].devices[NIC]["ipv4.address"], address)
        self.assertEqual(self.w.lxd.containers["ws-u2"].devices[NIC], {**DEVICE, "ipv4.address": "10.7.0.3"})

    def test_a_copy_that_lxd_is_not_done_with_gets_it_a_moment_later(self) -> None:
        self.create(1)
        self.w.lxd.fail_next("give_devices", *[Changed("no", 412)] * 3, RemoteError("busy", 400))
        self.w.lxd.copy("ws-u1", "ws-u2")
        self.w.clock.run_for(20)
        self.assertEqual(self.w.lxd.containers["ws-u2"].devices[NIC]["ipv4.address"], "10.7.0.3")

    def test_any_other_failure_is_one(self) -> None:
        self.w.lxd.fail_next("create", RemoteError("no space", 400))
        self.assertRaises(RemoteError, self.create, 1)
        self.assertEqual(len(self.w.calls("create")), 1)

    def test_an_address_that_moved_to_another_one_is_found_by_the_look_before_a_creation(self) -> None:
        one, two = (self.w.webspace(uid, running=True) for uid in (2, 3))
        self.w.connect()
        self.w.clock.run_for(5)
        moved = one.address
        self.assertEqual(self.w.store.backend("ws-u2"), f"{moved}:80")
        two.address, one.leased = moved, False
        self.create(1)
        self.w.clock.run_for(5)
        self.assertNotEqual(self.w.store.backend("ws-u2"), f"{moved}:80")

    def test_outside_of_the_dynamic_ranges_first(self) -> None:
        self.w.housing.prepare(site("10.7.0.0/29", "10.7.0.2-10.7.0.5"), RULE, self.w.ownership)
        self.assertEqual([self.create(uid) for uid in (1, 2, 3)], ["10.7.0.6", "10.7.0.7", "10.7.0.2"])

    def test_ranges_that_are_the_whole_network_cost_no_look_at_all_of_it(self) -> None:
        wide = ip_network("10.0.0.0/8")
        for ranges in ("10.0.0.0-10.255.255.255", "10.0.0.2-10.100.0.0,10.90.0.0-10.255.255.255", "9.0.0.0-11.0.0.0"):
            asked: list[IPAddress] = []
            ownership = self.w.ownership
            self.patch(ownership, "taken", lambda address, asked=asked: bool(asked.append(address)))
            self.w.housing.prepare(site("10.0.0.0/8", ranges), AddressRule(networks=(wide,)), ownership)
            with self.w.housing.devices() as devices:
                self.assertIn(ip_address(devices[NIC]["ipv4.address"]), wide)
            self.assertEqual(len(asked), 1)

    def test_a_full_network_is_said(self) -> None:
        self.w.housing.prepare(site("10.7.0.2/31"), RULE, self.w.ownership)
        for uid in (1, 2):
            self.create(uid)
        self.assertIn("10.7.0.2/31", str(self.assertRaises(Conflict, self.create, 3)))

    def test_without_a_site_none_is_given(self) -> None:
        with Housing().devices() as devices:
            self.assertEqual(devices, {})

    def test_ranges(self) -> None:
        two = ranges_of("10.0.0.2-10.0.0.9, 10.0.0.20-10.0.0.30")
        self.assertEqual(two[1], (IPv4Address("10.0.0.20"), IPv4Address("10.0.0.30")))
        self.assertEqual(ranges_of(""), ())
