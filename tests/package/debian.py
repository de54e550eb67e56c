"""A Debian to install into: unpacked for one test, entered with a network and processes of its own. All blocks."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from unittest import SkipTest

from harness import deb

PATIENCE = 120
ENTER = 'mount -t proc proc "$ROOT/proc" && ip link set lo up && exec chroot "$ROOT" "$@"'
"""The mount and whatever runs there end with the namespaces that it is done in."""
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def given(variable: str) -> Path:
    """Give what ``make test`` made; skips the test without it."""
    path = os.environ.get(variable)
    if not path:
        message = f"no {variable}: run this tier by `make test`"
        raise SkipTest(message)
    return Path(path)


@cache
def package() -> Path:
    """Build the Debian package, once for all tests; it goes with the folder of the test run."""
    folder = Path.cwd() / "package"
    folder.mkdir()
    # Hardly packed: it is looked at here only.
    return deb.built(given("WEBSPACED_TEST_WHEEL"), folder, Path(sys.executable), level=0)


class Debian:
    """See the module."""

    def __init__(self) -> None:
        archive = given("WEBSPACED_TEST_DEBIAN_SYSTEM")
        self.root = Path(tempfile.mkdtemp(prefix="webspaced-debian-"))
        subprocess.run(["tar", "-xf", archive, "-C", self.root], check=True)

    def install(self, file: Path) -> str:
        """Install a package without a network: what it depends on must be there."""
        shutil.copy(file, self.root / "tmp")
        return self.run("dpkg", "--install", f"/tmp/{file.name}")  # noqa: S108 - of that Debian

    def run(self, *command: str) -> str:
        """Give a command's output; fails with it when its exit status does."""
        done = subprocess.run(
            ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "sh", "-c", ENTER, "sh", *command],
            env={"ROOT": str(self.root), "PATH": PATH, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            timeout=PATIENCE,
        )  # fmt: skip
        if done.returncode:
            message = f"{command} ended with {done.returncode}:\n{done.stdout}"
            raise AssertionError(message)
        return done.stdout

    def remove(self) -> None:
        """Delete it all."""
        shutil.rmtree(self.root)


@cache
def installed() -> Debian:
    """Give one with the package in it, for all tests that leave it as it is: installing takes some seconds."""
    debian = Debian()
    atexit.register(debian.remove)
    debian.install(package())
    return debian
