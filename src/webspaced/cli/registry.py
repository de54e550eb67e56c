"""The commands there are: add one here."""

from __future__ import annotations

from webspaced.cli.command import Command
from webspaced.cli.user import USER

COMMANDS: tuple[Command, ...] = (USER,)
