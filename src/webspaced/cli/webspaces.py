"""``webspaced list``, ``suspend``, ``resume`` and ``evict``: the webspaces."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from webspaced.cli.command import Command, give
from webspaced.cli.daemon import add_daemon_options, daemon_of
from webspaced.cli.shown import ago, give_json, give_table, size

SORTS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "id": lambda each: each["id"],
    "user": lambda each: each["user"] or "",
    "active": lambda each: each["lastActive"] or "",
    "memory": lambda each: -(each["memory"] or 0),
}
DEPTHS = ("awake", "dozing", "asleep", "unknown")


def _list(arguments: argparse.Namespace) -> int:
    wants_memory = arguments.memory or arguments.sort == "memory"
    told = daemon_of(arguments).ask("GET", "/webspaces?memory=1" if wants_memory else "/webspaces")
    chosen = sorted((each for each in told["webspaces"] if _fits(each, arguments)), key=SORTS[arguments.sort])
    if arguments.json:
        give_json(chosen)
        return 0
    heads = ("ID", "USER", "DEPTH", "DESIRED", "LAST ACTIVE", *(("MEMORY",) if wants_memory else ()), "CONDITIONS")
    give_table(heads, (_row(each, memory=wants_memory) for each in chosen))
    return 0


def _fits(each: Mapping[str, Any], arguments: argparse.Namespace) -> bool:
    if arguments.depth and each["depth"] not in arguments.depth:
        return False
    if arguments.desired and each["desired"]["desired"] != arguments.desired:
        return False
    return bool(each["conditions"]) or not arguments.troubled


def _row(each: Mapping[str, Any], *, memory: bool) -> list[str]:
    kinds = ", ".join(condition["kind"] for condition in each["conditions"])
    known = [size(each["memory"])] if memory else []
    last = ago(each["lastActive"]) if each["lastActive"] else "-"
    return [str(each["id"]), each["user"] or "-", each["depth"], each["desired"]["desired"], last, *known, kinds]


def _path(arguments: argparse.Namespace, what: str) -> str:
    return f"/webspaces/{quote(arguments.who, safe=':')}/{what}"


def _suspend(arguments: argparse.Namespace) -> int:
    wanted = {"desired": "suspended", "reason": arguments.reason, "publicReason": arguments.public or ""}
    told = daemon_of(arguments).ask("PUT", _path(arguments, "desired"), wanted)
    return _said(arguments, told, f"webspace {told['id']} is suspended: it stays off, and its member sees the reason")


def _resume(arguments: argparse.Namespace) -> int:
    told = daemon_of(arguments).ask("PUT", _path(arguments, "desired"), {"desired": "auto"})
    return _said(arguments, told, f"webspace {told['id']} may run again: the next visit wakes it")


def _evict(arguments: argparse.Namespace) -> int:
    told = daemon_of(arguments).ask("POST", _path(arguments, "evict"))
    text = "is stopped; the next visit wakes it" if told["stopped"] else f"has nothing to stop: it is {told['status']}"
    return _said(arguments, told, f"webspace {told['id']} {text}")


def _said(arguments: argparse.Namespace, told: Any, text: str) -> int:
    give_json(told) if arguments.json else give(text)
    return 0


def _configure_list(parser: argparse.ArgumentParser) -> None:
    add_daemon_options(parser)
    parser.add_argument("--depth", action="append", choices=DEPTHS, help="only those that sleep so deep; may be repeated")
    parser.add_argument("--desired", choices=("auto", "stopped", "suspended"), help="only those of which this is wanted")
    parser.add_argument("--troubled", action="store_true", help="only those with a condition")
    parser.add_argument("--memory", action="store_true", help="ask LXD for the memory of each that has processes")
    parser.add_argument(
        "--sort", choices=sorted(SORTS), default="id",
        help="the order: active begins with who was idle longest, memory with who has most (default: id)",
    )  # fmt: skip
    parser.set_defaults(run=_list)


def _of_one(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.ArgumentParser], None]:
    def configure(parser: argparse.ArgumentParser) -> None:
        add_daemon_options(parser)
        parser.add_argument("who", metavar="WHO", help="a username, id:NUMBER, or the instance's name")
        if run is _suspend:
            parser.add_argument("--reason", required=True, metavar="TEXT", help="for its member")
            parser.add_argument("--public", metavar="TEXT", help="for its visitors")
        parser.set_defaults(run=run)

    return configure


LIST = Command(name="list", help="list the webspaces", configure=_configure_list)
SUSPEND = Command(
    name="suspend", help="stop a webspace, and keep it off until you say otherwise", configure=_of_one(_suspend)
)
RESUME = Command(name="resume", help="let a suspended webspace run again", configure=_of_one(_resume))
EVICT = Command(name="evict", help="stop a webspace in order, now; the next visit wakes it", configure=_of_one(_evict))

