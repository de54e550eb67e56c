"""What became known of files by reading them, once for each: hashes, and what metadata says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from attrs import field, frozen

from webspaced.images.core.yaml_text import read_yaml

_SUM = re.compile(r"\s*([0-9A-Fa-f]{64})(?:\s|$)", re.ASCII)
LONGEST_TEXT = 1024
"""Characters of a property: more would be no name of anything."""


@frozen(kw_only=True)
class Metadata:
    """What ``metadata.yaml`` of an image says. ``created`` and ``expires``: seconds since the epoch, 0 for never."""

    properties: Mapping[str, str] = field(factory=dict)
    created: float = 0.0
    expires: float = 0.0


@frozen(kw_only=True)
class Facts:
    """All that is known: by the id of the asset, and ``combined`` by those of metadata and root."""

    sha256: Mapping[str, str] = field(factory=dict)
    combined: Mapping[tuple[str, str], str] = field(factory=dict)
    metadata: Mapping[str, Metadata] = field(factory=dict)
    texts: Mapping[str, str] = field(factory=dict)
    """Of checksum files and manifests."""
    troubles: Mapping[str, str] = field(factory=dict)
    """Why a file could not be read, for good."""


def read_metadata(text: str) -> Metadata:
    """Read ``metadata.yaml``; ``ValueError`` says what is wrong with it."""
    document = read_yaml(text, "metadata.yaml")
    if not isinstance(document, Mapping):
        message = "metadata.yaml is no mapping"
        raise ValueError(message)  # noqa: TRY004  (what callers handle)
    properties = document.get("properties")
    return Metadata(
        properties=_texts(properties if isinstance(properties, Mapping) else {}),
        created=_moment(document.get("creation_date")),
        expires=_moment(document.get("expiry_date")),
    )


def _texts(properties: Mapping[Any, Any]) -> Mapping[str, str]:
    # Of a list that holds itself many times over, the text alone would fill the memory.
    plain = ((key, value) for key, value in properties.items() if isinstance(value, str | int | float | date))
    return {str(key)[:LONGEST_TEXT]: str(value)[:LONGEST_TEXT] for key, value in plain}


def _moment(value: object) -> float:
    latest = 253402300799  # the end of the year 9999
    return float(value) if isinstance(value, int | float) and 0 < value <= latest else 0.0


def read_sum(text: str) -> str | None:
    """Give the SHA-256 at the beginning of a checksum file, in small letters; None if there is none."""
    match = _SUM.match(text)
    return None if match is None else match[1].lower()
