"""From the command line to a command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from webspaced.cli.command import say
from webspaced.cli.registry import COMMANDS
from webspaced.errors import WebspacedError
from webspaced.settings import SettingsError

INTERRUPTED = 130
MISTAKE = 1
"""The exit status of a command that could not do what it was asked for; argparse's own for a wrong command line is 2."""


def parser() -> argparse.ArgumentParser:
    """Give the parser of all commands."""
    whole = argparse.ArgumentParser(
        prog="webspaced",
        description="Commands for whoever operates webspaced.",
    )
    words = whole.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.configure(words.add_parser(command.name, help=command.help, description=command.help))
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and give the exit status."""
    parsed = parser().parse_args(sys.argv[1:] if arguments is None else arguments)
    try:
        status: int = parsed.run(parsed)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Who reads has seen enough; nothing more is to be written at the end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (WebspacedError, SettingsError, OSError) as error:
        say(f"webspaced: {error}")
        return MISTAKE
    return status


if __name__ == "__main__":
    sys.exit(main())
