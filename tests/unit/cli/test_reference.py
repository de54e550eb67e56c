"""The page of commands is that of the commands."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from webspaced.cli.reference import _troff, completions, manual, page
from webspaced.cli.registry import COMMANDS

ROOT = Path(__file__).parents[3]
PAGE, MANUAL = ROOT / "docs" / "reference" / "commands.md", ROOT / "deploy" / "manual"


class ReferenceTests(SynchronousTestCase):
    def test_the_page_is_as_the_commands_are(self) -> None:
        again = "python -m webspaced.cli.reference > docs/reference/commands.md"
        self.assertEqual(PAGE.read_text(), page(), f"print it again: {again}")

    def test_the_manual_and_the_completions_are_as_the_commands_are(self) -> None:
        again = "python -m webspaced.cli.reference manual deploy/manual"
        for name, text in {"webspaced.8": manual(), **completions()}.items():
            self.assertEqual((MANUAL / name).read_text(), text, f"write it again: {again}")

    def test_nothing_in_a_text_is_an_order_to_troff(self) -> None:
        self.assertEqual(_troff(".so /etc/passwd\n'x\na-b\\"), "\\&.so /etc/passwd\n\\&'x\na\\-b\\e")

    def test_every_command_is_on_it_and_says_what_it_does(self) -> None:
        for command in COMMANDS:
            self.assertIn(f"\n## {command.name}\n\n{command.help}\n", page())
