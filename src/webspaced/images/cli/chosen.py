"""Which folder a command is about: one that is named, or a stream of the settings."""

from __future__ import annotations

import argparse
from pathlib import Path

from attrs import frozen

from webspaced.base.commands import add_config
from webspaced.base.plugin import read_settings
from webspaced.errors import Invalid
from webspaced.images.core.products import Policy
from webspaced.images.server import policy_of
from webspaced.images.settings import SCHEMA, Settings


@frozen
class Chosen:
    """A folder, and what the settings say of it."""

    root: Path
    policy: Policy
    settings: Settings


def add_config_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the settings."""
    add_config(parser, SCHEMA, "the server's")


def add_stream(parser: argparse.ArgumentParser) -> None:
    """Add the options by which a stream is chosen."""
    add_config_option(parser)
    parser.add_argument(
        "--stream", "-s", metavar="NAME", help="a stream of the setting directories (default: the only one, or local)"
    )


def chosen(arguments: argparse.Namespace) -> Chosen:
    """Give the folder; ``Invalid`` if there is no such stream."""
    settings = read_settings(SCHEMA, arguments.config)
    directories = settings.directories
    name = arguments.stream or (next(iter(directories)) if len(directories) == 1 else "local")
    if name not in directories:
        message = f"there is no stream {name} of a folder; there are {', '.join(directories) or 'none'} (directories)"
        raise Invalid(message)
    return Chosen(directories[name], policy_of(settings, name), settings)
