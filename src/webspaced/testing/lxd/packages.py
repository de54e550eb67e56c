"""Package managers, services and SSH servers of simulated containers, as far as a new webspace needs them.

Which of them a container has follows from its image's ``os``. Installing needs lists, lists need a network; what an image is
to fail at stands in its :class:`Behaviour`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from twisted.internet.interfaces import IDelayedCall

from webspaced.testing.lxd.command import Command, Says
from webspaced.testing.lxd.files import have
from webspaced.testing.lxd.things import Instance

REFRESH_SECONDS, INSTALL_SECONDS = 0.5, 3.0
SYSTEMD = frozenset({"debian", "ubuntu", "archlinux", "fedora", "centos", "rocky", "opensuse"})


class PackageManager(Command):
    """Refreshes and installs; told apart by the words of its command line."""

    name: ClassVar[str]
    systems: ClassVar[frozenset[str]]
    refreshes: ClassVar[str]
    no_lists: ClassVar[str] = "E: Unable to locate package openssh-server"

    @classmethod
    def present(cls, instance: Instance) -> bool:
        return instance.system in cls.systems

    _call: IDelayedCall | None = None

    def begin(self) -> None:
        if self.name in self.around.instance.behaviour.stuck:
            return
        is_refresh = self.refreshes in self.arguments
        seconds = REFRESH_SECONDS if is_refresh else INSTALL_SECONDS
        self._call = self.around.clock.callLater(seconds, self._refresh if is_refresh else self._install)

    def _refresh(self) -> None:
        instance = self.around.instance
        mirror = instance.behaviour.mirror
        if mirror is None or self.around.clock.seconds() < instance.up_at + mirror:
            self.out("W: Temporary failure resolving 'mirror.example'\n", 2)
            self.end(100)
            return
        instance.has_lists = True
        self.end()

    def _install(self) -> None:
        instance = self.around.instance
        if not instance.has_lists:
            self.out(f"{self.no_lists}\n", 2)
            self.end(100)
        elif self.name in instance.behaviour.failing:
            self.out("Unpacking openssh-server ...\n")
            self.out("E: \x1b[31mno space left on device\x1b[0m\n\n", 2)
            self.end(100)
        else:
            have(instance, {"sshd", "ssh-keygen"})
            self.out("Setting up openssh-server ...\n")
            self.end()

    def end(self, status: int = 0) -> None:
        if self._call is not None and self._call.active():
            self._call.cancel()
        super().end(status)


class Apk(PackageManager):
    """``apk``."""

    name = "apk"
    systems = frozenset({"alpine"})
    refreshes = "update"
    no_lists = "ERROR: unable to select packages: openssh (no such package)"


class Apt(PackageManager):
    """``apt-get``."""

    name = "apt-get"
    systems = frozenset({"debian", "ubuntu"})
    refreshes = "update"


class Pacman(PackageManager):
    """``pacman``."""

    name = "pacman"
    systems = frozenset({"archlinux"})
    refreshes = "-Sy"
    no_lists = "error: target not found: openssh"


class Dnf(PackageManager):
    """``dnf``."""

    name = "dnf"
    systems = frozenset({"fedora", "rocky"})
    refreshes = "makecache"
    no_lists = "Error: Unable to find a match: openssh-server"


class Yum(Dnf):
    """``yum``."""

    name = "yum"
    systems = frozenset({"centos"})


class Zypper(PackageManager):
    """``zypper``."""

    name = "zypper"
    systems = frozenset({"opensuse"})
    refreshes = "refresh"
    no_lists = "'openssh' not found in package names."


class Installed(Says):
    """A program that is there if something put it there."""

    name: ClassVar[str]

    @classmethod
    def present(cls, instance: Instance) -> bool:
        return cls.name in instance.installed


class Sshd(Installed):
    """``sshd -T``: whether it knows what is set."""

    name = "sshd"

    def said(self) -> tuple[str, int]:
        if "old-sshd" in self.around.instance.behaviour.failing:
            return "command-line: line 0: Bad configuration option: PerSourcePenalties\n", 1
        return "persourcepenalties no\n", 0


class Dropbear(Installed):
    """``dropbear``."""

    name = "dropbear"


class SshKeygen(Installed):
    """``ssh-keygen -A``."""

    name = "ssh-keygen"


class Services(Says):
    """Something that enables services: those there are of what is installed."""

    systems: ClassVar[frozenset[str]]

    @classmethod
    def present(cls, instance: Instance) -> bool:
        return instance.system in cls.systems

    def said(self) -> tuple[str, int]:
        instance = self.around.instance
        unit = self.arguments[1].removesuffix(".service")
        own = "ssh" if instance.system in Apt.systems else "sshd"
        units = {own: "sshd", "dropbear": "dropbear"}
        if units.get(unit) not in instance.installed or "services" in instance.behaviour.failing:
            return f"Failed to enable unit: Unit file {unit}.service does not exist.\n", 1
        instance.enabled.add(unit)
        return "", 0


class Systemctl(Services):
    """``systemctl enable``."""

    systems = SYSTEMD


class RcUpdate(Services):
    """``rc-update add``."""

    systems = frozenset({"alpine"})


TABLE: Mapping[str, type[Command]] = {
    "apk": Apk,
    "apt-get": Apt,
    "dnf": Dnf,
    "dropbear": Dropbear,
    "pacman": Pacman,
    "rc-update": RcUpdate,
    "ssh-keygen": SshKeygen,
    "sshd": Sshd,
    "systemctl": Systemctl,
    "yum": Yum,
    "zypper": Zypper,
}
