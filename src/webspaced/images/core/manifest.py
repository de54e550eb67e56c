"""What is said of an image beside its metadata: by a release's ``manifest.yaml``, or by the operator's settings.

.. code-block:: yaml

    aliases: [docker/latest]
    end_of_life: 2027-04-30
    requirements: {secureboot: "false"}
    os: Ubuntu
    release: focal
    variant: docker
    description: Docker on Ubuntu
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from attrs import field, frozen

from webspaced.images.core.yaml_text import read_yaml

_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,99}", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
TEXTS = ("os", "release", "variant", "description")


@frozen(kw_only=True)
class Manifest:
    """``aliases`` are beside the image's name; ``texts`` go before what metadata says, by its names of properties."""

    aliases: tuple[str, ...] = ()
    end_of_life: str | None = None
    """YYYY-MM-DD."""
    requirements: Mapping[str, str] = field(factory=dict)
    texts: Mapping[str, str] = field(factory=dict)


def read_manifest(text: str) -> Manifest:
    """Read a manifest; ``ValueError`` says what is wrong with it."""
    document = read_yaml(text, "manifest.yaml")
    try:
        return manifest_of({} if document is None else document)
    except ValueError as error:
        message = f"manifest.yaml: {error}"
        raise ValueError(message) from None


def manifest_of(document: object) -> Manifest:
    """Check what a manifest holds; ``ValueError`` names the key."""
    if not isinstance(document, Mapping):
        raise _wrong("it", "a mapping")
    unknown = set(document) - {"aliases", "end_of_life", "requirements", *TEXTS}
    if unknown:
        message = f"unknown key {min(map(str, unknown))}"
        raise ValueError(message)
    return Manifest(
        aliases=_aliases(_given(document, "aliases", ())),
        end_of_life=_day(document.get("end_of_life")),
        requirements=_requirements(_given(document, "requirements", {})),
        texts={key: _one_line(key, document[key]) for key in TEXTS if document.get(key) is not None},
    )


def _given(document: Mapping[Any, Any], key: str, default: object) -> object:
    value = document.get(key)
    return default if value is None else value


def _aliases(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) and _ALIAS.fullmatch(each) for each in value):
        raise _wrong("aliases", "a list of names, without commas")
    return tuple(value)


def _day(value: object) -> str | None:
    # YAML reads a date as one.
    text = value.isoformat() if isinstance(value, date) else value
    if text is None:
        return None
    try:
        return date.fromisoformat(text if isinstance(text, str) else "").isoformat()
    except ValueError:
        raise _wrong("end_of_life", "a date such as 2027-04-30") from None


def _requirements(value: object) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        raise _wrong("requirements", "a mapping")
    return {_key(key): _flat("requirements", one) for key, one in value.items()}


def _key(key: Any) -> str:
    if not isinstance(key, str) or not _WORD.fullmatch(key):
        raise _wrong("requirements", "a mapping of names")
    return key


def _flat(key: str, value: object) -> str:
    # YAML reads an unquoted true as one; LXD has texts only.
    return str(value).lower() if isinstance(value, bool) else _one_line(key, value)


def _one_line(key: str, value: object) -> str:
    text = str(value) if isinstance(value, str | int | float) else ""
    if not text or not text.isprintable():
        raise _wrong(key, "a text of one line")
    return text


def _wrong(key: str, wanted: str) -> ValueError:
    return ValueError(f"{key} must be {wanted}")


def merged(under: Manifest, over: Manifest) -> Manifest:
    """Give both in one; ``over`` goes before."""
    return Manifest(
        aliases=tuple(dict.fromkeys((*under.aliases, *over.aliases))),
        end_of_life=over.end_of_life or under.end_of_life,
        requirements={**under.requirements, **over.requirements},
        texts={**under.texts, **over.texts},
    )
