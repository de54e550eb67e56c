"""The system packages that this machine needs: installed as root, named otherwise."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from harness.saying import CannotGoOn, say

# What goes into the tiny images, and the client for the one with an SSH server.
IMAGES = ("busybox-static", "dropbear-bin", "openssh-client")
LXD = (
    "lxd", "lxd-client", "dnsmasq-base", "nftables", "iproute2", "iputils-ping", "squashfs-tools", "xdelta3", *IMAGES,
)  # fmt: skip
BROWSER = ("chromium", "chromium-driver")
DOCUMENTS = ("curl", "jq")
# Of the services beside the daemon: the image server makes deltas, the router's rules are tried.
PROGRAMS = ("nftables", "xdelta3")
# Without their services: redis-server is the sentinel, too, and pebble brings a DNS server along.
SERVERS = ("redis-server", "pebble")
PACKAGING = ("mmdebstrap", "lintian", "buildah", "ca-certificates")
# Without what virtual machines need. Debian 12 has it among its backports alone.
INCUS = ("incus-base", "incus-extra", "dnsmasq-base", "nftables", "iproute2", "squashfs-tools", "xdelta3", *IMAGES)
BACKPORTS = {("debian", "12"): "bookworm-backports"}


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


def ensure(packages: Sequence[str], purpose: str, *, backports: bool = False) -> None:
    """Install what is missing of the packages; idempotent. With `backports`, also from the distribution's backports.

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
    suite = BACKPORTS.get(distribution(), "") if backports else ""
    with tempfile.TemporaryDirectory(prefix="webspaced-apt-") as folder:
        sources = _sources_with(suite, Path(folder)) if suite else ()
        try:
            _apt("apt-get", *sources, "update", "-q")
        except CannotGoOn as error:
            # One foreign source that is away spoils the update, and what is wanted may be known all the same.
            say(f"going on with the package lists as they are: {error}")
        _apt("apt-get", *sources, *install[1:], *(("-t", suite) if suite else ()), "-q")


def _sources_with(suite: str, folder: Path) -> tuple[str, ...]:
    """Options of apt for its own sources and one suite of Debian more; the machine's own settings stay as they are."""
    folder.chmod(0o755)
    for source in Path("/etc/apt/sources.list.d").glob("*.*"):
        shutil.copy(source, folder)
    (folder / "backports.sources").write_text(
        f"Types: deb\nURIs: {mirror(suite.partition('-')[0])}\nSuites: {suite}\nComponents: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
        encoding="utf-8",
    )
    return "-o", f"Dir::Etc::SourceParts={folder}"


def mirror(release: str) -> str:
    """Where this machine's apt has a release of Debian from."""
    found = _known_mirror(release)
    if not found:
        # On a new machine it has no lists yet. A foreign source that is away spoils that, but not Debian's.
        with suppress(CannotGoOn):
            _apt("apt-get", "update", "-q")
        found = _known_mirror(release)
    if not found:
        raise CannotGoOn(f"apt knows no source of {release}")
    return found


def _known_mirror(release: str) -> str:
    """The same by the lists that were downloaded (apt-get(8), indextargets); "" if there are none of it."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)"]
    known = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return next((uri for uri, _, found in (line.partition(" ") for line in known.splitlines()) if found == release), "")


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
