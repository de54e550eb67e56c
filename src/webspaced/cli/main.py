"""From the command line to a command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from webspaced.base.commands import parser_of, run_command
from webspaced.cli.registry import COMMANDS


def parser() -> argparse.ArgumentParser:
    """Give the parser of all commands."""
    return parser_of("webspaced", "Commands for whoever operates webspaced.", COMMANDS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and give the exit status."""
    return run_command(parser(), arguments)


if __name__ == "__main__":
    sys.exit(main())
