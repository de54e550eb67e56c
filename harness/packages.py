"""The system packages that this machine needs: installed as root, named otherwise."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from harness.saying import CannotGoOn, say

LXD = ("lxd", "lxd-client", "dnsmasq-base", "nftables", "iproute2", "busybox-static")
INCUS = ("incus", "dnsmasq-base", "nftables", "iproute2", "busybox-static")


def is_root() -> bool:
    """Whether this process may install packages and run containers of its own."""
    return os.geteuid() == 0


def distribution() -> tuple[str, str]:
    """This machine's ID and VERSION_ID of os-release, such as ("debian", "12")."""
    fields = dict(
        line.split("=", 1)
        for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
        if "=" in line
    )
    return fields.get("ID", "").strip('"'), fields.get("VERSION_ID", "").strip('"')


def missing(packages: Sequence[str]) -> list[str]:
    """Those of the packages that are not installed."""
    return [package for package in packages if not _installed(package)]


def _installed(package: str) -> bool:
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status}", package]
    answer = subprocess.run(query, capture_output=True, text=True, check=False)
    return answer.stdout == "installed"


def ensure(packages: Sequence[str], purpose: str) -> None:
    """Install what is missing of the packages; idempotent.

    Without root, or on a machine without apt, raises CannotGoOn with the line to type.
    """
    if shutil.which("apt-get") is None:
        raise CannotGoOn(f"{purpose} needs the packages {' '.join(packages)} (no apt-get here)")
    wanted = missing(packages)
    if not wanted:
        return
    install = ["apt-get", "install", "-y", "--no-install-recommends", *wanted]
    if not is_root():
        raise CannotGoOn(f"{purpose} needs packages; type:\n  sudo {' '.join(install)}")
    say(f"{purpose}: installing {' '.join(wanted)} ...")
    try:
        _apt("apt-get", "update", "-q")
    except CannotGoOn as error:
        # One foreign source that is away spoils the update, and what is wanted may be known all the same.
        say(f"going on with the package lists as they are: {error}")
    _apt(*install, "-q")


def _apt(*command: str) -> None:
    """Run apt-get to its end, whatever happens to us: a half-installed package stops the next installation."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    waiting = ["-o", "DPkg::Lock::Timeout=300", "-o", "APT::Get::Assume-Yes=true"]
    process = subprocess.Popen(
        [command[0], *waiting, *command[1:]], env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )
    try:
        report = process.communicate()[0]
    except BaseException:
        process.communicate()
        raise
    if process.returncode:
        raise CannotGoOn(f"{' '.join(command)} failed:\n{report.strip()[-2000:]}")
