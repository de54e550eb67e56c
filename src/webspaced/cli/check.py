"""``webspaced check``: what may keep webspaced from working, before it does or when it does not."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import asdict
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from webspaced.cli.checkup import FAULT, Finding, examine
from webspaced.cli.command import Command, add_config_option
from webspaced.cli.shown import give_json, give_table
from webspaced.settings import find_config, load


def _check(arguments: argparse.Namespace) -> int:
    path = arguments.config or find_config(Path.cwd())
    settings = load(path, os.environ)
    found: list[Finding] = []

    def look(reactor: Any) -> Deferred[None]:
        return Deferred.fromCoroutine(examine(reactor, settings, path)).addCallback(found.extend)

    try:
        react(look, ())
    except SystemExit as end:
        # It always ends so; what it could not do is in its log, which is the terminal.
        if end.code:
            raise
    give_findings(found, as_json=arguments.json)
    return int(any(each.level == FAULT for each in found))


def give_findings(found: Sequence[Finding], *, as_json: bool) -> None:
    """Give what was found, as a table or as JSON."""
    if as_json:
        give_json([asdict(each) for each in found])
        return
    give_table(("CHECK", "RESULT", "WHAT WAS FOUND", "WHAT TO DO"), (
        (each.what, each.level, each.told, each.remedy) for each in found
    ))  # fmt: skip


def _configure(parser: argparse.ArgumentParser) -> None:
    add_config_option(parser)
    parser.add_argument("--json", action="store_true", help="give the findings as JSON, for programs")
    parser.set_defaults(run=_check)


CHECK = Command(
    name="check",
    help="try LXD, IAM, DNS, Traefik, ports and files as the settings say: what is wrong, and what to do about it; status 1 "
    "if something keeps webspaced from working",
    configure=_configure,
)
