"""What is said when the settings are wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


_LONGEST_VALUE = 60
_LONGEST_KEY = 100


class SettingsError(Exception):
    """The settings hold mistakes; ``problems`` has a line for each, with its source and dotted key.

    The lines never hold the value of a secret, so they may be printed and logged.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems: tuple[str, ...] = tuple(problems)
        super().__init__("\n".join(self.problems))


def describe(value: object) -> str:
    """Show a wrong value in a few words: YAML's names for YAML's things, texts quoted and cut."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    shown = repr(value)
    return shown if len(shown) <= _LONGEST_VALUE else f"{shown[:_LONGEST_VALUE]}..."


def printable(key: object) -> str:
    """Show a key that somebody wrote: as it stands if that is safe on one line, else quoted."""
    text = str(key)
    return text if text.isprintable() and len(text) <= _LONGEST_KEY else describe(text)
