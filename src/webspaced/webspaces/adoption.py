"""Giving a webspace what it needs to be served: its boot port, its own identity, and its member's name.

Webspaces of a former daemon lack them; a renamed or copied instance carries another webspace's; a member may be renamed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from attrs import frozen
from twisted.logger import Logger

from webspaced.core.claims import Claim, winner
from webspaced.core.webspace import BOOT_PORT_KEY, KEY, UNKNOWN_SINCE_KEY, USERNAME_KEY
from webspaced.errors import NotFound, WebspacedError
from webspaced.interfaces import IIdentity
from webspaced.webspaces.allocator import Allocator
from webspaced.webspaces.claims import Claims
from webspaced.webspaces.conditions import Conditions, Kind
from webspaced.webspaces.documents import Documents
from webspaced.webspaces.housing import Housing
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.registry import Registry


@frozen(kw_only=True)
class Membership:
    """What adoption is told: ``may_write`` whether no other daemon can be giving away the same numbers; ``departed`` whether
    a webspace's member has been unknown for too long; ``missing`` hears of one whom IAM does not know now; ``now`` is the
    time, in seconds since the epoch.
    """

    may_write: Callable[[], bool] = lambda: True
    departed: Callable[[Observed], bool] = lambda _observed: False
    missing: Callable[[Observed], None] = lambda _observed: None
    now: Callable[[], float] = time.time


@frozen
class _Member:
    """What IAM says of a webspace's member. ``username`` is the last known one while ``known`` is not ``True``.

    ``known``: ``None`` if IAM cannot tell now.
    """

    username: str | None
    known: bool | None


class Adoption:
    """Completes webspaces. Safe to ask for at any time: it writes only what is missing or wrong."""

    log = Logger()

    def __init__(
        self,
        registry: Registry,
        documents: Documents,
        allocator: Allocator,
        claims: Claims,
        housing: Housing,
        identity: IIdentity,
        conditions: Conditions,
        membership: Membership,
    ) -> None:
        self._registry = registry
        self._documents = documents
        self._allocator = allocator
        self._claims = claims
        self._housing = housing
        self._identity = identity
        self._conditions = conditions
        self._membership = membership
        self._given_up: dict[int, int] = {}
        """Boot ports that somebody else's program has, by webspace."""
        self._unknown: dict[int, float] = {}
        """Since when IAM has not known the members of webspaces, where it said so to us."""

    def lacks(self, observed: Observed) -> bool:
        """Whether a webspace needs something without which it cannot be served."""
        if observed.username is None or not self.owns_boot_port(observed) or self._claims.lacks_news(observed.uid):
            return True
        if observed.unknown_since is not None and self._unknown.get(observed.uid) != observed.unknown_since:
            # It may have come back with a snapshot.
            return True
        return observed.outdated or self._registry.words.lacks(observed) or self._housing.is_anothers(observed.instance)

    def give_up(self, uid: int, boot_port: int) -> None:
        """Say that a webspace's boot port cannot be had: it needs another one."""
        self._given_up[uid] = boot_port

    def leave(self, uid: int, boot_port: int | None) -> None:
        """Say that a webspace is gone, or not to be seen, whose route may still name this boot port."""
        self._unknown.pop(uid, None)
        if boot_port is not None:
            self._allocator.rest([boot_port], uid)

    def everything_seen(self) -> None:
        """Say that a full pass has read everything."""
        self._allocator.everything_seen()
        self._claims.date_held()

    async def complete(self, uid: int) -> None:
        """Write to LXD what is missing, and refresh the member's name. IAM being away leaves the name as it is."""
        observed = self._registry.get(uid)
        if observed is None or observed.unfinished or observed.untold or not self._membership.may_write():
            return
        if self._housing.is_anothers(observed.instance):
            await self._rehouse(uid)
        if self._registry.words.lacks(observed):
            await self._registry.words.say(observed, observed.webspace.desired)
        member = await self._member(observed)
        self._remember(observed, member)
        self._conditions.note(uid, Kind.NAMELESS, None if member.username else "IAM has told no username for it")
        if not self.owns_boot_port(observed):
            with self._allocator.boot_port() as spare:
                await self._documents.change_keys(uid, lambda present: self._keys(present, member, spare))
        elif self._keys(observed, member):
            # Also where all boot ports are given.
            await self._documents.change_keys(uid, lambda present: self._keys(present, member))
        self._note_departure(uid)

    async def _rehouse(self, uid: int) -> None:
        """Give a copy an address of its own."""
        await self._housing.look()
        with self._housing.devices() as devices:
            await self._documents.give_devices(uid, devices)
        self.log.info(
            "webspace {webspace} had another one's address on its NIC, and has one of its own now",
            event="webspace.address-changed",
            webspace=uid,
        )

    def _note_departure(self, uid: int) -> None:
        observed = self._registry.get(uid)
        gone = observed is not None and self._membership.departed(observed)
        detail = "IAM has not known its member for too long (iam.grace): it is kept, and neither served nor woken"
        self._conditions.note(uid, Kind.DEPARTED, detail if gone else None)

    def _keys(self, present: Observed, member: _Member, spare: int | None = None) -> dict[str, str]:
        keys = self._membership_keys(present, member)
        webspace = self._claims.with_news(present.webspace)
        if spare is not None and not self.owns_boot_port(present):
            keys[BOOT_PORT_KEY] = str(spare)
            webspace = webspace.with_boot_port_granted(spare, self._claims.granting())
        # Also one that a copy brought along: it is not its member's.
        if (member.username or "") != present.instance.config.get(USERNAME_KEY, ""):
            keys[USERNAME_KEY] = member.username or ""
            webspace = webspace.with_name_granted(self._claims.granting())
        if webspace != present.webspace or present.outdated or _user_in(present) != present.uid:
            keys[KEY] = webspace.dump()
        return keys

    def _remember(self, observed: Observed, member: _Member) -> None:
        if member.known:
            self._unknown.pop(observed.uid, None)
        elif member.known is False:
            self._membership.missing(observed)
            if observed.unknown_since is not None:
                self._unknown[observed.uid] = observed.unknown_since

    def _membership_keys(self, present: Observed, member: _Member) -> dict[str, str]:
        since = present.instance.config.get(UNKNOWN_SINCE_KEY, "")
        if member.known is False and present.unknown_since is None:
            now = round(self._membership.now())
            self._unknown[present.uid] = now
            return {UNKNOWN_SINCE_KEY: str(now)}
        return {UNKNOWN_SINCE_KEY: ""} if member.known and since else {}

    def owns_boot_port(self, observed: Observed) -> bool:
        """Whether its boot port is its own and inside the range."""
        port = observed.boot_port
        if port is None or port not in self._allocator.boot or self._given_up.get(observed.uid) == port:
            return False
        # Of an instance that was copied, or restored from a time when another one had the number.
        won = winner(map(self._claim, self._registry.with_boot_port(port)))
        return won is None or won.uid == observed.uid

    def _claim(self, observed: Observed) -> Claim:
        granted = self._claims.believed(observed.webspace.grants.of_boot_port(observed.boot_port))
        return Claim(uid=observed.uid, granted=granted, born=observed.instance.created_at)

    async def _member(self, observed: Observed) -> _Member:
        try:
            return _Member((await self._identity.by_id(observed.uid)).username, known=True)
        except NotFound:
            # It keeps its name: whoever bears it next was granted it later.
            return _Member(observed.username, known=False)
        except WebspacedError as error:
            self.log.info(
                "IAM could not name user {webspace}: {error}",
                event="iam.user-unnamed",
                webspace=observed.uid,
                error=str(error),
            )
            return _Member(observed.username, known=None)


def _user_in(observed: Observed) -> object:
    """Give whom an instance's document names; 1.0 and ``true`` are not the user 1, although they are equal to it."""
    user = json.loads(observed.instance.config[KEY]).get("user")
    return user if type(user) is int else None
