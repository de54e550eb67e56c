"""An operator hears of webspaces that the profile's filters do not reach, once, and with what to type."""

from __future__ import annotations

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.world import NIC, World
from webspaced.core.guards import FILTERS
from webspaced.webspaces.filters import FilterRule, Filters

OPEN = {"type": "nic", "network": "bridge", "ipv4.address": "10.7.0.10"}
FILTERED = {**OPEN, **dict.fromkeys(FILTERS, "true")}


class FiltersTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.w = World()
        for uid in (1, 2, 3):
            self.w.webspace(uid)
        self.filters = Filters(self.w.registry, "ws-")
        self.filters.prepare(FilterRule(nic=NIC, client="lxc --project members"))

    def have(self, uid: int, device: dict[str, str]) -> None:
        self.w.lxd.containers[f"ws-u{uid}"].devices = {NIC: device}

    def said(self) -> list[str]:
        """Make a full pass, and give what is said of filters after it."""
        self.w.start() if not self.w.registry.complete else self.w.connect()
        with capturedLogs() as lines:
            self.filters.look()
            self.w.clock.run_for(1)
        return [formatEvent(line) for line in lines]

    def test_those_that_lack_some_are_told_once_with_the_command(self) -> None:
        self.have(1, OPEN)
        self.have(2, {**FILTERED, "security.mac_filtering": "false"})
        self.have(3, FILTERED)
        (line,) = self.said()
        self.assertIn("2 webspaces, such as ws-u1, have a NIC of their own", line)
        self.assertIn("in $(lxc --project members list --format csv --columns n ws-)", line)
        self.assertIn(f"config device set $each {NIC} security.mac_filtering=true security.ipv4_filtering=true", line)
        self.assertEqual(self.said(), [])

    def test_more_of_them_are_told_again(self) -> None:
        self.have(1, OPEN)
        (line,) = self.said()
        self.assertIn("the webspace ws-u1 has a NIC of its own", line)
        self.have(1, FILTERED)
        self.assertEqual(self.said(), [])
        self.have(2, OPEN)
        self.assertEqual(len(self.said()), 1)

    def test_one_with_the_profiles_nic_is_the_profiles_affair(self) -> None:
        self.have(1, {"type": "nic", "network": "bridge"})
        self.assertEqual(self.said(), [])

    def test_where_lxd_does_not_manage_the_network_nothing_is_said(self) -> None:
        self.have(1, OPEN)
        self.filters.prepare(None)
        self.assertEqual(self.said(), [])
