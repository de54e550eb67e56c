"""Who is served under which host name: one webspace each, the first that claims it."""

from __future__ import annotations

from collections.abc import Collection


class HostClaims:
    """Host names and their owners (user ids)."""

    def __init__(self) -> None:
        self._owner: dict[str, int] = {}
        self._held: dict[int, set[str]] = {}

    def claim(self, host: str, uid: int) -> bool:
        """Claim a name; whether it is the webspace's now."""
        owner = self._owner.setdefault(host, uid)
        if owner == uid:
            self._held.setdefault(uid, set()).add(host)
        return owner == uid

    def release(self, uid: int, keep: Collection[str]) -> bool:
        """Give up all names of a webspace but those to keep; whether any became free."""
        held = self._held.pop(uid, set())
        freed = held.difference(keep)
        for host in freed:
            del self._owner[host]
        if held - freed:
            self._held[uid] = held - freed
        return bool(freed)
