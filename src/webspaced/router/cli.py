"""The command ``webspaced-router``: what the router's settings come to elsewhere, and what its log tells."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import yaml

from webspaced.base.commands import Command, add_config, exec_twistd, give, parser_of, run_command, say
from webspaced.base.plugin import read_settings
from webspaced.errors import Invalid, NotFound, Unavailable
from webspaced.router import keepalived, old_values, parts
from webspaced.router.address_log import search
from webspaced.router.guards import guards
from webspaced.router.plan import Reservation
from webspaced.router.programs import find
from webspaced.router.rules import ruleset
from webspaced.router.settings import SCHEMA, Settings

TIMEOUT = 10.0
LARGEST = 64 * 1024 * 1024
"""Bytes of a plan."""


def _settings(arguments: argparse.Namespace) -> Settings:
    return read_settings(SCHEMA, arguments.config)


def _with_settings(parser: argparse.ArgumentParser) -> None:
    add_config(parser, SCHEMA, "the router's")


def reservations_of(text: str | bytes) -> list[Reservation]:
    """Read the router's ``/leases``.

    :raises Invalid: it is something else.
    """
    fours: dict[str, IPv4Address] = {}
    sixes: dict[str, IPv6Address] = {}
    try:
        for each in json.loads(text):
            address = ip_address(each["address"])
            if isinstance(address, IPv4Address):
                fours[each["hwaddr"]] = address
            else:
                sixes[each["hwaddr"]] = address
    except (ValueError, KeyError, TypeError) as error:
        message = "that is no plan of addresses"
        raise Invalid(message) from error
    return [Reservation(mac=mac, address=address, address6=sixes.get(mac)) for mac, address in fours.items()]


def _fetch(url: str) -> bytes:
    try:
        with urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310  (the operator's own word)
            text: bytes = answer.read(LARGEST)
            return text
    except (URLError, OSError, ValueError) as error:
        message = f"{url} cannot be read: {error}"
        raise Unavailable(message) from error


def _guards_text(settings: Settings, plan: str | None) -> str:
    bound = None if plan is None else reservations_of(_fetch(plan))
    return guards(parts.lan_of(settings), parts.guarding_of(settings, bound))


def _run_router(arguments: argparse.Namespace) -> int:
    config = () if arguments.config is None else ("--config", str(arguments.config))
    return exec_twistd("webspaced-router", *config)


def _configure_run(parser: argparse.ArgumentParser) -> None:
    _with_settings(parser)
    parser.set_defaults(run=_run_router)


def _run_guards(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    if not arguments.load:
        give(_guards_text(settings, arguments.plan).rstrip("\n"))
        return 0
    nft = find("nft", "nftables")
    for text in _changes(settings, arguments.plan, arguments.every):
        _load(nft, text)
    return 0


def _changes(settings: Settings, plan: str | None, every: float) -> Iterator[str]:
    """Give the rules, and again whenever they are others; with a pause of 0 once. What cannot be read changes nothing."""
    before = ""
    while True:
        try:
            text = _guards_text(settings, plan)
        except (Unavailable, Invalid) as error:
            if not every:
                raise
            say(f"the guards stay as they are: {error}")
        else:
            if text != before:
                before = text
                yield text
        if not every:
            return
        time.sleep(every)


def _load(nft: str, text: str) -> None:
    done = subprocess.run([nft, "-f", "-"], input=text, text=True, capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        message = f"nft does not take the guards: {done.stderr.strip()[:300]}"
        raise Unavailable(message)


def _configure_guards(parser: argparse.ArgumentParser) -> None:
    _with_settings(parser)
    parser.add_argument(
        "--plan",
        metavar="URL",
        help="bind addresses to those who have them, as the router's /leases tells (router.plan_address)",
    )
    parser.add_argument("--load", action="store_true", help="load them by nft instead of printing them; needs root")
    parser.add_argument(
        "--every",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="with --load: read the plan again so often, and never end",
    )
    parser.set_defaults(run=_run_guards)


def _run_rules(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    give(ruleset(parts.lan_of(settings), parts.limits_of(settings)).rstrip("\n"))
    return 0


def _configure_rules(parser: argparse.ArgumentParser) -> None:
    _with_settings(parser)
    parser.set_defaults(run=_run_rules)


def _run_keepalived(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    text = keepalived.configuration(parts.lan_of(settings), settings.operators_address, arguments.priority, arguments.group)
    give(text.rstrip("\n"))
    return 0


def _configure_keepalived(parser: argparse.ArgumentParser) -> None:
    _with_settings(parser)
    parser.add_argument("--priority", type=int, default=100, help="1 to 254, another one on each router (default: 100)")
    parser.add_argument("--group", type=int, default=keepalived.GROUP, help="the virtual router's number, 1 to 255")
    parser.set_defaults(run=_run_keepalived)


def _run_convert(arguments: argparse.Namespace) -> int:
    try:
        values = yaml.safe_load(arguments.values.read_bytes()) or {}
    except yaml.YAMLError as error:
        message = f"{arguments.values} is not YAML"
        raise Invalid(message) from error
    if not isinstance(values, Mapping):
        message = f"{arguments.values} holds no values of a chart"
        raise Invalid(message)
    converted, strange = old_values.convert(values)
    for line in strange:
        say(line)
    give(yaml.safe_dump(converted, sort_keys=False).rstrip("\n"))
    return 0


def _configure_convert(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("values", type=Path, metavar="FILE", help="values of the chart dnsmasq 0.1.5")
    parser.set_defaults(run=_run_convert)


def _run_who(arguments: argparse.Namespace) -> int:
    folder = _settings(arguments).data_dir / "addresses"
    try:
        found: list[Mapping[str, Any]] = list(search(folder, arguments.address, arguments.day))
    except FileNotFoundError as error:
        message = f"there is no log of {arguments.day} in {folder}"
        raise NotFound(message) from error
    for record in found:
        give(json.dumps(record))
    return 0


def _configure_who(parser: argparse.ArgumentParser) -> None:
    _with_settings(parser)
    parser.add_argument("address", type=ip_address, help="the address that somebody complains of")
    today = datetime.now(UTC).date()
    parser.add_argument("--day", type=date.fromisoformat, default=today, help="of which day, in UTC (default: today)")
    parser.set_defaults(run=_run_who)


COMMANDS: tuple[Command, ...] = (
    Command(name="run", help="run the router, as twistd -n webspaced-router does", configure=_configure_run),
    Command(name="guards", help="print or load the rules of LXD's members", configure=_configure_guards),
    Command(name="rules", help="print the rules of the router", configure=_configure_rules),
    Command(
        name="keepalived", help="print keepalived's configuration for one of two routers", configure=_configure_keepalived
    ),
    Command(name="convert", help="print the settings that a former chart's values come to", configure=_configure_convert),
    Command(name="who", help="tell who had an address", configure=_configure_who),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and give the exit status."""
    return run_command(
        parser_of("webspaced-router", "Addresses, names and the way out for containers.", COMMANDS), arguments
    )


if __name__ == "__main__":
    sys.exit(main())
