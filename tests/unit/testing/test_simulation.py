"""`twistd webspaced --simulate`: what it refuses, and what it changes."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from twisted.internet.testing import MemoryReactorClock
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from webspaced.assembly.daemon import Daemon
from webspaced.errors import Invalid
from webspaced.tap import Options
from webspaced.testing.simulation import simulate


class OptionTests(SynchronousTestCase):
    def refused(self, *words: str) -> str:
        return str(self.assertRaises(UsageError, Options().parseOptions, list(words)))

    def test_never_with_a_configuration(self) -> None:
        self.assertIn("--config", self.refused("--simulate", "--config", "x"))

    def test_as_root_goes_with_it(self) -> None:
        self.assertIn("--simulate", self.refused("--as-root"))


class SimulationTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.patch(tempfile, "tempdir", str(self.directory))
        self.environ = {"WSD_DATA_DIR": str(self.directory / "data"), "HOME": str(self.directory)}

    def simulate(self, *, as_root: bool = True, **variables: str) -> tuple[object, ...]:
        live, self.services = simulate(MemoryReactorClock(), {**self.environ, **variables}, as_root=as_root)
        self.settings = live.settings
        return tuple(self.services)

    def test_not_as_root_unless_told(self) -> None:
        self.patch(os, "geteuid", lambda: 0)
        error = self.assertRaises(Invalid, self.simulate, as_root=False)
        self.assertIn("--as-root", str(error))
        self.patch(os, "geteuid", lambda: 1000)
        self.simulate(as_root=False)

    def test_only_on_loopback(self) -> None:
        for name, value in {
            "HTTP_LISTEN_ADDRESS": ":80",
            "HTTP_INTERNAL_ADDRESS": "0.0.0.0:8001",
            "TRAEFIK_HTTP_ADDRESS": "192.0.2.1:80",
            "TRAEFIK_HTTPS_ADDRESS": ":443",
            "TRAEFIK_BOOT_ADDRESS": "192.0.2.1",
            "WEBSPACES_PORTS_LISTEN_ADDRESS": "::",
        }.items():
            error = self.assertRaises(Invalid, self.simulate, **{f"WSD_{name}": value})
            self.assertIn(name.lower().rpartition("_")[0].split("_")[0], str(error))
        self.simulate(WSD_HTTP_LISTEN_ADDRESS="[::1]:8000", WSD_TRAEFIK_HTTP_ADDRESS="localhost:8080")
        # What was refused has left nothing behind.
        self.assertEqual(len(list(self.directory.glob("webspaced-*"))), 1)

    def test_whatever_lxd_the_settings_name_the_simulated_one_is_used(self) -> None:
        lxd, daemon = self.simulate(WSD_LXD_URL="unix:///real.socket")
        self.assertEqual(self.settings.lxd.url, f"unix://{lxd.socket}")
        self.assertIsInstance(daemon, Daemon)

    def test_nothing_of_the_real_service_is_touched(self) -> None:
        self.simulate()
        self.assertEqual(self.settings.traefik.file.path.parents[2], self.directory / "data" / "simulation")
        self.simulate(WSD_TRAEFIK_FILE_PATH=str(self.directory / "real.yml"))
        self.assertEqual(self.settings.traefik.file.path.parents[2], self.directory / "data" / "simulation")
        self.assertEqual(self.settings.iam.users_file, self.directory / "data" / "users.yaml")
