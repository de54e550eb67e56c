"""``webspaced adopt``: the upgrade from the webspaced that was written in Go."""

from __future__ import annotations

import argparse
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from webspaced.cli.adoption import check, finish
from webspaced.cli.check import give_findings
from webspaced.cli.checkup import FAULT, Finding
from webspaced.cli.command import Command, add_config_option, settings_of
from webspaced.errors import WebspacedError


def _adopt(arguments: argparse.Namespace) -> int:
    settings, work = settings_of(arguments), check if arguments.check else finish
    findings: list[Finding] = []
    errors: list[WebspacedError] = []

    async def run(reactor: Any) -> None:
        try:
            findings.extend(await work(reactor, settings))
        except WebspacedError as error:
            errors.append(error)

    _react(run)
    give_findings(findings, as_json=arguments.json)
    for error in errors:
        raise error
    return int(any(each.level == FAULT for each in findings))


def _react(run: Any) -> None:
    try:
        react(lambda reactor: Deferred.fromCoroutine(run(reactor)), ())
    except SystemExit as end:
        # It always ends so.
        if end.code:
            raise


def _configure(parser: argparse.ArgumentParser) -> None:
    add_config_option(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--check", action="store_true",
        help="tell what the old webspaced has left, what becomes of it, and what is in the way; changes nothing",
    )  # fmt: skip
    what.add_argument(
        "--finish", action="store_true",
        help="when visitors come to Traefik 3: remove what only the old Traefik needs, if webspaced serves all of it",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="give the findings as JSON, for programs")
    parser.set_defaults(run=_adopt)


ADOPT = Command(
    name="adopt", help="upgrade from the webspaced that was written in Go; status 1 if something is in the way",
    configure=_configure,
)  # fmt: skip
