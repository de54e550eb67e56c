"""The command ``webspaced-images``: what a stream has, whether it is right, and what is put into it and taken away."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from webspaced.base.commands import parser_of, run_command
from webspaced.images.cli.prune import PRUNE
from webspaced.images.cli.publish import PUBLISH
from webspaced.images.cli.run import RUN
from webspaced.images.cli.shown import LIST, VERIFY

COMMANDS = (RUN, LIST, VERIFY, PRUNE, PUBLISH)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and give the exit status."""
    return run_command(parser_of("webspaced-images", "Images for LXD and Incus.", COMMANDS), arguments)


if __name__ == "__main__":
    sys.exit(main())
