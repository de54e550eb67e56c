"""Which system gets its SSH server how."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from webspaced.core.ssh import FAMILIES, INITS, family_of, older, present, systems_of

# As images.linuxcontainers.org, Canonical and os-release files call them.
NAMES = {
    "alpine": ("Alpine", "alpine", "alpinelinux"),
    "archlinux": ("Archlinux", "arch"),
    "debian": ("Debian", "debian", "ubuntu", "Ubuntu", "Devuan", "Kali", "Mint"),
    "fedora": ("Fedora", "Centos", "Rockylinux", "rocky", "Almalinux", "Oracle", "ol", "Amazonlinux", "rhel"),
    "opensuse": ("Opensuse", "opensuse-leap", "opensuse-tumbleweed", "sles"),
}
UBUNTU = 'PRETTY_NAME="Ubuntu 24.04"\nID=ubuntu\nID_LIKE=debian\n'
SOME_ENTERPRISE = "NAME='Navy Linux'\n# a comment\nID=\"navy\"\nID_LIKE='rhel centos fedora'\n"


class FamilyTests(SynchronousTestCase):
    def name_of(self, *systems: str) -> str | None:
        family = family_of(*systems)
        return None if family is None else family.name

    def test_by_the_images_property(self) -> None:
        for family, names in NAMES.items():
            for name in names:
                self.assertEqual(self.name_of(name), family, name)

    def test_what_nobody_knows(self) -> None:
        self.assertEqual((self.name_of(""), self.name_of("busybox"), self.name_of("Voidlinux")), (None, None, None))
        self.assertEqual(self.name_of(), None)

    def test_by_os_release(self) -> None:
        self.assertEqual(self.name_of(*systems_of(UBUNTU)), "debian")
        self.assertEqual(self.name_of(*systems_of(SOME_ENTERPRISE)), "fedora")

    def test_its_own_name_counts_before_what_it_is_like(self) -> None:
        self.assertEqual(self.name_of(*systems_of("ID_LIKE=debian\nID=alpine")), "alpine")

    def test_an_os_release_that_is_none(self) -> None:
        for text in ("", "\0\xff", "ID", 'ID="debian', "ID='a\nID_LIKE=b'", "=", "ID=$(reboot)"):
            self.assertIsNone(self.name_of(*systems_of(text)))

    def test_centos_7_and_its_like(self) -> None:
        family = family_of("centos")
        assert family is not None
        self.assertEqual(older(family).install[0], "yum")
        debian = family_of("debian")
        assert debian is not None
        self.assertIs(older(debian), debian)


class CommandTests(SynchronousTestCase):
    def test_every_family_asks_nothing(self) -> None:
        answers = {"-y", "--noconfirm", "--non-interactive", "add"}
        for family in FAMILIES:
            self.assertTrue(answers & set(family.install), family.name)
        self.assertEqual({f.name: dict(f.environment) for f in FAMILIES if f.environment}, {
            "debian": {"DEBIAN_FRONTEND": "noninteractive"},
        })  # fmt: skip

    def test_looking_for_a_program(self) -> None:
        self.assertEqual(present("sshd"), ("sh", "-c", "command -v sshd"))

    def test_enabling(self) -> None:
        self.assertEqual([init.enabling("sshd") for init in INITS], [
            ("systemctl", "enable", "sshd.service"),
            ("rc-update", "add", "sshd", "default"),
            ("update-rc.d", "sshd", "defaults"),
        ])  # fmt: skip
