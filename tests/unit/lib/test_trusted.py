"""What lies in somebody else's folder is not taken on trust, and no link leads out of it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from webspaced.errors import Invalid
from webspaced.lib.trusted import check_own_folder, spot, strange_above

NOBODY = 65534


class FolderCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True, mode=0o700)
        self.theirs = self.folder / "theirs"
        self.ours = self.folder / "ours"
        for each in (self.theirs, self.ours):
            each.mkdir(mode=0o755)

    def give_away(self, *paths: Path) -> None:
        """Make these somebody else's: root can; else we are somebody else from here on."""
        if os.geteuid() == 0:
            for path in paths:
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        else:
            me = os.geteuid()
            self.patch(os, "geteuid", lambda: me + 1)


class SpotTests(FolderCase):
    def write(self, path: Path, content: bytes = b"new") -> None:
        with spot(path, make=True) as where:
            where.replace(content, where.owner())

    def test_a_folder_that_another_command_makes_in_that_moment_will_do(self) -> None:
        def twice(name: str, mode: int, *, dir_fd: int) -> None:
            mkdir(name, mode, dir_fd=dir_fd)
            mkdir(name, mode, dir_fd=dir_fd)

        mkdir = os.mkdir
        self.patch(os, "mkdir", twice)
        self.write(self.folder / "deeper" / "file")
        self.assertEqual((self.folder / "deeper" / "file").read_bytes(), b"new")

    def test_a_file_is_made_with_its_folders_and_replaced_for_its_owner_only(self) -> None:
        path = self.folder / "deeper" / "still" / "file"
        self.write(path, b"one")
        self.write(path, b"two")
        self.assertEqual((path.read_bytes(), stat.S_IMODE(path.stat().st_mode)), (b"two", 0o600))
        self.assertEqual(stat.S_IMODE(path.parent.stat().st_mode), 0o700)
        self.assertEqual([each.name for each in path.parent.iterdir()], ["file"])
        with spot(path) as where:
            self.assertEqual((where.read()[0], where.exists()), (b"two", True))

    def test_our_own_links_are_followed(self) -> None:
        (self.ours / "link").symlink_to("../theirs/../ours/target")
        (self.folder / "folder").symlink_to(self.ours)
        self.write(self.folder / "folder" / "link")
        self.assertEqual((self.ours / "target").read_bytes(), b"new")
        self.assertTrue((self.ours / "link").is_symlink())

    def test_no_link_is_followed_out_of_somebody_elses_folder(self) -> None:
        link = self.theirs / "file"
        link.symlink_to(self.ours / "nologin")
        self.give_away(self.theirs, link)
        error = self.assertRaises(Invalid, self.write, link)
        self.assertIn(str(link), str(error))
        self.assertEqual(list(self.ours.iterdir()), [])

    def test_not_on_the_way_either(self) -> None:
        (self.theirs / "sub").symlink_to(self.ours)
        self.give_away(self.theirs, self.theirs / "sub")
        self.assertRaises(Invalid, self.write, self.theirs / "sub" / "file")
        self.assertRaises(Invalid, self.write, self.theirs / "sub" / "deeper" / "file")
        self.assertEqual(list(self.ours.iterdir()), [])

    def test_not_in_a_folder_that_others_may_write_to(self) -> None:
        link = self.theirs / "file"
        link.symlink_to(self.ours / "nologin")
        self.theirs.chmod(0o777)
        self.assertRaises(Invalid, self.write, link)
        # As in /tmp: nobody else can have laid it.
        self.theirs.chmod(0o1777)
        self.write(link)
        self.assertEqual((self.ours / "nologin").read_bytes(), b"new")

    def test_a_plain_file_in_somebody_elses_folder_can_be_edited(self) -> None:
        self.give_away(self.theirs)
        self.write(self.theirs / "users.yaml")
        self.assertEqual((self.theirs / "users.yaml").read_bytes(), b"new")

    def test_what_is_laid_in_the_way_of_the_new_one_is_not_written_to(self) -> None:
        victim = self.ours / "victim"
        victim.write_bytes(b"kept")
        (self.theirs / ".users.yaml.new").symlink_to(victim)
        self.give_away(self.theirs)
        self.write(self.theirs / "users.yaml")
        self.assertEqual(victim.read_bytes(), b"kept")

    def test_a_link_that_appears_after_the_look_is_not_read(self) -> None:
        with spot(self.theirs / "file") as where:
            (self.theirs / "file").symlink_to("/etc/hostname")
            self.assertRaises(OSError, where.read)
            self.assertRaises(FileExistsError, where.create, b"new", 0o600, where.owner())

    def test_links_in_a_circle_and_folders_are_refused(self) -> None:
        (self.ours / "a").symlink_to("b")
        (self.ours / "b").symlink_to("a")
        self.assertRaises(Invalid, self.write, self.ours / "a")
        (self.ours / "self").symlink_to("/")
        self.assertRaises(OSError, self.write, self.ours / "self")


class OwnFolderTests(FolderCase):
    def test_what_is_ours_or_not_there_yet_is_fine(self) -> None:
        check_own_folder(self.folder, "data_dir")
        check_own_folder(self.folder / "not" / "yet", "data_dir")

    def test_somebody_elses_is_named_wherever_it_is(self) -> None:
        inner = self.theirs / "traefik"
        inner.mkdir()
        self.give_away(inner)
        for folder in (inner, self.theirs):
            error = self.assertRaises(Invalid, check_own_folder, folder, "data_dir")
            self.assertIn("(data_dir) belongs to another user", str(error))
        if os.geteuid() == 0:
            self.assertIn(f"{inner} (data_dir)", str(error))

    def test_so_is_what_others_may_write_to(self) -> None:
        for mode in (0o777, 0o1777, 0o702):
            self.theirs.chmod(mode)
            error = self.assertRaises(Invalid, check_own_folder, self.folder, "data_dir")
            self.assertIn(f"{self.theirs} (data_dir) may be written to by others", str(error))
        self.theirs.chmod(0o770)
        check_own_folder(self.folder, "data_dir")

    def test_a_file_is_asked_whose_it_is_as_folders_are(self) -> None:
        file = self.ours / "users.yaml"
        file.write_text("users: []\n")
        file.chmod(0o640)
        check_own_folder(self.folder, "data_dir")
        file.chmod(0o602)
        error = self.assertRaises(Invalid, check_own_folder, self.folder, "data_dir")
        self.assertIn(f"{file} (data_dir) may be written to by others", str(error))
        file.chmod(0o600)
        self.give_away(file)
        error = self.assertRaises(Invalid, check_own_folder, self.folder, "data_dir")
        self.assertIn("(data_dir) belongs to another user", str(error))
        if os.geteuid() == 0:
            self.assertIn(str(file), str(error))

    def test_so_is_a_link_and_what_it_leads_to(self) -> None:
        file = self.theirs / "key.pem"
        file.write_text("")
        (self.ours / "key.pem").symlink_to(file)
        check_own_folder(self.ours, "data_dir")
        self.give_away(file)
        self.assertRaises(Invalid, check_own_folder, self.ours, "data_dir")

    def test_so_is_a_link_that_leads_nowhere(self) -> None:
        (self.ours / "key.pem").symlink_to(self.folder / "nowhere")
        check_own_folder(self.ours, "data_dir")
        self.give_away(self.ours / "key.pem")
        self.assertRaises(Invalid, check_own_folder, self.ours, "data_dir")

    def test_somebody_elses_link_to_a_folder_of_ours(self) -> None:
        (self.theirs / "data").symlink_to(self.ours)
        self.give_away(self.theirs / "data")
        self.assertRaises(Invalid, check_own_folder, self.theirs / "data", "data_dir")

    def test_of_those_above_it_is_said(self) -> None:
        inner = self.theirs / "data"
        inner.mkdir()
        # Above may be whatever the tests run in.
        before = strange_above(inner)
        self.theirs.chmod(0o777)
        self.assertEqual(set(strange_above(inner)) - set(before), {f"{self.theirs} may be written to by others"})
        self.theirs.chmod(0o1777)
        self.assertEqual(strange_above(inner), before)
