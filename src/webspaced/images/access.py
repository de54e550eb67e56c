"""Who may read a stream: Basic authentication (RFC 7617) where the settings ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from hmac import compare_digest
from typing import Any

from webspaced.images.kinds import EVERY


class Access:
    """Passwords by stream."""

    def __init__(self, access: Mapping[str, Mapping[str, str]] | None) -> None:
        self._access = {name.lower(): users for name, users in (access or {}).items()}

    def admits(self, stream: str, request: Any) -> bool:
        """Whether a request may see a stream."""
        users = self._access.get(stream.lower(), self._access.get(EVERY))
        if users is None:
            return True
        name, password = request.getUser(), request.getPassword()
        # Of an unknown name, too, a password is compared: the time tells nothing.
        wanted = users.get(name.decode("utf-8", "replace"), "")
        return compare_digest(wanted.encode(), password) and bool(wanted)

    def is_open(self, stream: str) -> bool:
        """Whether everybody may see a stream."""
        return stream.lower() not in self._access and EVERY not in self._access
