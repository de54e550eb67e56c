"""The address rule: whatever root inside a container claims, only its own address is ever a backend."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.core.address import AddressRule, Endpoint
from webspaced.core.instance import InstanceState, Interface, Status

MAC = "00:16:3e:00:00:01"
FOUR, SIX = ip_network("10.7.0.0/24"), ip_network("fd42::/64")
GATEWAY = ip_address("10.7.0.1")
RULE = AddressRule(networks=(FOUR, SIX), reserved=frozenset({GATEWAY, ip_address("fd42::1")}))

INSIDE = st.one_of(
    st.integers(0, 255).map(lambda n: FOUR[n]),
    st.integers(0, 20).map(lambda n: SIX[n]),
    st.just(SIX[-1]),
)
ANYWHERE = st.one_of(
    INSIDE,
    st.integers(0, 2**32 - 1).map(IPv4Address),
    st.integers(0, 2**128 - 1).map(IPv6Address),
    st.sampled_from(["127.0.0.9", "169.254.169.254", "10.96.0.1", "224.0.0.1", "::1", "fe80::1", "0.0.0.0"]).map(ip_address),
)
SCOPES = st.sampled_from(["global", "link", "local", "", "GLOBAL"])
INTERFACES = st.lists(
    st.builds(
        Interface,
        name=st.sampled_from(["eth0", "docker0", "lo", "a"]),
        mac=st.sampled_from([MAC, "00:16:3e:00:00:02", ""]),
        addresses=st.lists(st.tuples(ANYWHERE, SCOPES), max_size=5).map(tuple),
    ),
    max_size=4,
).map(tuple)


def state(*addresses: str, mac: str = MAC, scope: str = "global") -> InstanceState:
    nic = Interface(name="eth0", mac=mac, addresses=tuple((ip_address(a), scope) for a in addresses))
    return InstanceState(status=Status.RUNNING, interfaces=(nic,))


class RuleTests(SynchronousTestCase):
    def claims(self, *addresses: str, **more: str) -> list[str]:
        return [str(a) for a in RULE.claims(state(*addresses, **more), MAC)]

    def test_an_ordinary_address_counts(self) -> None:
        self.assertEqual(self.claims("10.7.0.23"), ["10.7.0.23"])

    def test_an_address_outside_the_networks_does_not(self) -> None:
        self.assertEqual(self.claims("10.96.0.1", "10.7.1.1", "10.6.255.255", "fd43::5"), [])

    def test_a_reserved_one_does_not(self) -> None:
        self.assertEqual(self.claims("10.7.0.1", "fd42::1"), [])

    def test_the_edges_of_a_network_do_not_and_their_neighbours_do(self) -> None:
        self.assertEqual(self.claims("10.7.0.0", "10.7.0.255", "fd42::"), [])
        self.assertEqual(self.claims("10.7.0.2", "10.7.0.254"), ["10.7.0.2", "10.7.0.254"])

    def test_networks_without_edges_are_used_whole(self) -> None:
        for network, addresses in (("10.0.0.8/31", ["10.0.0.8", "10.0.0.9"]), ("10.0.0.8/32", ["10.0.0.8"])):
            rule = AddressRule(networks=(ip_network(network),))
            self.assertEqual([str(a) for a in rule.claims(state(*addresses), MAC)], addresses)

    def test_loopback_link_local_and_multicast_never_count_even_inside_a_network(self) -> None:
        everything = AddressRule(networks=(ip_network("0.0.0.0/0"), ip_network("::/0")))
        for text in ("127.0.0.9", "169.254.169.254", "224.0.0.1", "::1", "fe80::1", "ff02::1"):
            self.assertFalse(everything.allows(ip_address(text)), text)

    def test_only_the_nic_with_lxds_hardware_address(self) -> None:
        self.assertEqual(self.claims("10.7.0.23", mac="00:16:3e:00:00:02"), [])

    def test_only_global_scope(self) -> None:
        for scope in ("link", "local", ""):
            self.assertEqual(self.claims("10.7.0.23", scope=scope), [])

    def test_no_known_hardware_address_means_no_claim(self) -> None:
        self.assertEqual(RULE.claims(state("10.7.0.23", mac=""), None), ())

    def test_ipv4_before_ipv6_and_else_in_lxds_order(self) -> None:
        self.assertEqual(self.claims("fd42::9", "10.7.0.9", "10.7.0.3"), ["10.7.0.9", "10.7.0.3", "fd42::9"])

    def test_ipv6_alone_is_enough(self) -> None:
        self.assertEqual(self.claims("fd42::9", "fe80::9"), ["fd42::9"])

    def test_an_interface_that_sorts_first_changes_nothing(self) -> None:
        docker = Interface(name="a", mac="02:42:00:00:00:00", addresses=((ip_address("10.7.0.99"), "global"),))
        both = InstanceState(status=Status.RUNNING, interfaces=(docker, *state("10.7.0.23").interfaces))
        self.assertEqual(RULE.claims(both, MAC), (ip_address("10.7.0.23"),))

    def test_every_interface_with_the_hardware_address_claims(self) -> None:
        twice = InstanceState(status=Status.RUNNING, interfaces=state("10.7.0.5").interfaces + state("10.7.0.6").interfaces)
        self.assertEqual(len(RULE.claims(twice, MAC)), 2)

    @settings(deadline=None, max_examples=80)
    @given(INTERFACES)
    def test_whatever_root_arranges_what_counts_is_allowed_on_the_nic_and_not_too_much(
        self, interfaces: tuple[Interface, ...]
    ) -> None:
        arranged = InstanceState(status=Status.RUNNING, interfaces=interfaces)
        claims = RULE.claims(arranged, MAC)
        right = {
            address
            for nic in interfaces if nic.mac == MAC
            for address, scope in nic.addresses
            if scope == "global"
            and (address in FOUR or address in SIX)
            and address not in RULE.reserved
            and address not in (FOUR[0], FOUR[-1], SIX[0], SIX[-1])
        }  # fmt: skip
        self.assertEqual(set(claims), right)
        self.assertEqual(len(claims), len(set(claims)))

    def test_the_first_32_are_read_and_the_rest_is_ignored(self) -> None:
        many = [f"10.7.0.{n}" for n in range(2, 200)]
        self.assertEqual(self.claims(*many), many[:32])


class EndpointTests(SynchronousTestCase):
    def test_ipv6_is_bracketed(self) -> None:
        self.assertEqual(str(Endpoint(ip_address("fd42::9"), 80)), "[fd42::9]:80")
        self.assertEqual(str(Endpoint(ip_address("10.7.0.9"), 80)), "10.7.0.9:80")
