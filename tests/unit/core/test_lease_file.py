"""Leases as dnsmasq writes them, and as JSON."""

from __future__ import annotations

import json
from ipaddress import ip_address

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.core.lease_file import read_lease_file, read_lease_list
from webspaced.core.ownership import Lease
from webspaced.errors import Invalid

NOW = 1000.0
MAC, OTHER = "00:16:3e:00:00:01", "00:16:3e:00:00:02"
FILE = """\
2000 00:16:3E:00:00:01 10.7.0.10 ws-u1 01:00:16:3e:00:00:01
999 00:16:3e:00:00:02 10.7.0.11 * *
0 01-00:16:3e:00:00:03 10.7.0.12 ws-u3 *
2000 not-a-mac 10.7.0.13 * *
2000 00:16:3e:00:00:04 nowhere * *
2000 00:16:3e:00:
duid 00:01:00:01
2000 1234 fd42::10 ws-u1 00:01
"""


class FileTests(SynchronousTestCase):
    def test_what_is_none_is_left_out(self) -> None:
        self.assertCountEqual(read_lease_file(FILE, NOW), [
            Lease(address=ip_address("10.7.0.10"), mac=MAC),
            Lease(address=ip_address("10.7.0.11"), mac="00:16:3e:00:00:02"),
            Lease(address=ip_address("10.7.0.12"), mac="00:16:3e:00:00:03"),
        ])  # fmt: skip

    def test_one_that_is_over_counts_while_there_is_no_later_one(self) -> None:
        for later, counts in (
            (f"2000 {OTHER} 10.7.0.10 * *", False), (f"900 {OTHER} 10.7.0.10 * *", False),
            (f"2000 {MAC} 10.7.0.11 * *", False), (f"700 {OTHER} 10.7.0.10 * *", True),
            (f"2000 {OTHER} 10.7.0.11 * *", True), (f"2000 {MAC} fd42::10 * *", True),
        ):  # fmt: skip
            found = read_lease_file(f"800 {MAC} 10.7.0.10 * *\n{later}\n", NOW)
            self.assertEqual(Lease(address=ip_address("10.7.0.10"), mac=MAC) in found, counts, later)

    @settings(deadline=None, max_examples=60)
    @given(st.text())
    def test_any_text_is_read(self, text: str) -> None:
        read_lease_file(text, NOW)


class ListTests(SynchronousTestCase):
    def test_a_list(self) -> None:
        listed = [
            {"address": "10.7.0.10", "hwaddr": MAC.upper(), "expires": 2000},
            {"address": "fd42::10", "hwaddr": MAC},
            {"address": "10.7.0.10", "hwaddr": OTHER, "expires": 1000},
            {"address": "10.7.0.12"}, {"hwaddr": MAC}, 7, None, {"address": 1, "hwaddr": MAC, "expires": "soon"},
        ]  # fmt: skip
        found = read_lease_list(json.dumps(listed), NOW)
        self.assertCountEqual([str(lease.address) for lease in found], ["10.7.0.10", "fd42::10"])
        self.assertEqual({lease.mac for lease in found}, {MAC})

    def test_what_is_no_list(self) -> None:
        for text in ("", "{", "{}", "7", '"x"'):
            self.assertRaises(Invalid, read_lease_list, text, NOW)
