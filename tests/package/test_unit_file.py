"""The unit of systemd is as closed as is said. That it holds in a real Debian is in test_debian."""

import re
import subprocess

from twisted.trial.unittest import SynchronousTestCase

from harness import places

SYSTEMD = places.CHECKOUT / "deploy" / "systemd"
UNIT, IMAGES = SYSTEMD / "webspaced.service", SYSTEMD / "webspaced-images.service"
ROUTER, LAN = SYSTEMD / "webspaced-router.service", SYSTEMD / "webspaced-lan.service"
GOALS = {UNIT: 2.5, IMAGES: 1.5, ROUTER: 2.5, LAN: 2.5}


class UnitFileTests(SynchronousTestCase):
    def test_their_exposure_is_small(self) -> None:
        for unit, goal in GOALS.items():
            command = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={goal * 10:.0f}", unit]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            found = re.search(rf"Overall exposure level for {unit.name}: ([0-9.]+)", done.stdout)
            assert found is not None
            self.assertLessEqual(float(found[1]), goal)

    def test_the_router_has_three_capabilities(self) -> None:
        capabilities = "CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_NET_RAW"
        self.assertIn(capabilities, ROUTER.read_text().splitlines())

    def test_what_dozing_reads_stays_visible(self) -> None:
        # Closing these lowers the figure above and breaks the daemon: /proc/<pid>/net of containers, /proc/pressure.
        lines = UNIT.read_text().splitlines()
        self.assertIn("ProtectProc=default", lines)
        self.assertIn("ProcSubset=all", lines)
        self.assertNotIn("PrivateUsers=yes", lines)
