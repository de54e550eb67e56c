"""Giving a webspace what it needs to be served: its boot port, its own identity, and its member's name.

Webspaces of a former daemon lack them; a renamed or copied instance carries another webspace's; a member may be renamed.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from twisted.logger import Logger

from webspaced.core.webspace import BOOT_PORT_KEY, KEY, USERNAME_KEY
from webspaced.errors import NotFound, WebspacedError
from webspaced.interfaces import IIdentity
from webspaced.webspaces.allocator import Allocator
from webspaced.webspaces.conditions import Conditions, Kind
from webspaced.webspaces.documents import Documents
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.registry import Registry


class Adoption:
    """Completes webspaces. Safe to ask for at any time: it writes only what is missing or wrong."""

    log = Logger()

    def __init__(
        self,
        registry: Registry,
        documents: Documents,
        allocator: Allocator,
        identity: IIdentity,
        conditions: Conditions,
        may_write: Callable[[], bool] = lambda: True,
    ) -> None:
        """:param may_write: whether no other daemon can be giving away the same numbers."""
        self._may_write = may_write
        self._registry = registry
        self._documents = documents
        self._allocator = allocator
        self._identity = identity
        self._conditions = conditions

    def lacks(self, observed: Observed) -> bool:
        """Whether a webspace needs something without which it cannot be served."""
        return observed.username is None or not self.owns_boot_port(observed)

    def leave(self, boot_port: int | None) -> None:
        """Say that a webspace is gone, or not to be seen, whose route may still name this boot port."""
        if boot_port is not None:
            self._allocator.rest([boot_port])

    def everything_seen(self) -> None:
        """Say that a full pass has read everything."""
        self._allocator.everything_seen()

    async def complete(self, uid: int) -> None:
        """Write to LXD what is missing, and refresh the member's name. IAM being away leaves the name as it is."""
        observed = self._registry.get(uid)
        if observed is None or observed.unfinished or not self._may_write():
            return
        username = await self._username(observed)
        self._conditions.note(uid, Kind.NAMELESS, None if username else "IAM has told no username for it")
        if not self._keys(observed, username, spare=0):
            return
        with self._allocator.boot_port() as spare:
            await self._documents.change_keys(uid, lambda present: self._keys(present, username, spare))

    def _keys(self, present: Observed, username: str | None, spare: int) -> dict[str, str]:
        keys: dict[str, str] = {}
        if not self.owns_boot_port(present):
            keys[BOOT_PORT_KEY] = str(spare)
        if (username or "") != (present.instance.config.get(USERNAME_KEY) or ""):
            keys[USERNAME_KEY] = username or ""
        if json.loads(present.instance.config[KEY]).get("user") != present.uid:
            keys[KEY] = present.webspace.dump()
        return keys

    def owns_boot_port(self, observed: Observed) -> bool:
        """Whether its boot port is its own and inside the range."""
        port = observed.boot_port
        if port is None or port not in self._allocator.boot:
            return False
        # A copied instance has its original's number: the older one keeps it.
        return observed.uid == min(self._registry.with_boot_port(port), key=_age, default=observed).uid

    async def _username(self, observed: Observed) -> str | None:
        try:
            return (await self._identity.by_id(observed.uid)).username
        except NotFound:
            return None
        except WebspacedError as error:
            self.log.info("IAM could not name user {uid}: {error}", uid=observed.uid, error=str(error))
            return observed.username


def _age(observed: Observed) -> tuple[str, int]:
    return (observed.instance.created_at, observed.uid)
