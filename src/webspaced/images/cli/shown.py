"""``webspaced-images list`` and ``verify``: of a folder, of an address, or of all streams that the settings name."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from webspaced.base.commands import Command, give, say
from webspaced.base.plugin import read_settings
from webspaced.errors import Invalid
from webspaced.images.cli.chosen import add_config_option
from webspaced.images.core.catalogue import IMAGES
from webspaced.images.ledger import slug
from webspaced.images.settings import SCHEMA
from webspaced.images.snapshot import load_snapshot
from webspaced.images.verifying import document, opener, problems

_ROW = "{:<32} {:<10} {:<20} {:<16} {}"


def _configure_list(parser: argparse.ArgumentParser) -> None:
    add_config_option(parser)
    parser.add_argument("where", nargs="?", help="a folder or an address (default: all streams of the settings)")
    parser.set_defaults(run=_list)


def _configure_verify(parser: argparse.ArgumentParser) -> None:
    add_config_option(parser)
    parser.add_argument("where", nargs="?", help="a folder or an address (default: all folders of the settings)")
    parser.set_defaults(run=_verify)


def _list(arguments: argparse.Namespace) -> int:
    streams = _named(arguments) if arguments.where is None else [(arguments.where, _images(arguments.where))]
    give(_ROW.format("alias", "arch", "version", "key", "stream"))
    for name, images in streams:
        for row in _rows(images):
            give(_ROW.format(*row, name))
    return 0


def _images(where: str) -> Mapping[str, Any]:
    return document(opener(where), IMAGES)


def _named(arguments: argparse.Namespace) -> Iterator[tuple[str, Mapping[str, Any]]]:
    settings = read_settings(SCHEMA, arguments.config)
    for name, root in settings.directories.items():
        if (root / IMAGES).exists():
            yield name, _images(str(root))
    for name in settings.releases.repositories:
        path = settings.data_dir / "snapshots" / f"{slug(name)}.json"
        try:
            snapshot = load_snapshot(path)
        except ValueError as error:
            message = f"{path} cannot be read: {error}"
            raise Invalid(message) from error
        if snapshot is not None:
            yield name, snapshot.images


def _rows(images: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for product in images["products"].values():
        for number, key in enumerate(sorted(product["versions"], reverse=True)):
            path = next(iter(product["versions"][key]["items"].values()))["path"]
            alias = product["aliases"].partition(",")[0] if number == 0 else ""
            yield alias, product["arch"], path.split("/")[-2], key


def _verify(arguments: argparse.Namespace) -> int:
    if arguments.where is None:
        places = [str(root) for root in read_settings(SCHEMA, arguments.config).directories.values() if root.exists()]
    else:
        places = [arguments.where]
    found = 0
    for place in places:
        for problem in problems(opener(place)):
            say(f"{place}: {problem}")
            found += 1
    give(f"{len(places)} streams, {found} problems")
    return 1 if found else 0


LIST = Command(name="list", help="list images", configure=_configure_list)
VERIFY = Command(name="verify", help="read every file that is listed, and compare its hashes", configure=_configure_verify)
