"""What the API server refuses, as its Status documents say it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class ApiError(Exception):
    """An answer that is none of success."""

    def __init__(self, code: int, reason: str, text: str, causes: Sequence[dict[str, str]] = ()) -> None:
        super().__init__(text)
        self.code = code
        self.reason = reason
        self.causes = causes

    def document(self) -> dict[str, Any]:
        """Give the Status (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/)."""
        details = {"details": {"causes": list(self.causes)}} if self.causes else {}
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": str(self),
            "reason": self.reason,
            **details,
            "code": self.code,
        }


def invalid(text: str) -> ApiError:
    """Give the error for a document that breaks a rule of its kind."""
    return ApiError(422, "Invalid", text)


def conflict(text: str, causes: Sequence[dict[str, str]] = ()) -> ApiError:
    """Give the error for a change of something that is no longer as it was taken to be."""
    return ApiError(409, "Conflict", text, causes)


def not_found(text: str) -> ApiError:
    """Give the error for what is not there."""
    return ApiError(404, "NotFound", text)


def expired(text: str) -> ApiError:
    """Give the error for a resourceVersion that is forgotten."""
    return ApiError(410, "Expired", text)
