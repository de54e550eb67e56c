"""What the API server's answers mean: documents, and errors told apart by code and reason, never by text.

Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from webspaced.core.json_text import parse as parse_json
from webspaced.errors import Changed, Conflict, Distrusted, NotFound, RemoteError, Unavailable

LONGEST_ERROR = 300
RETRY_AFTER = 2.0
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, GONE, TOO_MANY, BROKEN = 401, 403, 404, 409, 410, 429, 500


class AlreadyExists(Conflict):
    """An object of that name is there."""


class FieldsTaken(Conflict):
    """Another manager owns fields that were applied without force."""


class Expired(RemoteError):
    """The resourceVersion, or the list that was to be continued, is too old: list again."""


def error_of(code: int, text: bytes | str, retry_after: str = "") -> Exception:
    """Give the error for an answer that is none of success; its text is the server's, cut."""
    status = _status(text)
    message = brief(f"Kubernetes: {status.get('message') or f'status {code}'}")
    if code in (UNAUTHORIZED, FORBIDDEN):
        return Distrusted(message, RETRY_AFTER)
    if code == TOO_MANY or code >= BROKEN:
        return Unavailable(message, float(retry_after) if retry_after.isdecimal() else RETRY_AFTER)
    simple: dict[int, Callable[[], Exception]] = {
        NOT_FOUND: lambda: NotFound(message),
        CONFLICT: lambda: _conflict(status, message),
        GONE: lambda: Expired(message, code),
    }
    return simple.get(code, lambda: RemoteError(message, code))()


def _conflict(status: dict[str, Any], message: str) -> Exception:
    if status.get("reason") == "AlreadyExists":
        return AlreadyExists(message)
    details = status.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    if causes and all(cause.get("reason") == "FieldManagerConflict" for cause in causes):
        return FieldsTaken(message)
    return Changed(message, CONFLICT)


def _status(text: bytes | str) -> dict[str, Any]:
    try:
        document = parse_json(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def read_document(code: int, text: bytes) -> dict[str, Any]:
    """Give the document of a success."""
    try:
        document = parse_json(text)
        if isinstance(document, dict):
            return document
    except ValueError as error:
        message = f"Kubernetes answered {code} with something that is not JSON"
        raise RemoteError(message, code) from error
    message = f"Kubernetes answered {code} with something that is no object"
    raise RemoteError(message, code)


def brief(text: str) -> str:
    """Cut what is too long for a message."""
    return text if len(text) <= LONGEST_ERROR else f"{text[:LONGEST_ERROR]}…"
