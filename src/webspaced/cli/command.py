"""What the commands of ``webspaced`` have in common."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from webspaced.base.commands import Command, give, printable, say
from webspaced.settings import Settings, find_config, load

__all__ = ["Command", "add_config_option", "give", "printable", "say", "settings_of"]


def add_config_option(parser: argparse._ActionsContainer) -> None:
    """Add ``--config``, as the daemon has it."""
    parser.add_argument(
        "--config", "-c", type=Path, metavar="FILE",
        help="the daemon's settings (default: webspaced.yaml here, then in /run/config, then in /etc/webspaced)",
    )  # fmt: skip


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Give the settings as the daemon would read them here."""
    return load(arguments.config or find_config(Path.cwd()), os.environ)
