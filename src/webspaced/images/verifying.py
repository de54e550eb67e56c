"""Checks a stream as a client would, and more: every file that its documents name, by size, hash and combined hash."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any
from urllib.request import Request, urlopen

from webspaced.core.json_text import parse as parse_json
from webspaced.errors import Invalid
from webspaced.images.core.catalogue import IMAGES, INDEX
from webspaced.images.core.names import ROOTS
from webspaced.images.reading import PIECE

Open = Callable[[str], IO[bytes]]
"""Opens a path of the stream."""
TIMEOUT = 60.0


def opener(where: str) -> Open:
    """Give what opens the paths of a stream: below an address, or in a folder."""
    if where.startswith(("http://", "https://")):
        return lambda path: urlopen(Request(f"{where.rstrip('/')}/{path}"), timeout=TIMEOUT)  # noqa: S310
    return lambda path: Path(where, path).open("rb")


def document(opened: Open, path: str) -> Mapping[str, Any]:
    """Read a document; ``Invalid`` if there is none."""
    try:
        with opened(path) as stream:
            found = parse_json(stream.read())
    except (OSError, ValueError) as error:
        message = f"{path} cannot be read: {error}"
        raise Invalid(message) from error
    if not isinstance(found, dict):
        message = f"{path} is no document"
        raise Invalid(message)
    return found


def problems(opened: Open) -> Iterator[str]:
    """Tell what is wrong with a stream, line by line, while it is read; nothing if it is as it should be.

    :raises Invalid: there is no stream.
    """
    index, images = document(opened, INDEX), document(opened, IMAGES)
    listed = [name for entry in index["index"].values() for name in entry["products"]]
    if listed != list(images["products"]):
        yield f"{INDEX} names other products than {IMAGES}"
    for name, product in images["products"].items():
        for key, version in product["versions"].items():
            yield from (f"{name} {key}: {problem}" for problem in _version(opened, version["items"], product["versions"]))


def _version(opened: Open, items: Mapping[str, Any], versions: Mapping[str, Any]) -> Iterator[str]:
    seen: dict[str, str] = {}
    metadata = items.get("lxd.tar.xz")
    for item in items.values():
        base = item.get("delta_base")
        if base is not None and base not in versions:
            yield f"{item['path']}: its base {base} is not listed"
        if item["path"] in seen:
            continue
        seen[item["path"]] = item["sha256"]
        try:
            yield from _file(opened, item, metadata)
        except OSError as error:
            yield f"{item['path']}: {error}"


def _file(opened: Open, item: Mapping[str, Any], metadata: Mapping[str, Any] | None) -> Iterator[str]:
    kind = next((kind for kind in ROOTS if kind.ftype == item["ftype"]), None)
    both = hashlib.sha256()
    if kind is not None and metadata is not None:
        with opened(metadata["path"]) as stream:
            _read(stream, both)
    alone = hashlib.sha256()
    with opened(item["path"]) as stream:
        size = _read(stream, alone, both)
    if size != item["size"]:
        yield f"{item['path']}: has {size} bytes, and {item['size']} are said"
    if alone.hexdigest() != item["sha256"]:
        yield f"{item['path']}: is {alone.hexdigest()}, and {item['sha256']} is said"
    if kind is not None:
        for key in kind.combined:
            said = None if metadata is None else metadata.get(key)
            if said != both.hexdigest():
                yield f"{item['path']}: with its metadata it is {both.hexdigest()}, and {key} says {said}"


def _read(stream: IO[bytes], *digests: Any) -> int:
    size = 0
    while piece := stream.read(PIECE):
        size += len(piece)
        for digest in digests:
            digest.update(piece)
    return size
