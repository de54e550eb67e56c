from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.lxd.test_instances import INSTANCE, STATE
from webspaced.core.sleep import Depth
from webspaced.core.webspace import Config, Webspace
from webspaced.http import views
from webspaced.lxd import parse
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.sleeper import Rest

REST = Rest(depth=Depth.AWAKE, last_active=0.0, sleeps_at=None)
STARTED = 1795251600.123456
"""2026-11-21T09:00:00.123456789Z"""


class StateTests(SynchronousTestCase):
    def view(self, now: float = STARTED + 90, told: object = STATE, **changes: object) -> dict[str, object]:
        config = Config(startup_delay=0, http_port=80, sni_passthrough=False)
        instance = parse.instance({**INSTANCE, **changes})
        webspace = Webspace(user=7, config=config)
        observed = Observed(uid=7, instance=instance, webspace=webspace, username=None, boot_port=None)
        return views.state(observed, parse.state(told), REST, now)

    def test_of_a_running_one(self) -> None:
        state = self.view()
        self.assertEqual((state["running"], state["uptime"]), (True, 90))
        self.assertEqual(state["usage"], {"cpu": 5, "disks": {}, "memory": 0, "processes": 9})
        self.assertEqual(sorted(state["networkInterfaces"]), ["eth0", "tap0"])

    def test_an_interface_has_every_field(self) -> None:
        tap = self.view()["networkInterfaces"]["tap0"]
        counters = dict.fromkeys(("bytesReceived", "bytesSent", "packetsReceived", "packetsSent"), 0)
        self.assertEqual(tap, {"mac": "", "mtu": 0, "state": "", "counters": counters, "addresses": []})

    def test_not_everything_that_root_can_make_is_shown(self) -> None:
        address = {"family": "inet6", "address": "fe80::1", "netmask": "64", "scope": "link"}
        many = {f"dummy{n}": {"type": "broadcast", "addresses": [address] * 1000} for n in range(1000)}
        shown = self.view(told={**STATE, "network": {"lo": {"type": "loopback"}, **many}})["networkInterfaces"]
        self.assertEqual({len(shown), *(len(each["addresses"]) for each in shown.values())}, {views.MOST_SHOWN})

    def test_a_clock_that_goes_backwards(self) -> None:
        self.assertEqual(self.view(STARTED - 5)["uptime"], 0)

    def test_a_time_that_cannot_be_read(self) -> None:
        for text in ("", "never", "2026-11-21"):
            self.assertGreaterEqual(self.view(last_used_at=text)["uptime"], 0)

    def test_a_time_without_a_fraction(self) -> None:
        self.assertEqual(self.view(STARTED + 10, last_used_at="2026-11-21T09:00:00Z")["uptime"], 10)
