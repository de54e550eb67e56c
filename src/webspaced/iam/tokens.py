"""What can be said of a token without IAM's key: whether it can be one, and what it claims.

A claim proves nothing until IAM has said that the token is valid.
"""

from __future__ import annotations

import base64
import json
import math
import re
from typing import Any

from attrs import frozen

from webspaced.errors import Unauthenticated

LONGEST_TOKEN = 8192
"""Characters; Twisted takes header lines of 16 KiB."""
_JWT = re.compile(r"[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+")
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")


@frozen(kw_only=True)
class Claims:
    """``subject``: the user id as text, empty where there is none; ``expires``: seconds since the epoch."""

    subject: str
    expires: float


def is_bearer_token(text: str) -> bool:
    """Whether a text may stand in an Authorization header (RFC 6750, section 2.1)."""
    return len(text) <= LONGEST_TOKEN and _BEARER.fullmatch(text) is not None


def read_claims(token: str) -> Claims:
    """Read a JWT (RFC 7519) without verifying it.

    :raises Unauthenticated: it is none, so that nobody need be asked.
    """
    match = _JWT.fullmatch(token) if len(token) <= LONGEST_TOKEN else None
    document = None if match is None else _payload(match[1])
    if not isinstance(document, dict):
        message = "the token is malformed"
        raise Unauthenticated(message)
    subject = document.get("sub")
    return Claims(subject=subject if isinstance(subject, str) else "", expires=_seconds(document.get("exp")))


def _payload(text: str) -> Any:
    try:
        return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, RecursionError):
        return None


def _seconds(value: Any) -> float:
    """Give a time; what is none never comes: IAM decides on it, this only bounds what is remembered."""
    try:
        return float(value) if not math.isnan(value) else math.inf
    except (TypeError, ValueError, OverflowError):
        return math.inf
