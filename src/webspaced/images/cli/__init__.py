"""The command ``webspaced-images``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from webspaced.base.commands import Command, parser_of, run_command

COMMANDS: tuple[Command, ...] = ()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and give the exit status."""
    return run_command(parser_of("webspaced-images", "Images for LXD and Incus.", COMMANDS), arguments)


if __name__ == "__main__":
    sys.exit(main())
