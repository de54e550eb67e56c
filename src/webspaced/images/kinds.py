"""Kinds of settings that only the image server has: mappings by names of streams and images.

In a variable a mapping is written as YAML on one line, such as ``{local:docker: 20.10.8}``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from attrs import frozen

from webspaced.images.core.manifest import TEXTS, Manifest, manifest_of
from webspaced.images.core.names import image_and_version
from webspaced.images.core.version import Version
from webspaced.settings.kinds import PATH, Kind, matching

T = TypeVar("T")
_STREAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*){0,3}", re.ASCII)
EVERY = "*"


@frozen
class ImageName:
    """An image of a stream."""

    stream: str
    image: str

    def __str__(self) -> str:
        return f"{self.stream}:{self.image}"


def _mapping(name: str, key: Callable[[str], Any], value: Callable[[object], T], raw: Callable[[T], object],
             *, echo: bool = True) -> Kind[Any]:  # fmt: skip
    def parse(given: object) -> Mapping[Any, T]:
        document = _yaml(given) if isinstance(given, str) else given
        if not isinstance(document, Mapping):
            raise ValueError("must be a mapping")  # noqa: TRY004 - see Kind
        return {key(_text(one)): _value(str(one) if echo else "a key", value, other) for one, other in document.items()}

    def shown(found: Mapping[Any, T]) -> object:
        return {str(one): raw(other) for one, other in found.items()}

    return Kind(name, parse, shown, echo)


def _yaml(text: str) -> object:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        raise ValueError("must be a mapping, written as YAML") from None


def _text(key: object) -> str:
    if not isinstance(key, str):
        raise ValueError("must be a mapping by names (put them in quotes)")  # noqa: TRY004 - see Kind
    return key


def _value(key: str, read: Callable[[object], T], value: object) -> T:
    try:
        return read(value)
    except ValueError as error:
        raise ValueError(f"has a wrong value for {key}, which {error}") from None


def _stream(text: str) -> str:
    if not _STREAM.fullmatch(text):
        raise ValueError("must have names of streams such as local or owner/repository")
    return text


def _image(text: str) -> ImageName:
    stream, colon, image = text.partition(":")
    if not colon or image_and_version(f"{image}/v0") is None:
        raise ValueError("must name images as <stream>:<image>")
    return ImageName(_stream(stream), image)


def _version(value: object) -> Version:
    # YAML reads 1.10 as the number 1.1.
    text = value if isinstance(value, str) else ""
    if image_and_version(f"x/{text}") is None:
        raise ValueError("must be a version, in quotes where it looks like a number")
    return Version(text)


def _withdrawn(value: object) -> tuple[ImageName, Version]:
    name, _, version = (value if isinstance(value, str) else "").rpartition("/")
    return _image(name), _version(version)


def _manifest(value: object) -> Manifest:
    try:
        return manifest_of(value)
    except ValueError as error:
        raise ValueError(f"is wrong: {error}") from None


def _manifest_raw(manifest: Manifest) -> object:
    found = {
        "aliases": list(manifest.aliases),
        "end_of_life": manifest.end_of_life,
        "requirements": dict(manifest.requirements),
        **{key: manifest.texts.get(key) for key in TEXTS},
    }
    return {key: value for key, value in found.items() if value}


def _passwords(value: object) -> Mapping[str, str]:
    if not isinstance(value, Mapping) or not value:
        raise ValueError("must be a mapping of names to passwords")
    for name, password in value.items():
        if not isinstance(name, str) or not isinstance(password, str) or not password or ":" in name:
            raise ValueError("must be a mapping of names, without colons, to passwords in quotes")
    return dict(value)


REPOSITORY = matching(
    "repository", r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}/(?:\*|[A-Za-z0-9_.-]{0,99}[A-Za-z0-9_-])",
    "<owner>/<repository> or <owner>/*",
)  # fmt: skip
DIRECTORIES: Kind[Mapping[str, Path]] = _mapping("streams to paths", _stream, PATH.parse, str)
ACCESS: Kind[Mapping[str, Mapping[str, str]]] = _mapping(
    "streams to passwords", lambda text: text if text == EVERY else _stream(text), _passwords, dict, echo=False
)
PINS: Kind[Mapping[ImageName, Version]] = _mapping("images to versions", _image, _version, lambda version: version.text)
MANIFESTS: Kind[Mapping[ImageName, Manifest]] = _mapping("images to manifests", _image, _manifest, _manifest_raw)
WITHDRAWN: Kind[tuple[ImageName, Version]] = Kind("version", _withdrawn, lambda one: f"{one[0]}/{one[1].text}")
