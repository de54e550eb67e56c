"""What the kernel tells of containers, as it writes it."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.lxd.kernel import HostKernel

DEV = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    4188      38    0    0    0     0          0         0     4188      38    0    0    0     0       0          0
veth4a7fe8b3:     954   5    0    0    0     0          0         0     1638       7    0    0    0     0       0          0
br-0:1234567890 99 0 0 0 0 0 0 12 13 0 0 0 0 0 0
"""
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LINE = "   0: 00000000:{port} 00000000:0000 {state} 00000000:{unread} 00:00000000 00000000     0        0 12 1 0 100\n"


class HostTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.proc = Path(self.mktemp())
        self.host = HostKernel(self.proc)

    def put(self, name: str, text: str) -> None:
        path = self.proc / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def unread(self, state: str, unread: str, table: str = "tcp") -> bool:
        for name in ("tcp", "tcp6"):
            self.put(f"7/net/{name}", HEAD)
        self.put(f"7/net/{table}", HEAD + LINE.format(port="0050", state=state, unread=unread))
        return self.successResultOf(self.host.has_unread(7))

    def test_packets_into_containers(self) -> None:
        self.put("net/dev", DEV)
        self.assertEqual(dict(self.host.received()), {"lo": 38, "veth4a7fe8b3": 7, "br-0": 13})

    def test_this_machine_tells_it_as_well(self) -> None:
        self.assertIn("lo", HostKernel().received())

    def test_what_waits_to_be_read_or_accepted(self) -> None:
        for table in ("tcp", "tcp6"):
            for state, unread, is_unread in (
                ("01", "00000000", False), ("01", "0000000C", True), ("0A", "00000000", False), ("0A", "00000001", True),
                # The peer has ended, with and without a last word.
                ("08", "00000001", False), ("08", "00000002", True),
            ):  # fmt: skip
                self.assertIs(self.unread(state, unread, table), is_unread, (table, state, unread))

    def test_segments(self) -> None:
        told = "Ip: 1 64 5\nTcp: RtoAlgorithm RtoMin\nTcp: 1 200 120000 -1 1 2 3 4 5 1026860 7 8 9 10 0\nUdp: 1 2\n"
        self.put("7/net/snmp", told)
        self.assertEqual(self.host.segments(7), 1026860)
        self.assertIsNone(self.host.segments(8))

    def test_packets_that_are_passed_on(self) -> None:
        self.put("7/net/snmp", "Ip: Forwarding DefaultTTL InReceives\nIp: 1 64 50 0 0 41 0 0\nTcp: RtoAlgorithm\n")
        self.assertEqual(self.host.forwarded(7), 41)
        self.put("7/net/snmp6", "Ip6OutRequests      \t9\nIp6OutForwDatagrams    \t2\nIp6OutFragOKs \t8\n")
        self.assertEqual(self.host.forwarded(7), 43)

    def test_this_machine_tells_them_as_well(self) -> None:
        self.assertIsNotNone(HostKernel().segments(os.getpid()))
        self.assertIsNotNone(HostKernel().forwarded(os.getpid()))

    def test_connections_are_gone_through_in_a_thread_where_there_is_one(self) -> None:
        called: list[Any] = []
        threads: Any = SimpleNamespace(run=lambda *what: called.append(what))
        HostKernel(self.proc, threads).has_unread(7)
        self.assertEqual([arguments for _, *arguments in called], [[7]])

    def test_where_nothing_can_be_known(self) -> None:
        self.assertEqual((dict(self.host.received()), self.host.memory_pressure()), ({}, 0.0))
        self.assertIs(self.successResultOf(self.host.has_unread(7)), True)
        self.assertEqual((self.host.segments(7), self.host.forwarded(7)), (None, None))

    def test_pressure(self) -> None:
        self.put("pressure/memory", "some avg10=12.50 avg60=1.00 avg300=0.10 total=5\nfull avg10=0.00 avg60=0 total=1\n")
        self.assertEqual(self.host.memory_pressure(), 12.5)

    @given(st.text(max_size=200))
    def test_whatever_it_says(self, text: str) -> None:
        for name in ("net/dev", "7/net/tcp", "7/net/snmp", "pressure/memory"):
            self.put(name, text)
        self.host.received()
        self.host.segments(7)
        self.host.has_unread(7)
        self.host.memory_pressure()
