"""What a profile lacks is said with the command that mends it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from webspaced.core.guards import BOUNDS, FILTERS, guards_lacking, unmanaged_advice

BARE = {"eth0": {"type": "nic"}, "root": {"type": "disk", "path": "/"}}
GUARDED = {"eth0": dict.fromkeys(FILTERS, "true") | {"type": "nic"}, "root": {"type": "disk", "path": "/", "size": "1GiB"}}


class GuardTests(SynchronousTestCase):
    def said(self, config: dict[str, str], devices: dict[str, dict[str, str]], *, managed: bool = True) -> list[str]:
        return list(guards_lacking("webspace", config, devices, "eth0", managed, "lxc"))

    def test_a_bare_one(self) -> None:
        filters, bounds, disk = self.said({}, BARE)
        self.assertIn(
            "lxc profile device set webspace eth0 security.mac_filtering=true security.ipv4_filtering=true"
            " security.ipv6_filtering=true", filters
        )  # fmt: skip
        self.assertIn("lxc profile set webspace limits.memory=512MiB", bounds)
        self.assertIn("lxc profile device set webspace root size=5GiB", disk)

    def test_one_that_has_everything(self) -> None:
        self.assertEqual(self.said(dict(BOUNDS), GUARDED), [])

    def test_only_what_is_missing_is_named(self) -> None:
        said = self.said({**BOUNDS, "limits.cpu": ""}, GUARDED)
        self.assertEqual(len(said), 1)
        self.assertTrue(said[0].endswith("lxc profile set webspace limits.cpu=1"))

    def test_where_lxd_does_not_manage_the_network_the_address_filters_would_keep_dhcp_out(self) -> None:
        self.assertNotIn("ipv4_filtering", self.said({}, BARE, managed=False)[0])

    def test_what_an_unmanaged_network_is_worth(self) -> None:
        self.assertIn("whoever has an address first", unmanaged_advice("br0", has_source=False))
        self.assertIn("webspaces.leases", unmanaged_advice("br0", has_source=True))
