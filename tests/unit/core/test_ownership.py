"""Whose an address is: by NICs and leases, and else by who had it first; never by what a container shows."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.core.instance import Instance, IPAddress, Status
from webspaced.core.ownership import ADDRESS_KEY, FirstCome, Lease, Owners, fixed_addresses

NIC = "eth0"
A, B, C = (ip_address(f"10.7.0.{n}") for n in (10, 11, 12))
SIX = ip_address("fd42::10")


def instance(number: int, *, fixed: str = "", run: int = 1, **more: Any) -> Instance:
    """Give an instance whose hardware address ends with its number."""
    device = {"type": "nic", "network": "br0", **({"ipv4.address": fixed} if fixed else {})}
    config = {f"volatile.{NIC}.hwaddr": f"00:16:3E:00:00:{number:02x}", "volatile.uuid": str(number)}
    return Instance(**{
        "name": f"ws-u{number}", "status": Status.RUNNING, "config": config, "expanded_devices": {NIC: device},
        "created_at": f"2026-01-{number:02}", "last_used_at": str(run), **more,
    })  # fmt: skip


def lease(address: IPAddress, number: int, location: str = "") -> Lease:
    return Lease(address=address, mac=f"00:16:3e:00:00:{number:02x}", location=location)


class FixedTests(SynchronousTestCase):
    def test_what_is_written_on_the_nic(self) -> None:
        self.assertEqual(fixed_addresses(instance(1, fixed=str(A)), NIC), (A,))
        for text in ("none", "", "nonsense"):
            self.assertEqual(fixed_addresses(instance(1, fixed=text), NIC), ())

    def test_our_key_counts_where_the_nic_has_none(self) -> None:
        keyed = instance(1, config={ADDRESS_KEY: str(B)})
        self.assertEqual(fixed_addresses(keyed, NIC), (B,))
        both = instance(1, fixed=str(A), config={ADDRESS_KEY: str(B)})
        self.assertEqual(fixed_addresses(both, NIC), (A,))


class OwnersTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.owners = Owners(nic=NIC)

    def test_a_lease_is_its_hardware_addresss(self) -> None:
        self.owners.renew([lease(A, 1), lease(B, 2), lease(SIX, 1)])
        self.assertEqual(self.owners.owned(instance(1), [C, SIX, B, A]), (SIX, A))
        self.assertEqual(self.owners.expected(instance(1)), (A, SIX))

    def test_an_address_on_a_nic_counts_before_a_lease(self) -> None:
        self.owners.renew([lease(A, 2), lease(B, 1)])
        one, two = instance(1, fixed=str(A)), instance(2)
        self.owners.note(one)
        self.owners.note(two)
        self.assertEqual((self.owners.owned(one, [A, B]), self.owners.owned(two, [A, B])), ((A,), ()))

    def test_of_two_with_the_same_on_their_nics_the_older_has_it(self) -> None:
        for each in (instance(2, fixed=str(A)), instance(1, fixed=str(A))):
            self.owners.note(each)
        self.assertEqual(self.owners.owned(instance(1, fixed=str(A)), [A]), (A,))
        self.assertEqual(self.owners.owned(instance(2, fixed=str(A)), [A]), ())
        self.assertEqual(self.owners.forget(instance(1).identity), {("", A)})
        self.assertEqual(self.owners.owned(instance(2, fixed=str(A)), [A]), (A,))

    def test_an_instance_of_another_project_owns_as_well(self) -> None:
        self.owners.note(instance(1, fixed=str(A), project="other", name="db"))
        self.owners.renew([lease(A, 2)])
        self.assertEqual(self.owners.owned(instance(2), [A]), ())
        self.assertTrue(self.owners.taken(A))
        self.assertFalse(self.owners.taken(B))

    def test_an_address_that_two_leases_name_is_nobodys(self) -> None:
        self.owners.renew([lease(A, 1), lease(A, 2)])
        self.assertEqual([self.owners.owned(instance(n), [A]) for n in (1, 2)], [(), ()])

    def test_what_changed_is_told(self) -> None:
        self.assertEqual(self.owners.renew([lease(A, 1), lease(B, 2)]), {("", A), ("", B)})
        self.assertEqual(self.owners.renew([lease(A, 1), lease(B, 3)]), {("", B)})
        self.assertEqual(self.owners.note(instance(1, fixed=str(C))), {("", C)})
        self.assertEqual(self.owners.note(instance(1, fixed=str(C))), set())

    def test_members_with_bridges_of_their_own_are_told_apart(self) -> None:
        owners = Owners(nic=NIC, local=True)
        owners.renew([lease(A, 1, "m1"), lease(A, 2, "m2")])
        for number, location in ((1, "m1"), (2, "m2")):
            self.assertEqual(owners.owned(instance(number, location=location), [A]), (A,))
        self.assertEqual(owners.owned(instance(1, location="m2"), [A]), ())
        self.assertTrue(owners.taken(A))

    @settings(deadline=None, max_examples=80)
    @given(
        st.dictionaries(st.sampled_from([A, B, C]), st.integers(1, 3)),
        st.dictionaries(st.integers(1, 3), st.sampled_from([A, B, C])),
        st.lists(st.sampled_from([A, B, C]), unique=True),
    )
    def test_whatever_is_shown_nobody_owns_what_another_one_does(
        self, leased: dict[IPAddress, int], fixed: dict[int, IPAddress], shown: list[IPAddress]
    ) -> None:
        owners = Owners(nic=NIC)
        owners.renew([lease(address, number) for address, number in leased.items()])
        instances = [instance(n, fixed=str(fixed[n]) if n in fixed else "") for n in (1, 2, 3)]
        for each in instances:
            owners.note(each)
        owned = [address for each in instances for address in owners.owned(each, shown)]
        self.assertEqual(len(owned), len(set(owned)))
        self.assertLessEqual(set(owned), set(shown))


class FirstComeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.first = FirstCome()

    def test_the_first_keeps_it(self) -> None:
        self.assertEqual(self.first.owned(instance(1), [A]), (A,))
        self.assertEqual(self.first.owned(instance(2), [A, B]), (B,))
        self.assertEqual(self.first.owned(instance(1), [A]), (A,))

    def test_nobody_holds_more_than_one_of_a_family(self) -> None:
        self.assertEqual(self.first.owned(instance(1), [A, B, C, SIX]), (A, SIX))
        self.assertEqual(self.first.owned(instance(2), [B]), (B,))

    def test_a_new_incarnation_begins_anew(self) -> None:
        self.first.owned(instance(1), [A])
        self.assertEqual(self.first.owned(instance(1), [B, A]), (A,))
        self.assertEqual(self.first.owned(instance(1, run=2), [B, A]), (B,))
        self.assertEqual(self.first.owned(instance(2), [A]), (A,))

    def test_what_is_not_shown_any_more_is_free(self) -> None:
        self.first.owned(instance(1), [A])
        self.first.owned(instance(1), [])
        self.assertEqual(self.first.owned(instance(2), [A]), (A,))

    def test_what_is_gone_is_free(self) -> None:
        self.first.owned(instance(1), [A])
        self.first.forget(instance(1).identity)
        self.first.forget(instance(3).identity)
        self.assertEqual(self.first.owned(instance(2), [A]), (A,))
