"""``webspaced export`` and ``import``: what LXD remembers of all webspaces, as one file."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from webspaced.cli.command import Command, give, say
from webspaced.cli.daemon import add_daemon_options, daemon_of
from webspaced.cli.shown import give_json
from webspaced.errors import Invalid
from webspaced.lib.files import replace_file

STANDARD_INPUT = Path("-")


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
    wanted = _read(arguments.file)
    daemon, query = daemon_of(arguments), "?write=1" if arguments.write else ""
    pieces = [wanted] if daemon.largest is None else list(_pieces(wanted, daemon.largest))
    if arguments.write and len(pieces) > 1:
        # All are looked at before the first is written.
        for piece in pieces:
            daemon.ask("PUT", "/documents", piece)
    told = _together([daemon.ask("PUT", f"/documents{query}", piece) for piece in pieces])
    if arguments.json:
        give_json(told)
    else:
        _show(told, written=arguments.write)
    return int(bool(told.get("failed")))


def _read(file: Path) -> dict[str, Any]:
    try:
        wanted = json.loads(sys.stdin.read() if file == STANDARD_INPUT else file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        message = f"{'what was given' if file == STANDARD_INPUT else file} is no JSON: {error}"
        raise Invalid(message) from error
    if not isinstance(wanted, dict):
        message = "this is no export of webspaced"
        raise Invalid(message)
    return wanted


def _pieces(wanted: Mapping[str, Any], largest: int) -> Iterator[dict[str, Any]]:
    """Give it in parts of so many bytes at most; a webspace that is larger by itself is for the daemon to refuse."""
    webspaces = wanted.get("webspaces")
    piece: dict[str, Any] = {}
    size = 0
    for name, keys in webspaces.items() if isinstance(webspaces, dict) else ():
        more = len(json.dumps({name: keys}))
        if piece and size + more > largest:
            yield {**wanted, "webspaces": piece}
            piece, size = {}, 0
        piece[name], size = keys, size + more
    yield {**wanted, "webspaces": piece} if isinstance(webspaces, dict) else dict(wanted)


def _together(told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Put the answers to the parts together: what no part knows is what the whole does not know."""
    beside = set(told[0]["beside"]).intersection(*(each["beside"] for each in told))
    failed = {name: why for each in told for name, why in each.get("failed", {}).items()}
    return {
        "changes": {name: keys for each in told for name, keys in each["changes"].items()},
        "missing": [name for each in told for name in each["missing"]],
        "beside": sorted(beside),
        **({"failed": failed} if "failed" in told[0] else {}),
    }


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
    parser.add_argument("file", type=Path, metavar="FILE", help="what `webspaced export` gave; -: standard input")
    parser.add_argument("--write", action="store_true", help="write what differs; without it, it is only shown")
    parser.set_defaults(run=_import)


EXPORT = Command(
    name="export", help="give what LXD remembers of all webspaces: config, domains, ports", configure=_configure_export
)
IMPORT = Command(
    name="import", help="compare with what was exported, and write back what differs", configure=_configure_import
)
