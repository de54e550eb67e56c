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
from webspaced.lib.files import replace_file


def _export(arguments: argparse.Namespace) -> int:
    document = daemon_of(arguments).ask("GET", "/documents")
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    if arguments.file is None:
        sys.stdout.write(text)
    else:
        # At once, for its owner only: an older one stays whole if this one cannot be written, and reasons are in it.
        replace_file(arguments.file, text.encode())
        say(f"{_counted(len(document['webspaces']))} in {arguments.file}")
    return 0


def _import(arguments: argparse.Namespace) -> int:
    try:
        wanted = json.loads(arguments.file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        message = f"{arguments.file} is no JSON: {error}"
        raise Invalid(message) from error
    told = daemon_of(arguments).ask("PUT", "/documents?write=1" if arguments.write else "/documents", wanted)
    if arguments.json:
        give_json(told)
    else:
        _show(told, written=arguments.write)
    return int(bool(told.get("failed")))


def _show(told: Mapping[str, Any], *, written: bool) -> None:
    for name, keys in told["changes"].items():
        for key, (before, after) in keys.items():
            give(f"{name} {key}\n  - {before}\n  + {after}")
    for name in told["missing"]:
        give(f"{name}: LXD has no such webspace; restore the container there first")
    for name in told["beside"]:
        give(f"{name}: the file does not know it; it stays as it is")
    for name, why in told.get("failed", {}).items():
        give(f"{name}: NOT written: {why}")
    count = len(told["changes"]) - len(told.get("failed", {}))
    say(f"{_counted(count)} written" if written else f"{_counted(count)} to change; --write does it")


def _counted(count: int) -> str:
    return "1 webspace" if count == 1 else f"{count} webspaces"


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
