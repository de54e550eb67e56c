"""``webspaced-images prune``: take old versions from a stream's folder."""

from __future__ import annotations

import argparse
import time

from webspaced.base.commands import Command, give
from webspaced.images.cli.chosen import add_stream, chosen
from webspaced.images.folder import locked
from webspaced.images.pruning import Retention, carry_out, steps


def _configure(parser: argparse.ArgumentParser) -> None:
    add_stream(parser)
    parser.add_argument("--keep", type=_count, default=3, metavar="N", help="versions of each image (default: %(default)s)")
    parser.add_argument("--days", type=float, default=0.0, help="and all that are younger (default: %(default)s)")
    parser.add_argument("--dry-run", "-n", action="store_true", help="say what would be done")
    parser.set_defaults(run=_prune)


def _count(text: str) -> int:
    # An image without any version is not what anybody prunes for.
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


def _prune(arguments: argparse.Namespace) -> int:
    folder = chosen(arguments)
    retention = Retention(versions=arguments.keep, days=arguments.days)
    with locked(folder.root):
        planned = steps(folder.root, retention, folder.policy, time.time())
        for step in planned:
            give(f"{step.what}: {step.folder.relative_to(folder.root / 'images')}")
        if not arguments.dry_run:
            carry_out(folder.root, planned, folder.policy)
    return 0


PRUNE = Command(name="prune", help="take old versions from a stream's folder", configure=_configure)
