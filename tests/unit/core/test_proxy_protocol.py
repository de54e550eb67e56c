"""Twisted's own reader of the PROXY protocol understands what is written, and it is what the specification shows."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address as Tcp4
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from twisted.protocols.haproxy import proxyEndpoint
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from webspaced.core.address import Endpoint
from webspaced.core.proxy_protocol import SIGNATURE, ProxyProtocol, header, parse_proxy_protocol
from webspaced.errors import Invalid

PORTS = st.integers(1, 65535)


def endpoints(hosts: Any) -> Any:
    return st.builds(Endpoint, hosts, PORTS)


ENDS = st.one_of(
    st.tuples(endpoints(st.ip_addresses(v=4)), endpoints(st.ip_addresses(v=4))),
    st.tuples(*(endpoints(st.ip_addresses(v=6).filter(lambda host: host.ipv4_mapped is None)) for _ in range(2))),
)


class Reader(Protocol):
    """Remembers what it is told of whom."""

    def __init__(self) -> None:
        self.got = b""

    def dataReceived(self, data: bytes) -> None:
        self.got += data


@implementer(IStreamServerEndpoint)
class Listening:
    """Gives the factory that it is to listen with."""

    def listen(self, protocolFactory: Factory) -> Deferred[Any]:
        return succeed(protocolFactory)


def read(data: list[bytes]) -> tuple[Any, Any, bytes]:
    """What a server behind Twisted's reader sees: who visits, where, and the bytes after that."""
    readers: list[Reader] = []

    def build() -> Reader:
        readers.append(Reader())
        return readers[-1]

    listening = proxyEndpoint(Listening()).listen(Factory.forProtocol(build))
    wrapped = listening.result.buildProtocol(Tcp4("TCP", "192.0.2.99", 1))
    wrapped.makeConnection(StringTransport())
    for piece in data:
        wrapped.dataReceived(piece)
    far, near = readers[0].transport.getPeer(), readers[0].transport.getHost()
    return (far.host, far.port), (near.host, near.port), readers[0].got


class HeaderTests(SynchronousTestCase):
    @given(st.sampled_from(ProxyProtocol), ENDS, st.binary(max_size=20))
    def test_is_read_by_others(self, version: ProxyProtocol, ends: tuple[Endpoint, Endpoint], more: bytes) -> None:
        far, near, rest = read([header(version, *ends) + more])
        self.assertEqual([ip_address(host) for host in (far[0], near[0])], [end.host for end in ends])
        self.assertEqual(([far[1], near[1]], rest), ([end.port for end in ends], more))

    def test_the_lines_of_version_1(self) -> None:
        for far, near, line in (
            ("203.0.113.7", "192.0.2.1", b"PROXY TCP4 203.0.113.7 192.0.2.1 51000 60022\r\n"),
            ("2001:db8::7", "2001:db8::1", b"PROXY TCP6 2001:db8::7 2001:db8::1 51000 60022\r\n"),
        ):
            ends = Endpoint(ip_address(far), 51000), Endpoint(ip_address(near), 60022)
            self.assertEqual(header(ProxyProtocol.V1, *ends), line)

    def test_the_bytes_of_version_2(self) -> None:
        ends = Endpoint(IPv4Address("203.0.113.7"), 51000), Endpoint(IPv4Address("192.0.2.1"), 60022)
        addresses = bytes([203, 0, 113, 7, 192, 0, 2, 1, 51000 >> 8, 51000 & 255, 60022 >> 8, 60022 & 255])
        self.assertEqual(header(ProxyProtocol.V2, *ends), SIGNATURE + b"\x21\x11\x00\x0c" + addresses)
        ends = Endpoint(IPv6Address("2001:db8::7"), 51000), Endpoint(IPv6Address("2001:db8::1"), 60022)
        self.assertEqual(header(ProxyProtocol.V2, *ends)[12:16], b"\x21\x21\x00\x24")

    def test_an_ipv4_visitor_of_an_ipv6_socket_is_one_of_ipv4(self) -> None:
        mapped = Endpoint(ip_address("::ffff:203.0.113.7"), 51000), Endpoint(ip_address("::ffff:192.0.2.1"), 60022)
        plain = Endpoint(ip_address("203.0.113.7"), 51000), Endpoint(ip_address("192.0.2.1"), 60022)
        for version in ProxyProtocol:
            self.assertEqual(header(version, *mapped), header(version, *plain))

    def test_a_zone_stays_on_this_machine(self) -> None:
        ends = Endpoint(ip_address("fe80::7%eth0"), 51000), Endpoint(ip_address("fe80::1%eth0"), 60022)
        self.assertEqual(header(ProxyProtocol.V1, *ends), b"PROXY TCP6 fe80::7 fe80::1 51000 60022\r\n")


class ParseTests(SynchronousTestCase):
    def test_versions_and_none(self) -> None:
        self.assertEqual([parse_proxy_protocol(value) for value in (1, 2, None)], [*ProxyProtocol, None])

    def test_all_else_is_refused(self) -> None:
        for value in (0, 3, -1, True, False, 1.0, "1", "v2", [], {}):
            error = self.assertRaises(Invalid, parse_proxy_protocol, value)
            self.assertIn("1 or 2", str(error))
