"""Telling an HTTP visitor why its webspace cannot be woken."""

from __future__ import annotations

import math

from webspaced.errors import BootFailed, NotFound, Temporary

DEFAULT_RETRY_AFTER = 5.0


def refusal(error: Exception) -> bytes:
    """Give the whole HTTP/1.1 response (RFC 9110 sections 15.6.4 and 10.2.3): 503 with Retry-After in whole seconds."""
    retry_after = math.ceil(error.retry_after) if isinstance(error, Temporary) else DEFAULT_RETRY_AFTER
    body = f"This webspace cannot be reached now: {_reason(error)}.\n".encode()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"Retry-After: {max(1, round(retry_after))}\r\n"
        "Cache-Control: no-store\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + body


def _reason(error: Exception) -> str:
    # Only errors that are ours speak to visitors; anything else is nobody's business.
    return str(error) if isinstance(error, Temporary | BootFailed | NotFound) else "it could not be started"
