"""Files that others read while they are written."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from webspaced.lib.files import make_private_directory, replace_file


class FileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.path = self.folder / "deeper" / "file.yml"

    def mode(self, path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    def test_only_the_owner_reads_and_enters(self) -> None:
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        make_private_directory(self.path.parent)
        replace_file(self.path, b"secret")
        self.assertEqual((self.mode(self.path), self.mode(self.path.parent)), (0o600, 0o700))
        self.assertEqual(self.path.read_bytes(), b"secret")

    def test_making_a_directory_twice_is_no_error(self) -> None:
        make_private_directory(self.path.parent)
        make_private_directory(self.path.parent)

    def test_a_reader_that_has_the_old_one_open_keeps_it_whole(self) -> None:
        make_private_directory(self.path.parent)
        replace_file(self.path, b"old")
        with self.path.open("rb") as reader:
            replace_file(self.path, b"new and longer")
            self.assertEqual(reader.read(), b"old")
        self.assertEqual(self.path.read_bytes(), b"new and longer")

    def test_a_write_that_fails_leaves_the_old_one(self) -> None:
        make_private_directory(self.path.parent)
        replace_file(self.path, b"old")
        with mock.patch("os.fdopen", side_effect=OSError("disk full")):
            self.assertRaises(OSError, replace_file, self.path, b"new")
        self.assertEqual(self.path.read_bytes(), b"old")

    def test_left_overs_of_a_killed_writer_do_no_harm(self) -> None:
        make_private_directory(self.path.parent)
        (self.path.parent / ".file.yml.new").write_bytes(b"half of something much longer")
        replace_file(self.path, b"new")
        self.assertEqual(self.path.read_bytes(), b"new")
        self.assertEqual([each.name for each in self.path.parent.iterdir()], ["file.yml"])

    def test_a_link_in_the_place_of_the_new_one_is_not_followed(self) -> None:
        make_private_directory(self.path.parent)
        victim = self.folder / "victim"
        victim.write_bytes(b"kept")
        (self.path.parent / ".file.yml.new").symlink_to(victim.absolute())
        replace_file(self.path, b"new")
        self.assertEqual((victim.read_bytes(), self.path.is_symlink()), (b"kept", False))

    def test_written_aside_nothing_else_appears_beside_it(self) -> None:
        make_private_directory(self.path.parent)
        seen: list[set[str]] = []
        move = Path.replace

        def spy(temporary: Path, target: Path) -> Path:
            seen.append({each.name for each in self.path.parent.iterdir()})
            return move(temporary, target)

        with mock.patch.object(Path, "replace", spy):
            replace_file(self.path, b"new", aside=self.folder)
        self.assertEqual((seen, self.path.read_bytes()), ([set()], b"new"))
        self.assertEqual([each.name for each in self.folder.iterdir()], ["deeper"])

    def test_one_that_cannot_be_moved_leaves_nothing(self) -> None:
        make_private_directory(self.path.parent)
        with mock.patch.object(Path, "replace", side_effect=OSError(18, "another file system")):
            self.assertRaises(OSError, replace_file, self.path, b"new", aside=self.folder)
        self.assertEqual([each.name for each in self.folder.iterdir()], ["deeper"])
