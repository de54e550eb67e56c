"""What differs between LXD and Incus as far as running one of our own goes."""

import shutil
from dataclasses import dataclass

from harness import packages
from harness.saying import CannotGoOn


@dataclass(frozen=True)
class Flavour:
    """The programs, variables and names of one of the two."""

    name: str
    packages: tuple[str, ...]
    daemons: tuple[str, ...]  # where the daemon may lie
    client: str
    admin: tuple[str, ...]  # before `waitready` and `shutdown`
    dir_variable: str
    conf_variable: str

    @property
    def daemon(self) -> str:
        """The daemon's program."""
        for candidate in self.daemons:
            found = shutil.which(candidate)
            if found:
                return found
        raise CannotGoOn(f"{self.name} is not installed: none of {', '.join(self.daemons)} is there")


LXD = Flavour(
    name="lxd",
    packages=packages.LXD,
    daemons=("lxd", "/usr/sbin/lxd"),
    client="lxc",
    admin=("lxd",),
    dir_variable="LXD_DIR",
    conf_variable="LXD_CONF",
)
INCUS = Flavour(
    name="incus",
    packages=packages.INCUS,
    daemons=("incusd", "/usr/libexec/incus/incusd", "/usr/lib/incus/incusd"),
    client="incus",
    admin=("incus", "admin"),
    dir_variable="INCUS_DIR",
    conf_variable="INCUS_CONF",
)


def for_this_machine() -> Flavour:
    """LXD where the distribution has it as a package, otherwise Incus."""
    system, version = packages.distribution()
    if system == "debian" and version in ("12", "13"):
        return LXD
    if system == "ubuntu" and version == "24.04":
        return INCUS  # Not tried there; Incus 6.0.4 was tried on Debian 12.
    if shutil.which("lxd") and not shutil.which("snap"):
        return LXD
    raise CannotGoOn(
        f"a private LXD is known to work on Debian 12 and 13, and expected to on Ubuntu 24.04; this is "
        f"{system} {version}. With an LXD or Incus of its own on this machine: LXD=host make up"
    )
