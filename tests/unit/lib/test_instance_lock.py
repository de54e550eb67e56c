"""One process to a folder, one name to an installation."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from webspaced.errors import Conflict, Unavailable
from webspaced.lib.instance_lock import InstanceLock, installation_name


class LockTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()) / "data"

    def test_one_has_it_until_it_lets_go(self) -> None:
        first, second = InstanceLock(self.folder), InstanceLock(self.folder)
        first.take()
        self.assertRaises(Conflict, second.take)
        first.let_go()
        first.let_go()
        second.take()
        self.assertRaises(Conflict, first.take)
        second.let_go()

    def test_a_folder_that_cannot_be(self) -> None:
        self.folder.parent.mkdir()
        self.folder.write_text("in the way")
        with self.assertRaisesRegex(Unavailable, "data_dir"):
            InstanceLock(self.folder).take()
        with self.assertRaisesRegex(Unavailable, "owner"):
            installation_name(self.folder)


class NameTests(SynchronousTestCase):
    def test_it_stays_and_is_nobody_elses(self) -> None:
        here, there = Path(self.mktemp()), Path(self.mktemp())
        self.assertEqual(installation_name(here), installation_name(here))
        self.assertNotEqual(installation_name(here), installation_name(there))
