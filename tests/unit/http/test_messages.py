"""What clients ask for inside a webspace."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from webspaced.errors import Invalid
from webspaced.http.messages import LONGEST_COMMAND, exec_message, plain_command


class LengthTests(SynchronousTestCase):
    def test_as_linux_counts_it(self) -> None:
        self.assertEqual(LONGEST_COMMAND, 131_071)
        for longest in ("x" * LONGEST_COMMAND, "é" * (LONGEST_COMMAND // 2)):
            self.assertEqual(plain_command({"command": longest}).argv[2], longest)
        for longer in ("x" * (LONGEST_COMMAND + 1), "é" * (LONGEST_COMMAND // 2 + 1), "€" * 50_000):
            self.assertRaises(Invalid, plain_command, {"command": longer})
            self.assertRaises(Invalid, exec_message, {"command": ["echo", longer]})

    def test_what_is_no_text(self) -> None:
        self.assertRaises(Invalid, plain_command, {"command": "\ud800"})
