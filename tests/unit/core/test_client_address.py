from __future__ import annotations

from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.core.client_address import MOST_PROXIES, client_address, counted_as, is_in, parse_address

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
TRUSTED_ONES = st.ip_addresses(network="10.0.0.0/8") | st.ip_addresses(network="fd00::/8")
OTHERS = st.ip_addresses(network="192.0.2.0/24") | st.ip_addresses(network="2001:db8::/32")


class ParsingTests(SynchronousTestCase):
    def test_the_forms_that_proxies_write(self) -> None:
        for text, address in (
            ("192.0.2.1", "192.0.2.1"),
            (" 192.0.2.1:8080 ", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
        ):
            self.assertEqual(parse_address(text), ip_address(address), text)
        for text in ("", "unknown", "_hidden", "192.0.2", "192.0.2.1.", "[", "a.example"):
            self.assertIsNone(parse_address(text), text)

    @given(st.text())
    def test_nothing_breaks_it(self, text: str) -> None:
        parse_address(text)
        client_address(ip_address("10.0.0.1"), [text], TRUSTED)


class ClientTests(SynchronousTestCase):
    def client(self, peer: str, *values: str) -> str:
        return str(client_address(ip_address(peer), values, TRUSTED))

    def test_the_right_most_that_is_not_trusted(self) -> None:
        self.assertEqual(self.client("10.0.0.1", "203.0.113.5, 192.0.2.1"), "192.0.2.1")
        self.assertEqual(self.client("10.0.0.1", "203.0.113.5", "192.0.2.1, 10.0.0.2"), "192.0.2.1")
        self.assertEqual(self.client("10.0.0.1", "10.0.0.3, 10.0.0.2"), "10.0.0.3")

    def test_only_so_many_are_looked_at(self) -> None:
        chain = "192.0.2.1, " + ", ".join(["10.0.0.7"] * MOST_PROXIES)
        self.assertEqual(client_address(ip_address("10.0.0.1"), [chain], TRUSTED), ip_address("192.0.2.1"))
        self.assertEqual(client_address(ip_address("10.0.0.1"), [f"192.0.2.1, {chain}"], TRUSTED), ip_address("10.0.0.7"))

    def test_what_is_no_address_ends_the_search(self) -> None:
        self.assertEqual(self.client("10.0.0.1", "192.0.2.1, unknown"), "10.0.0.1")
        self.assertEqual(self.client("10.0.0.1", "192.0.2.1, unknown, 10.0.0.2"), "10.0.0.2")
        self.assertEqual(self.client("10.0.0.1"), "10.0.0.1")

    @given(OTHERS, st.text())
    def test_who_is_not_trusted_is_not_believed(self, peer: object, said: str) -> None:
        self.assertEqual(self.client(str(peer), said), str(peer))

    @given(
        OTHERS,
        st.lists(st.text(alphabet="0123456789abcdef.:, x")),
        st.lists(TRUSTED_ONES, min_size=1, max_size=MOST_PROXIES),
    )
    def test_whatever_a_client_says_of_itself_changes_nothing(
        self, client: object, lies: list[str], proxies: list[object]
    ) -> None:
        # The first proxy adds the client at the right of the lies, each further one the proxy before it.
        peer, *behind = proxies
        header = ", ".join([*lies, str(client), *map(str, reversed(behind))])
        self.assertEqual(self.client(str(peer), header), str(client))


class CountingTests(SynchronousTestCase):
    def test_ipv6_by_its_network(self) -> None:
        addresses = ("2001:db8::1", "2001:db8::ffff:0:0:1", "2001:db8:0:1::1")
        one, two, other = (counted_as(ip_address(text)) for text in addresses)
        self.assertEqual(one, two)
        self.assertNotEqual(one, other)
        self.assertNotEqual(counted_as(ip_address("192.0.2.1")), counted_as(ip_address("192.0.2.2")))

    def test_versions_do_not_mix(self) -> None:
        self.assertFalse(is_in(ip_address("::1"), [ip_network("0.0.0.0/0")]))
