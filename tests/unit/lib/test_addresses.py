from __future__ import annotations

import socket
from ipaddress import ip_address
from pathlib import Path

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

from webspaced.lib.addresses import can_bind, counted_as, own_addresses
from webspaced.lib.descriptors import raise_descriptor_limit

FIB_TRIE = """\
Local:
  +-- 0.0.0.0/0 3 0 5
     |-- 10.7.0.1
        /32 host LOCAL
     |-- 10.7.0.255
        /32 link BROADCAST
     |-- 127.0.0.1
        /32 host LOCAL
"""
IF_INET6 = "fd420000000000000000000000000005 02 40 00 80     eth0\n"


class CountingTests(SynchronousTestCase):
    def test_ipv4_by_its_address_and_ipv6_by_its_network(self) -> None:
        four = ("192.0.2.1", "::ffff:192.0.2.1", IPv4Address("TCP", "192.0.2.1", 80))
        self.assertEqual({counted_as(each) for each in four}, {"192.0.2.1"})
        six = ("2001:db8:1:2::1", "2001:db8:1:2:ffff::2%eth0", IPv6Address("TCP", "2001:db8:1:2:3::", 80))
        self.assertEqual(len({counted_as(each) for each in six}), 1)
        self.assertNotEqual(counted_as("2001:db8:1:2::1"), counted_as("2001:db8:1:3::1"))
        self.assertIs(counted_as("192.0.2." + "1"), counted_as("::ffff:192.0.2.1"))

    def test_what_is_no_address(self) -> None:
        self.assertEqual([counted_as(None), counted_as(UNIXAddress("/x"))], ["", ""])


class OwnAddressTests(SynchronousTestCase):
    def test_what_the_kernel_tells(self) -> None:
        four, six = Path(self.mktemp()), Path(self.mktemp())
        four.write_text(FIB_TRIE)
        six.write_text(IF_INET6)
        expected = {ip_address("10.7.0.1"), ip_address("127.0.0.1"), ip_address("fd42::5")}
        self.assertEqual(own_addresses(four, six), expected)

    def test_a_kernel_that_does_not_tell(self) -> None:
        self.assertEqual(own_addresses(Path("nowhere"), Path("nowhere")), frozenset())

    def test_this_machine_has_loopback(self) -> None:
        self.assertIn(ip_address("127.0.0.1"), own_addresses())


class CanBindTests(SynchronousTestCase):
    def test_only_what_nobody_listens_on(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            self.assertFalse(can_bind(ip_address("127.0.0.1"), port))
        self.assertTrue(can_bind(ip_address("127.0.0.1"), port))

    def test_an_address_of_somebody_else(self) -> None:
        self.assertFalse(can_bind(ip_address("192.0.2.1"), 20000))


class DescriptorTests(SynchronousTestCase):
    def test_a_second_time_changes_nothing(self) -> None:
        self.assertEqual(raise_descriptor_limit(), raise_descriptor_limit())
