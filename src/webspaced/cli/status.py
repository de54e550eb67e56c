"""``webspaced status``, ``sync`` and ``routes``: how the daemon stands."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from webspaced.cli.command import Command, give
from webspaced.cli.daemon import Daemon, add_daemon_options, daemon_of
from webspaced.cli.shown import give_json, give_table
from webspaced.errors import WebspacedError

WATCH = 2.0
"""Seconds between looks."""
CLEAR = "\x1b[H\x1b[J"


def _status(arguments: argparse.Namespace) -> int:
    daemon = daemon_of(arguments)
    while arguments.watch:
        _look(daemon, as_json=arguments.json)
        time.sleep(WATCH)
    told = daemon.ask("GET", "/status")
    give_json(told) if arguments.json else _show(told)
    return 0 if told["ready"] and told["lxd"] and not told["trouble"] else 1


def _look(daemon: Daemon, *, as_json: bool) -> None:
    """Show it once of many times; that it is away is shown as well."""
    if sys.stdout.isatty():
        sys.stdout.write(CLEAR)
    try:
        told = daemon.ask("GET", "/status")
    except WebspacedError as error:
        give(str(error))
        return
    give_json(told) if as_json else _show(told)
    sys.stdout.flush()


def _show(told: Mapping[str, Any]) -> None:
    # Whoever leads has to renew that in LXD or in Kubernetes.
    stands = "leads" if told["leads"] else "stands by" if told["lxd"] else "does not lead"
    if told["leader"] and not told["leads"]:
        stands = f"{stands} ({told['leader']} leads)"
    give(f"webspaced {told['version']}: {'ready' if told['ready'] else 'not ready yet'}, {stands}")
    give(f"LXD: {'its events come' if told['lxd'] else 'away'}")
    give(f"webspaces: {_counts(told['webspaces']) or 'none'}")
    give(f"wanted: {_counts(told['desired']) or '-'}")
    give(f"boots under way: {told['boots_under_way']}, waiting for room: {told['waiting_for_room']}")
    give(f"routes to write: {told['routes_to_write']}")
    give(f"conditions: {_counts(told['conditions']) or 'none'}")
    if told["trouble"]:
        give(f"trouble: {told['trouble']}")


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def _sync(arguments: argparse.Namespace) -> int:
    told = daemon_of(arguments).ask("POST", "/sync")
    give_json(told) if arguments.json else _show(told)
    return 0


def _reload(arguments: argparse.Namespace) -> int:
    told = daemon_of(arguments).ask("POST", "/reload")
    if arguments.json:
        give_json(told)
        return 0
    applied = ", ".join(told["applied"]) or "nothing, as nothing has changed that a reload puts into effect"
    give(f"in effect: {applied}")
    if told["restart"]:
        give(f"a restart is needed for: {', '.join(told['restart'])}")
    return 0


def _routes(arguments: argparse.Namespace) -> int:
    told = _asked_routes(daemon_of(arguments), only_differing=arguments.diff)
    if arguments.json:
        give_json(told)
    elif arguments.diff:
        give_table(("ROUTE", "WANTED", "ACTUAL", "WHY"), (
            (name, *_sides(each), each["why"] or "about to be written")
            for name, each in told["differing"].items()
        ))  # fmt: skip
    else:
        give_table(("ROUTE", "LEADS TO", "HOSTS"), (
            (name, _leads(each), " ".join(each["hosts"])) for name, each in told["routes"].items()
        ))  # fmt: skip
    return 1 if arguments.diff and told["differing"] else 0


def _asked_routes(daemon: Daemon, *, only_differing: bool) -> dict[str, Any]:
    told: dict[str, Any] = daemon.ask("GET", "/routes")
    return {"differing": told["differing"]} if only_differing else told


def _sides(each: Mapping[str, Any]) -> tuple[str, str]:
    """Give what is wanted and what is, in so much detail that it differs."""
    wanted, actual = _leads(each["wanted"]), _leads(each["actual"])
    if wanted != actual:
        return wanted, actual
    members = [name for name in each["wanted"] or {} if each["wanted"][name] != (each["actual"] or {}).get(name)]
    return _members(each["wanted"], members), _members(each["actual"], members)


def _members(route: Mapping[str, Any] | None, names: Sequence[str]) -> str:
    told = "; ".join(f"{name}: {(route or {}).get(name)}" for name in names)
    return told or "the same; written anew"


def _leads(route: Mapping[str, Any] | None) -> str:
    if route is None:
        return "-"
    return f"{route['backend']} ({'tls passed through' if route['passthrough'] else route['protocol']})"


def _configure_status(parser: argparse.ArgumentParser) -> None:
    add_daemon_options(parser)
    parser.add_argument("--watch", action="store_true", help=f"show it every {WATCH:g} seconds, until Ctrl-C")
    parser.set_defaults(run=_status)


def _configure_sync(parser: argparse.ArgumentParser) -> None:
    add_daemon_options(parser)
    parser.set_defaults(run=_sync)


def _configure_reload(parser: argparse.ArgumentParser) -> None:
    add_daemon_options(parser)
    parser.set_defaults(run=_reload)


def _configure_routes(parser: argparse.ArgumentParser) -> None:
    add_daemon_options(parser)
    parser.add_argument(
        "--diff", action="store_true", help="only those that are not published as they are wanted, and why; status 1 if any"
    )
    parser.set_defaults(run=_routes)


STATUS = Command(
    name="status", help="show how the daemon stands; status 1 if something is wrong", configure=_configure_status
)
SYNC = Command(name="sync", help="read everything anew from LXD, and bring all in order", configure=_configure_sync)
RELOAD = Command(
    name="reload", help="let the daemon read its settings again; wrong ones change nothing, status 1",
    configure=_configure_reload,
)  # fmt: skip
ROUTES = Command(name="routes", help="show which routes are published", configure=_configure_routes)
