"""Who has which address, as a function of what LXD says."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.router.networks import LAN, mac, reservation, seat
from webspaced.core.instance import Instance, Status
from webspaced.router.lan import Span
from webspaced.router.plan import Plan, Rests, Seat, candidates, host_names, make_plan, seat_of

SMALL = evolve(LAN, plan=Span.parse("172.24.1.1-172.24.1.40"), strangers=Span.parse("172.24.1.31-172.24.1.40"))
ADDRESSES = st.integers(0, 60).map(lambda last: IPv4Address(f"172.24.1.{last}")) | st.sampled_from(
    [IPv4Address(text) for text in ("172.24.254.1", "172.24.254.2", "10.0.0.1", "172.24.255.255", "172.24.0.0")]
)


@st.composite
def some_seats(draw: st.DrawFn) -> list[Seat]:
    numbers = draw(st.lists(st.integers(1, 60), max_size=45, unique=True))
    return [
        evolve(
            seat(number),
            mac=mac(draw(st.sampled_from([number, number, number, 1]))),
            address=draw(st.none() | ADDRESSES),
            by_nic=draw(st.booleans()),
            created_at=draw(st.sampled_from(["2026-01-01", "2026-01-02"])),
        )
        for number in numbers
    ]


def kept(seats: list[Seat], plan: Plan) -> list[Seat]:
    """The seats after what was decided has been written to their instances."""
    decided = {(each.project, each.instance): each.address for each in plan.decided}
    return [evolve(each, address=decided.get(each.identity, each.address)) for each in seats]


class PlanTests(SynchronousTestCase):
    @given(some_seats())
    def test_no_two_have_the_same_and_nobody_has_the_platforms(self, seats: list[Seat]) -> None:
        plan = make_plan(seats, SMALL)
        addresses = [each.address for each in plan.reservations]
        self.assertEqual(len(set(addresses)), len(addresses))
        self.assertEqual(len({each.mac for each in plan.reservations}), len(addresses))
        self.assertTrue(all(SMALL.allows(each) for each in addresses))
        sixes = [each.address6 for each in plan.reservations]
        self.assertEqual(len(set(sixes)), len(sixes))

    @given(some_seats())
    def test_everybody_is_told_of(self, seats: list[Seat]) -> None:
        plan = make_plan(seats, SMALL)
        told = [(each.project, each.instance) for each in plan.reservations]
        self.assertEqual(sorted([*told, *(each.identity for each, _ in plan.without)]), sorted(s.identity for s in seats))

    @given(some_seats(), st.randoms())
    def test_two_routers_compute_the_same(self, seats: list[Seat], random: object) -> None:
        other = list(seats)
        random.shuffle(other)  # type: ignore[attr-defined]
        self.assertEqual(make_plan(seats, SMALL), make_plan(other, SMALL))

    @given(some_seats())
    def test_what_was_decided_stays(self, seats: list[Seat]) -> None:
        first = make_plan(seats, SMALL)
        again = make_plan(kept(seats, first), SMALL)
        self.assertEqual(again.reservations, first.reservations)
        self.assertEqual(again.decided, ())

    @given(some_seats(), st.integers(100, 120))
    def test_a_newcomer_moves_nobody(self, seats: list[Seat], number: int) -> None:
        first = make_plan(seats, SMALL)
        later = make_plan([*kept(seats, first), seat(number, born="2027")], SMALL)
        self.assertTrue(set(first.reservations) <= set(later.reservations))

    @given(some_seats(), st.frozensets(ADDRESSES))
    def test_nobody_new_gets_what_rests_or_what_is_for_strangers(
        self, seats: list[Seat], resting: frozenset[IPv4Address]
    ) -> None:
        assert SMALL.strangers is not None
        for each in make_plan(seats, SMALL, resting).decided:
            self.assertNotIn(each.address, resting)
            self.assertNotIn(each.address, SMALL.strangers)
            self.assertIn(each.address, SMALL.plan)

    @given(some_seats())
    def test_what_was_decided_and_is_not_written_yet_stays(self, seats: list[Seat]) -> None:
        first = make_plan(seats, SMALL)
        held = {each.mac: each.address for each in first.reservations}
        older = [seat(number, born="2020") for number in range(100, 110)]
        again = make_plan([*seats, *older], SMALL, held=held)
        self.assertTrue(set(first.reservations) <= set(again.reservations))

    def test_who_has_one_written_keeps_it_though_it_rests(self) -> None:
        plan = make_plan([seat(1, "172.24.1.7")], LAN, [IPv4Address("172.24.1.7")])
        self.assertEqual(plan.reservations, (reservation(1, "172.24.1.7", "fd42::ac18:107"),))

    def test_a_copy_gets_another_one(self) -> None:
        plan = make_plan([seat(2, "172.24.1.7", born="2026-02"), seat(1, "172.24.1.7", born="2026-01")], LAN)
        self.assertEqual({each.instance for each in plan.decided}, {"ws-u2"})
        self.assertIn(IPv4Address("172.24.1.7"), {each.address for each in plan.reservations if each.instance == "ws-u1"})

    def test_a_nic_goes_before_an_older_key(self) -> None:
        plan = make_plan([seat(1, "172.24.1.7", born="2026-01"), seat(2, "172.24.1.7", born="2026-02", by_nic=True)], LAN)
        self.assertEqual([each.instance for each in plan.decided], ["ws-u1"])

    def test_what_stands_on_a_nic_and_cannot_be_is_told(self) -> None:
        plan = make_plan([seat(1, "172.24.254.1", by_nic=True)], LAN)
        self.assertEqual(plan.reservations, ())
        self.assertEqual([reason for _, reason in plan.without], ["the address on its NIC, 172.24.254.1, cannot be its own"])

    def test_a_full_network_is_told(self) -> None:
        plan = make_plan([seat(number) for number in range(1, 33)], SMALL)
        self.assertEqual(len(plan.reservations), 30)
        self.assertEqual([reason for _, reason in plan.without], ["no address is free"] * 2)

    @given(st.integers(0, 65535), st.integers(1, 300))
    def test_candidates_are_all_addresses_once(self, number: int, length: int) -> None:
        span = Span(IPv4Address("10.0.0.1"), IPv4Address("10.0.0.1") + length - 1)
        self.assertEqual(sorted(candidates(mac(number), span)), list(span))


class SeatTests(SynchronousTestCase):
    def instance(self, **more: object) -> Instance:
        config = {"volatile.eth0.hwaddr": "00:16:3E:AA:BB:CC", "volatile.eth1.hwaddr": "00:16:3e:aa:bb:cd"}
        devices = {
            "root": {"type": "disk"},
            "eth0": {"type": "nic", "parent": "br0"},
            "eth1": {"type": "nic", "network": "lan"},
        }
        fields = {"name": "c", "status": Status.STOPPED, "config": config, "expanded_devices": devices, **more}
        return Instance(**fields)  # type: ignore[arg-type]

    def test_the_nic_on_the_bridge_counts(self) -> None:
        self.assertEqual(getattr(seat_of(self.instance(), "br0"), "mac", ""), "00:16:3e:aa:bb:cc")
        self.assertEqual(getattr(seat_of(self.instance(), "lan"), "mac", ""), "00:16:3e:aa:bb:cd")
        self.assertIsNone(seat_of(self.instance(), "other"))

    def test_without_a_hardware_address_there_is_no_seat(self) -> None:
        self.assertIsNone(seat_of(self.instance(config={}), "br0"))

    def test_the_key_that_webspaced_reads_counts(self) -> None:
        config = {"volatile.eth0.hwaddr": "00:16:3e:aa:bb:cc", "user._webspaced_address": "172.24.1.9"}
        found = seat_of(self.instance(config=config), "br0")
        assert found is not None
        self.assertEqual((found.address, found.by_nic), (IPv4Address("172.24.1.9"), False))

    def test_an_address_on_the_nic_counts_more(self) -> None:
        config = {"volatile.eth0.hwaddr": "00:16:3e:aa:bb:cc", "user._webspaced_address": "172.24.1.9"}
        devices = {"eth0": {"type": "nic", "parent": "br0", "ipv4.address": "172.24.1.8", "ipv6.address": "fd42::8"}}
        found = seat_of(self.instance(config=config, expanded_devices=devices), "br0")
        assert found is not None
        self.assertEqual((found.address, found.by_nic), (IPv4Address("172.24.1.8"), True))
        self.assertEqual(found.address6, IPv6Address("fd42::8"))

    def test_names_of_other_projects_say_so(self) -> None:
        self.assertEqual(host_names(reservation(1, "10.0.0.1"), "default", "webspace"), ("ws-u1.webspace", "ws-u1"))
        other = reservation(1, "10.0.0.1", project="Lab")
        self.assertEqual(host_names(other, "default", "webspace")[0], "ws-u1.lab.webspace")


class RestsTests(SynchronousTestCase):
    def test_a_removed_address_rests_for_a_lease_and_until_dnsmasq_forgot_it(self) -> None:
        rests = Rests(7200.0)
        gone = reservation(1, "172.24.1.7")
        rests.replaced([gone, reservation(2, "172.24.1.8")], [reservation(2, "172.24.1.8")], 100.0)
        self.assertEqual(rests.addresses, {gone.address})
        self.assertEqual(rests.over(7299.0), frozenset())
        self.assertEqual(rests.over(7300.0), {gone.address})
        self.assertEqual(rests.addresses, {gone.address})
        rests.forgotten(rests.over(7300.0))
        self.assertEqual(rests.addresses, frozenset())

    def test_a_renamed_instance_keeps_its_own(self) -> None:
        rests = Rests(7200.0)
        rests.replaced([reservation(1, "172.24.1.7")], [evolve(reservation(1, "172.24.1.7"), instance="new")], 0.0)
        self.assertEqual(rests.addresses, frozenset())

    def test_who_comes_back_has_its_own_and_is_not_to_be_forgotten(self) -> None:
        rests = Rests(7200.0)
        rests.replaced([reservation(1, "172.24.1.7")], [], 0.0)
        rests.replaced([], [reservation(1, "172.24.1.7")], 1.0)
        self.assertEqual((rests.addresses, rests.blocks([reservation(1, "172.24.1.7")])), (frozenset(), frozenset()))

    def test_what_was_written_for_somebody_else_is_to_be_forgotten_at_once(self) -> None:
        rests = Rests(7200.0)
        rests.replaced([reservation(1, "172.24.1.7")], [], 0.0)
        self.assertEqual(rests.blocks([reservation(2, "172.24.1.7")]), {IPv4Address("172.24.1.7")})
