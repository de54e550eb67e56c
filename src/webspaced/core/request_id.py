"""Ids of requests as clients choose them (``X-Request-ID``)."""

from __future__ import annotations

import re

_ID = re.compile(r"[A-Za-z0-9._~+/=:-]{1,64}")
"""What other programs make: UUIDs, ULIDs, base64, traces."""


def is_request_id(text: str) -> bool:
    """Whether an id is short and harmless enough to stand in answers and logs."""
    return _ID.fullmatch(text) is not None
