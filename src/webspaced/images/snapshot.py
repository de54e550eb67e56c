"""What is served of a stream: both documents as bytes and the files that they name, made together and swapped at once.

A snapshot is kept on disk, so that it is served after a restart, also while nobody answers upstream.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import asdict, evolve, field, frozen

from webspaced.images.core.catalogue import IMAGES, INDEX, Catalogue, File
from webspaced.images.core.release import Asset
from webspaced.lib.files import make_private_directory, replace_file

FORM = 1
LINGER = 2 * 3600.0
"""Seconds for which a file is served after it is listed no more: clients go by a list of up to an hour ago, and a download
may last."""


@frozen
class Body:
    """A document's bytes, as they are and by gzip."""

    plain: bytes
    packed: bytes
    digest: str

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Body:
        """Write a document; the same one always gives the same bytes."""
        plain = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
        return cls(plain, gzip.compress(plain, mtime=0), hashlib.sha256(plain).hexdigest())


@frozen(kw_only=True)
class Snapshot:
    """``files`` by path, ``retired`` those listed no more with the moment at which they go, in seconds since the epoch.

    ``checked``: when the source last said that this is what there is.
    """

    bodies: Mapping[str, Body]
    images: Mapping[str, Any]
    files: Mapping[str, File]
    checked: float
    retired: Mapping[str, tuple[File, float]] = field(factory=dict)

    @classmethod
    def of(cls, catalogue: Catalogue, checked: float) -> Snapshot:
        """Give that of a catalogue."""
        bodies = {INDEX: Body.of(catalogue.index), IMAGES: Body.of(catalogue.images)}
        return cls(bodies=bodies, images=catalogue.images, files=catalogue.files, checked=checked)

    def after(self, before: Snapshot | None, now: float) -> Snapshot:
        """Give the same with what is to be served for a while yet of the one before it."""
        if before is None:
            return self
        gone = {path: (file, now + LINGER) for path, file in before.files.items()}
        retired = {**gone, **before.retired}
        kept = {path: one for path, one in retired.items() if path not in self.files and one[1] > now}
        return evolve(self, retired=kept)

    def file(self, path: str, now: float) -> File | None:
        """Give what is at a path."""
        retired = self.retired.get(path)
        late = retired[0] if retired is not None and retired[1] > now else None
        return self.files.get(path) or late

    def assets(self) -> Iterator[Asset]:
        """Give all files that are served."""
        yield from (file.asset for file in self.files.values())
        yield from (file.asset for file, _ in self.retired.values())

    def save(self, path: Path) -> None:
        """Write it down in one step."""
        make_private_directory(path.parent)
        document = {
            "form": FORM,
            "checked": self.checked,
            "index": json.loads(self.bodies[INDEX].plain),
            "images": self.images,
            "files": {path: _file_document(file) for path, file in self.files.items()},
            "retired": {path: [_file_document(file), until] for path, (file, until) in self.retired.items()},
        }
        replace_file(path, json.dumps(document).encode())


def _file_document(file: File) -> Mapping[str, Any]:
    return {"asset": asdict(file.asset), "sha256": file.sha256}


def _file(document: Any) -> File:
    return File(Asset(**document["asset"]), document["sha256"])


def load_snapshot(path: Path) -> Snapshot | None:
    """Give the one that was written last; None if there is none of this version.

    :raises ValueError: it cannot be read.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["form"] != FORM:
            return None
        return Snapshot(
            bodies={INDEX: Body.of(document["index"]), IMAGES: Body.of(document["images"])},
            images=document["images"],
            files={path: _file(one) for path, one in document["files"].items()},
            checked=float(document["checked"]),
            retired={path: (_file(one), float(until)) for path, (one, until) in document["retired"].items()},
        )
    except FileNotFoundError:
        return None
    except (OSError, TypeError, KeyError) as error:
        message = f"{type(error).__name__}: {error}"
        raise ValueError(message) from error
