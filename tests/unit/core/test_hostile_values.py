import json
from ipaddress import ip_address, ip_network

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.core.test_webspace import DEFAULTS, load
from webspaced.core.address import AddressRule
from webspaced.core.config import Choices, parse_port
from webspaced.core.names import parse_username
from webspaced.errors import Invalid


class HostileValueTests(SynchronousTestCase):
    def test_a_startup_delay_beyond_all_floats_is_refused_by_name(self) -> None:
        e = self.assertRaises(Invalid, DEFAULTS.patched, {"startupDelay": 10**400}, Choices(max_startup_delay=60))
        self.assertIn("startupDelay", str(e))

    def test_members_of_config_that_are_not_ours_are_kept(self) -> None:
        webspace = load({"user": 7, "config": {"httpPort": 81, "newer": [1]}})
        self.assertEqual(json.loads(webspace.dump())["config"]["newer"], [1])

    def test_a_kelvin_sign_is_no_k(self) -> None:
        self.assertRaises(Invalid, parse_username, "\u212aim")

    def test_a_scope_does_not_get_round_a_reserved_address(self) -> None:
        rule = AddressRule(networks=(ip_network("fd42::/64"),), reserved=frozenset({ip_address("fd42::1")}))
        self.assertFalse(rule.allows(ip_address("fd42::1%eth0")))

    def test_a_value_that_is_none_is_repeated_in_short(self) -> None:
        for read in (parse_port, parse_username):
            said = str(self.assertRaises(Invalid, read, "8_" * 4000))
            self.assertLess(len(said), 100)
            self.assertIn("…", said)
