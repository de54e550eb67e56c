"""The Debian package: checked by lintian, installed into a real Debian, its daemon run there as its own user."""

from __future__ import annotations

import subprocess

from twisted.trial.unittest import SynchronousTestCase

from tests.package.debian import Debian, installed, package

AS_DAEMON = (
    "setpriv", "--reuid=webspaced", "--regid=webspaced", "--init-groups", "--no-new-privs", "--bounding-set=-all",
    "env", "HOME=/nonexistent", "WSD_DATA_DIR=/var/lib/webspaced",
)  # fmt: skip
DENY_WRITE_EXECUTE = """
import ctypes, os, sys
assert ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0
os.execvp(sys.argv[1], sys.argv[1:])
"""
"""PR_SET_MDWE of prctl(2), as strict as MemoryDenyWriteExecute= of the unit: Python's libraries and Traefik must bear it."""
SERVE = """
webspaced run --simulate >/tmp/log 2>&1 & daemon=$!
for _ in $(seq 100); do
    webspaced status --data-dir /var/lib/webspaced/simulation >/tmp/status 2>&1 && break
    sleep 0.2
done
cat /tmp/status
ls -l /proc/[0-9]*/exe 2>/dev/null | grep -o "webspaced/bin/traefik"
kill $daemon; wait $daemon; status=$?
cat /tmp/log
# Twisted ends as the signal would have ended it.
[ $status = 143 ]
"""


class LintianTests(SynchronousTestCase):
    def test_it_has_nothing_to_say_that_is_not_explained(self) -> None:
        command = ["lintian", "--fail-on", "error,warning", "--tag-display-limit", "0", package()]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, ""))


class InstalledTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.debian = installed()

    def test_its_commands_run(self) -> None:
        version = package().name.split("_")[1]
        self.assertEqual(self.debian.run("webspaced", "version").strip(), version)
        self.assertIn("usage: webspaced check", self.debian.run("webspaced", "check", "--help"))

    def test_its_files_are_those_of_its_user(self) -> None:
        told = self.debian.run("stat", "-c", "%n %U %G %a", "/etc/webspaced/webspaced.yaml", "/var/lib/webspaced")
        self.assertIn("/etc/webspaced/webspaced.yaml root webspaced 640", told)
        self.assertIn("/var/lib/webspaced webspaced webspaced 700", told)
        self.assertIn("\ndata_dir: /var/lib/webspaced\n", (self.debian.root / "etc/webspaced/webspaced.yaml").read_text())
        self.assertIn("(lxd)", self.debian.run("id", "webspaced"))

    def test_systemd_understands_the_unit(self) -> None:
        self.assertEqual(self.debian.run("systemd-analyze", "verify", "--man=no", "webspaced.service"), "")

    def test_the_daemon_serves_without_rights_and_without_executable_memory_that_it_writes(self) -> None:
        told = self.debian.run(*AS_DAEMON, "python3", "-c", DENY_WRITE_EXECUTE, "sh", "-c", SERVE)
        self.assertIn(": ready, leads", told)
        self.assertIn("webspaced/bin/traefik", told)


class RemovedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.debian = Debian()
        self.addCleanup(self.debian.remove)
        self.debian.install(package())

    def test_a_purge_leaves_settings_and_state_no_more(self) -> None:
        (self.debian.root / "var/lib/webspaced/users.yaml").touch()
        self.debian.run("dpkg", "--remove", "webspaced")
        self.assertTrue((self.debian.root / "etc/webspaced/webspaced.yaml").exists())
        self.assertTrue((self.debian.root / "var/lib/webspaced/users.yaml").exists())
        self.debian.run("dpkg", "--purge", "webspaced")
        for gone in ("etc/webspaced", "var/lib/webspaced", "usr/lib/webspaced"):
            self.assertFalse((self.debian.root / gone).exists(), gone)
