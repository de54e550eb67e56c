"""Texts that have a path and never meet a disk."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from webspaced.lib.memory_file import MemoryFile


class MemoryFileTests(SynchronousTestCase):
    def test_it_can_be_read_again_and_again(self) -> None:
        file = MemoryFile("a key\n")
        self.assertEqual([Path(file.path).read_text() for _ in range(2)], ["a key\n"] * 2)
        self.assertNotIn("a key", repr(file))

    def test_it_goes_with_its_object(self) -> None:
        file = MemoryFile("a key")
        path = Path(file.path)
        del file
        # The number may be another file's by now.
        self.assertFalse(path.exists() and path.read_bytes() == b"a key")
