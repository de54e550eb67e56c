"""``webspaced export`` and ``import``: what LXD remembers of all webspaces, as one file."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from webspaced.cli.command import Command, give, say
from webspaced.cli.daemon import add_daemon_options, daemon_of
from webspaced.cli.shown import give_json
from webspaced.errors import Invalid


def _export(arguments: argparse.Namespace) -> int:
    document = daemon_of(arguments).ask("GET", "/documents")
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    if arguments.file is None:
        sys.stdout.write(text)
    else:
        arguments.file.write_text(text, encoding="utf-8")
        say(f"{len(document['webspaces'])} webspaces are in {arguments.file}")
    return 0


def _import(arguments: argparse.Namespace) -> int:
    try:
        wanted = json.loads(arguments.file.read_text(encoding="utf-8"))
    except ValueError as error:
        message = f"{arguments.file} is no JSON: {error}"
        raise Invalid(message) from error
    told = daemon_of(arguments).ask("PUT", "/documents?write=1" if arguments.write else "/documents", wanted)
    if arguments.json:
        give_json(told)
    else:
        _show(told, written=arguments.write)
    return 0


def _show(told: Mapping[str, Any], *, written: bool) -> None:
    for name, keys in told["changes"].items():
        for key, (before, after) in keys.items():
            give(f"{name} {key}\n  - {before}\n  + {after}")
    for name in told["missing"]:
        give(f"{name}: LXD has no such instance; restore it there first")
    for name in told["beside"]:
        give(f"{name}: the file does not know it; it stays as it is")
    count = len(told["changes"])
    say(f"{count} webspaces were changed" if written else f"{count} webspaces differ; --write changes them")


def _configure_export(parser: argparse.ArgumentParser) -> None:
    add_daemon_options(parser)
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="where to write it (default: standard output)")
    parser.set_defaults(run=_export)


def _configure_import(parser: argparse.ArgumentParser) -> None:
    add_daemon_options(parser)
    parser.add_argument("file", type=Path, metavar="FILE", help="what `webspaced export` gave")
    parser.add_argument("--write", action="store_true", help="write what differs; without it, it is only shown")
    parser.set_defaults(run=_import)


EXPORT = Command(
    name="export", help="give what LXD remembers of all webspaces: config, domains, ports", configure=_configure_export
)
IMPORT = Command(
    name="import", help="compare with what was exported, and write back what differs", configure=_configure_import
)
