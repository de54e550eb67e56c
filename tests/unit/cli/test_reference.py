"""The page of commands is that of the commands."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from webspaced.cli.reference import page
from webspaced.cli.registry import COMMANDS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "commands.md"


class ReferenceTests(SynchronousTestCase):
    def test_the_page_is_as_the_commands_are(self) -> None:
        again = "python -m webspaced.cli.reference > docs/reference/commands.md"
        self.assertEqual(PAGE.read_text(), page(), f"print it again: {again}")

    def test_every_command_is_on_it_and_says_what_it_does(self) -> None:
        for command in COMMANDS:
            self.assertIn(f"\n## {command.name}\n\n{command.help}\n", page())
