"""How a system gets an SSH server, as argument vectors: nothing that a member wrote is ever in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping

from attrs import field, frozen

Argv = tuple[str, ...]

PORT = 22
DIRECTORY, DIRECTORY_MODE = "/root/.ssh", 0o700
KEYS, KEYS_MODE = "/root/.ssh/authorized_keys", 0o600
OS_RELEASE: Argv = ("cat", "/etc/os-release")
HOST_KEYS: Argv = ("ssh-keygen", "-A")
"""Makes the host keys that are missing: images are often stripped of theirs."""
ANY_VISITOR: Argv = ("sshd", "-T", "-o", "PerSourcePenalties=no")
"""Ends well where the server can be told not to punish addresses (OpenSSH 9.8 and later), and is installed at all."""
LENIENT = "/etc/ssh/sshd_config.d/10-webspaced.conf", 0o644
LENIENCE = """\
# All visitors of a forwarded port come from webspaced's address: who guesses passwords must not lock the others out.
PerSourcePenalties no
"""
"""Source: sshd_config(5), PerSourcePenalties."""
RUNTIME, RUNTIME_MODE = "/run/sshd", 0o755
"""Debian's server checks nothing without it, and it is made only when the service starts."""

_LOCK = ("-o", "DPkg::Lock::Timeout=120")
"""Right after a boot the system's own timers may hold the package manager's lock."""


@frozen(kw_only=True)
class Family:
    """Systems with the same package manager: ``refresh`` its lists, then ``install``; both must ask nothing."""

    name: str
    refresh: Argv
    install: Argv
    units: Argv = ("sshd", "ssh")
    """Names that the service may have, the likeliest first."""
    environment: Mapping[str, str] = field(factory=dict)


@frozen(kw_only=True)
class Server:
    """An SSH server's program, and the names that its service may have."""

    program: str
    units: Argv
    host_keys: Argv | None = None


OPENSSH = Server(program="sshd", units=("sshd", "ssh"), host_keys=HOST_KEYS)
DROPBEAR = Server(program="dropbear", units=("dropbear",))
SERVERS = (OPENSSH, DROPBEAR)
"""What counts as installed, in this order."""

FAMILIES = (
    Family(name="alpine", refresh=("apk", "update"), install=("apk", "add", "openssh")),
    # Without -u a new program may need newer libraries than the image has; a rolling image is days old at most.
    Family(
        name="archlinux",
        refresh=("pacman", "-Sy", "--noconfirm"),
        install=("pacman", "-Su", "--noconfirm", "--needed", "openssh"),
    ),
    Family(
        name="debian",
        # By default apt-get calls it a success when no server could be reached.
        refresh=("apt-get", *_LOCK, "-o", "APT::Update::Error-Mode=any", "-q", "update"),
        install=("apt-get", *_LOCK, "-q", "-y", "--no-install-recommends", "install", "openssh-server"),
        units=("ssh", "sshd"),
        environment={"DEBIAN_FRONTEND": "noninteractive"},
    ),
    Family(
        name="fedora",
        refresh=("dnf", "-q", "-y", "makecache"),
        install=("dnf", "-q", "-y", "install", "openssh-server"),
    ),
    # Before dnf; what still lives of it is CentOS 7 and its kin.
    Family(
        name="yum",
        refresh=("yum", "-q", "-y", "makecache"),
        install=("yum", "-q", "-y", "install", "openssh-server"),
    ),
    Family(
        name="opensuse",
        refresh=("zypper", "--non-interactive", "--quiet", "refresh"),
        install=("zypper", "--non-interactive", "--quiet", "install", "--no-recommends", "openssh"),
    ),
)
_BY_NAME = {family.name: family for family in FAMILIES}

# What images call themselves in `properties.os`, and what ID and ID_LIKE of os-release say; letters only.
_SYSTEMS = {
    "alpine": ("alpine", "alpinelinux", "postmarketos"),
    "archlinux": ("arch", "archlinux", "archarm", "manjaro", "endeavouros"),
    "debian": ("debian", "ubuntu", "devuan", "kali", "mint", "linuxmint", "raspbian"),
    "fedora": (
        "fedora", "centos", "centosstream", "rhel", "redhat", "rocky", "rockylinux", "alma", "almalinux", "oracle",
        "oraclelinux", "ol", "amazon", "amazonlinux", "amzn", "openeuler",
    ),
    "opensuse": ("opensuse", "opensuseleap", "opensusetumbleweed", "suse", "sles", "sle"),
}  # fmt: skip
_FAMILY_OF = {system: _BY_NAME[family] for family, systems in _SYSTEMS.items() for system in systems}


def family_of(*systems: str) -> Family | None:
    """Give the family of the first of these names that is known."""
    for system in systems:
        family = _FAMILY_OF.get(re.sub("[^a-z]", "", system.lower()))
        if family is not None:
            return family
    return None


def systems_of(os_release: str) -> Iterable[str]:
    """Give what an ``os-release`` file calls its system, then what it says that it is like.

    Source: https://www.freedesktop.org/software/systemd/man/latest/os-release.html
    """
    values = dict(_assignments(os_release))
    return [*values.get("ID", "").split(), *values.get("ID_LIKE", "").split()]


def _assignments(text: str) -> Iterable[tuple[str, str]]:
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            try:
                yield name.strip(), " ".join(shlex.split(value))
            except ValueError:
                # A quote without its other end: root may write there what it likes.
                continue


def older(family: Family) -> Family:
    """Give the family to try where this one's package manager is missing; itself if there is none."""
    return _BY_NAME["yum"] if family.name == "fedora" else family


def present(program: str) -> Argv:
    """Give the command that ends well if there is such a program; ``command`` is the shell's own everywhere."""
    return ("sh", "-c", f"command -v {program}")


@frozen(kw_only=True)
class Init:
    """What starts services at boot: its program, and how it is told to start one."""

    program: str
    enable: Argv

    def enabling(self, unit: str) -> Argv:
        """Give the command for one service."""
        return tuple(part.replace("UNIT", unit) for part in self.enable)


INITS = (
    Init(program="systemctl", enable=("systemctl", "enable", "UNIT.service")),
    Init(program="rc-update", enable=("rc-update", "add", "UNIT", "default")),
    Init(program="update-rc.d", enable=("update-rc.d", "UNIT", "defaults")),
)
