"""What the commands of ``webspaced`` have in common."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from webspaced.base.commands import Command, add_config, give, printable, say
from webspaced.settings import SCHEMA, Settings, find_config, load

__all__ = ["Command", "add_config_option", "give", "printable", "say", "settings_of"]


def add_config_option(parser: argparse._ActionsContainer) -> None:
    """Add ``--config``, as the daemon has it."""
    add_config(parser, SCHEMA, "the daemon's")


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Give the settings as the daemon would read them here."""
    return load(arguments.config or find_config(Path.cwd()), os.environ)
