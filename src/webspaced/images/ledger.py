"""What became known of files, kept on disk: each is read once, whatever is restarted."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from attrs import asdict, define, field
from twisted.logger import Logger

from webspaced.images.core.facts import Facts, Metadata
from webspaced.lib.files import make_private_directory, replace_file

FORM = 1
"""Of what is written; another one is read anew from the files."""


def slug(name: str) -> str:
    """Give a file name that stands for a stream: readable, and no two names have the same."""
    readable = "".join(each if each.isalnum() else "-" for each in name)[:40]
    return f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


@define
class _Known:
    sha256: dict[str, str] = field(factory=dict)
    combined: dict[tuple[str, str], str] = field(factory=dict)
    metadata: dict[str, Metadata] = field(factory=dict)
    texts: dict[str, str] = field(factory=dict)
    troubles: dict[str, str] = field(factory=dict)


class Ledger:
    """The facts of one stream."""

    log = Logger()

    def __init__(self, path: Path) -> None:
        """Begin with what is in a file, if it is there and can be read."""
        self._path = path
        self._known = self._load()
        self._changed = False

    @property
    def facts(self) -> Facts:
        """All that is known; what is noted later is in it, too."""
        known = self._known
        return Facts(
            sha256=known.sha256, combined=known.combined, metadata=known.metadata, texts=known.texts, troubles=known.troubles
        )

    def note(self, kind: str, key: Any, value: Any) -> None:
        """Note one; ``kind`` is a field of `Facts`."""
        getattr(self._known, kind)[key] = value
        self._changed = True

    def forget_others(self, ids: set[str]) -> None:
        """Forget all files but these."""
        known = self._known
        for kept in (known.sha256, known.metadata, known.texts, known.troubles):
            for each in set(kept) - ids:
                del kept[each]
                self._changed = True
        for pair in [pair for pair in known.combined if not ids.issuperset(pair)]:
            del known.combined[pair]
            self._changed = True

    def save(self) -> None:
        """Write it down, if anything has changed."""
        if not self._changed:
            return
        make_private_directory(self._path.parent)
        known = self._known
        document = {
            "form": FORM,
            "sha256": known.sha256,
            "combined": [[*pair, value] for pair, value in known.combined.items()],
            "metadata": {key: asdict(value) for key, value in known.metadata.items()},
            "texts": known.texts,
            "troubles": known.troubles,
        }
        replace_file(self._path, json.dumps(document).encode())
        self._changed = False

    def _load(self) -> _Known:
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
            return _known(document) if document["form"] == FORM else _Known()
        except FileNotFoundError:
            return _Known()
        except (OSError, ValueError, TypeError, KeyError) as error:
            self.log.warn("{path} cannot be read, and files are read anew: {error}", event="images.facts-lost",
                          path=str(self._path), error=str(error))  # fmt: skip
            return _Known()


def _known(document: Any) -> _Known:
    return _Known(
        sha256=dict(document["sha256"]),
        combined={(one, other): value for one, other, value in document["combined"]},
        metadata={key: Metadata(**value) for key, value in document["metadata"].items()},
        texts=dict(document["texts"]),
        troubles=dict(document["troubles"]),
    )
