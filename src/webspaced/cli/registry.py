"""The commands there are: add one here."""

from __future__ import annotations

from webspaced.cli.command import Command
from webspaced.cli.make_cert import MAKE_CERT
from webspaced.cli.user import USER

COMMANDS: tuple[Command, ...] = (MAKE_CERT, USER)
