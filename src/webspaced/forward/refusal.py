"""Telling an HTTP visitor why its webspace cannot be woken."""

from __future__ import annotations

import math

from webspaced.errors import BootFailed, NotFound, Temporary

DEFAULT_RETRY_AFTER = 5.0


def refusal(error: Exception) -> bytes:
    """Give the whole HTTP/1.1 response (RFC 9110 sections 15.6.4 and 10.2.3): 503 with Retry-After in whole seconds."""
    body = f"This webspace cannot be reached now: {reason_for_all(error)}.\n".encode(errors="replace")
    head = (
        "HTTP/1.1 503 Service Unavailable\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"Retry-After: {retry_after(error)}\r\n"
        "Cache-Control: no-store\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + body


def retry_after(error: Exception) -> int:
    """Give the seconds after which another try makes sense, at least 1."""
    return max(1, math.ceil(error.retry_after if isinstance(error, Temporary) else DEFAULT_RETRY_AFTER))


def reason_for_all(error: Exception) -> str:
    """Give the reason in words for everybody."""
    # Only errors that are ours speak to visitors; anything else is nobody's business.
    return str(error) if isinstance(error, Temporary | BootFailed | NotFound) else "it could not be started"
