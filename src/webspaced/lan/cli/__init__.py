"""The command ``webspaced-lan``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from webspaced.base.commands import Command, parser_of, run_command
from webspaced.lan.cli.doctor import DOCTOR, OPEN

COMMANDS: tuple[Command, ...] = (DOCTOR, OPEN)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and give the exit status."""
    return run_command(parser_of("webspaced-lan", "A layer-2 LAN for pods and containers.", COMMANDS), arguments)


if __name__ == "__main__":
    sys.exit(main())
