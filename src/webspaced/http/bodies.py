"""Request bodies: JSON objects of which every member is known."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Collection, Mapping
from typing import Any

from twisted.web.iweb import IRequest

from webspaced.core.brief import unknown_among
from webspaced.errors import Invalid
from webspaced.http.about import about_of
from webspaced.http.problems import BodyTooLarge

LARGEST = 4 * 1024
"""Bytes of most bodies: parsing one holds up everybody else, and none needs as much."""
LARGEST_COMMAND = 256 * 1024
"""Bytes of a body with a command, each character of which may be escaped."""
LARGEST_CERTIFICATE = 32 * 1024
"""Bytes of a body with a certificate, its chain and its key."""
MOST_TEXTS = 16
"""In a body that is larger than most."""
_WITH_CERTIFICATE = re.compile(rb"/v1/webspace/[^/?]+/domains/[^/?]+/certificate(?:\?|$)")
_WITH_COMMAND = re.compile(rb"/v1/webspace/[^/?]+/exec(?:\?|$)")
LARGEST_IMPORT = 256 * 1024
"""Bytes of a piece of an operator's import, at the API."""
_WITH_DOCUMENTS = re.compile(rb"/operator/documents(?:\?|$)")


def largest_of(method: bytes, uri: bytes) -> int:
    """Give how many bytes the body of a call may have."""
    if method == b"PUT" and _WITH_CERTIFICATE.match(uri):
        return LARGEST_CERTIFICATE
    if method == b"PUT" and _WITH_DOCUMENTS.match(uri):
        return LARGEST_IMPORT
    return LARGEST_COMMAND if method == b"POST" and _WITH_COMMAND.match(uri) else LARGEST


def body_too_large(largest: int) -> BodyTooLarge:
    """Give the error for a body that is larger than any that makes sense in a call."""
    return BodyTooLarge(f"the body is larger than {largest} bytes")


def read_object(request: IRequest, largest: int = LARGEST) -> dict[str, Any]:
    """Give the body's JSON object.

    :raises Invalid: it is not one.
    """
    text = request.content.read(largest + 1)
    if len(text) > largest:
        raise body_too_large(largest)
    if len(text) > LARGEST and not _is_mostly_text(text):
        message = f"the body is larger than {LARGEST} bytes, and not because of a long text"
        raise Invalid(message)
    found = parse_object(text, "body")
    about = about_of(request)
    if about is not None:
        about.body = found
    return found


def _is_mostly_text(text: bytes) -> bool:
    """Whether the size of a JSON document is that of a few texts: whatever else there is costs much more to parse."""
    parts = text.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"', 2 * MOST_TEXTS)
    return sum(map(len, parts[::2])) <= LARGEST


def read_optional_object(request: IRequest) -> dict[str, Any]:
    """Give the body's JSON object, an empty one without a body: old clients know of none here.

    :raises Invalid: it is something else.
    """
    if not request.content.read(LARGEST + 1).strip():
        return {}
    request.content.seek(0)
    return read_object(request)


def parse_object(text: str | bytes, what: str = "message") -> dict[str, Any]:
    """Give the JSON object that a text is; ``Invalid`` if it is none."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        message = f"the {what} is not JSON"
        raise Invalid(message) from error
    if not isinstance(document, dict):
        message = f"the {what} must be a JSON object"
        raise Invalid(message)
    return document


def check_known(document: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse members that nothing reads: a misspelt one would be lost silently."""
    unknown = unknown_among(document, known)
    if unknown:
        message = f"unknown field: {unknown}"
        raise Invalid(message)


def text_member(document: Mapping[str, Any], name: str) -> str:
    """Give a required, non-empty text member."""
    value = document.get(name)
    if not isinstance(value, str) or not value:
        message = f"{name} must be a text"
        raise Invalid(message)
    return value


def optional_text(document: dict[str, Any], name: str) -> str | None:
    """Give a text member, or ``None`` if it is missing, null or empty: clients send fields that nobody filled in."""
    value = document.get(name)
    if value is not None and not isinstance(value, str):
        message = f"{name} must be a text"
        raise Invalid(message)
    return value or None


def flag_member(document: dict[str, Any], name: str) -> bool:
    """Give a member that is true or false; missing and null are false."""
    value = document.get(name)
    if value is not None and not isinstance(value, bool):
        message = f"{name} must be true or false"
        raise Invalid(message)
    return bool(value)


def seconds_member(document: dict[str, Any], name: str = "seconds") -> float:
    """Give the body's one member, a number of seconds, 0 or more."""
    check_known(document, (name,))
    value = document.get(name)
    # The largest float bounds integers, too: JSON has longer ones, which no float can hold.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= sys.float_info.max:
        message = f"{name} must be a number of seconds, 0 or more"
        raise Invalid(message)
    return float(value)
