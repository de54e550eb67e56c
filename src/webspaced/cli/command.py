"""What a command is."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from attrs import frozen

from webspaced.settings import Settings, find_config, load


@frozen(kw_only=True)
class Command:
    """One word after ``webspaced``.

    ``configure`` adds arguments to its parser; each leaf of that sets the default ``run``, which takes the parsed arguments
    and gives the exit status. A ``WebspacedError``, ``SettingsError`` or ``OSError`` becomes a message and the status 1.
    """

    name: str
    help: str
    configure: Callable[[argparse.ArgumentParser], None]


def printable(text: str) -> str:
    """Give a text without orders to the terminal: what others have written may have some."""
    return "".join(each if each.isprintable() or each in "\n\t" else repr(each)[1:-1] for each in text)


def say(text: str) -> None:
    """Tell people something."""
    sys.stderr.write(f"{printable(text)}\n")


def give(text: str) -> None:
    """Give a line of the result."""
    sys.stdout.write(f"{printable(text)}\n")


def add_config_option(parser: argparse._ActionsContainer) -> None:
    """Add ``--config``, as the daemon has it."""
    parser.add_argument(
        "--config", "-c", type=Path, metavar="FILE",
        help="the daemon's settings (default: webspaced.yaml here, then in /run/config, then in /etc/webspaced)",
    )  # fmt: skip


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Give the settings as the daemon would read them here."""
    return load(arguments.config or find_config(Path.cwd()), os.environ)
