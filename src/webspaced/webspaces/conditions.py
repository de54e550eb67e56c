"""What is wrong with a webspace right now: said once in the log when it begins and when it ends.

Members can cause that as often as they like, so the lines of each webspace are bounded.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from webspaced.lib.sparing import Sparing


class Kind(enum.Enum):
    """The vocabulary of conditions, for logs and documents."""

    UNREADABLE = "unreadable"
    """What LXD remembers of the webspace cannot be understood; it is left alone and not served."""
    MEMBER_AWAY = "member-away"
    """The cluster member that has it is away; it is served as it was last seen."""
    ADDRESS_CLASH = "address-clash"
    """It shows addresses that are not its own; they count for nothing."""
    OUT_OF_REACH = "out-of-reach"
    """It is on another cluster member's bridge, which cannot be reached from here."""
    UNFINISHED = "unfinished"
    """It has the marker of a creation, but may be an older one that was restored: it is neither served nor removed."""
    UNTOLD = "untold"
    """LXD cannot tell its state; it is served as it was last seen, and not started."""
    PAUSED = "paused"
    """Somebody other than webspaced froze it; it is left frozen, and its visitors are refused."""
    SUSPENDED = "suspended"
    """An admin wants it to stay off."""
    DEPARTED = "departed"
    """IAM has not known its member for too long; it keeps its data, and is neither served nor woken."""
    BAD_FIELD = "bad-field"
    """Something in its document cannot be understood, and has its default."""
    NO_ADDRESS = "no-address"
    """It runs, but has no address that may be a backend."""
    FORWARD_UNBOUND = "forward-unbound"
    """A forwarded port could not be bound; it is tried again."""
    BOOT_PORT_UNBOUND = "boot-port-unbound"
    """Its boot port could not be bound: it cannot be woken over HTTP until it can."""
    PORT_CLASH = "port-clash"
    """The external port was granted to another webspace later."""
    PORT_OUTSIDE = "port-outside"
    """Its document has a forward outside ``webspaces.ports``, which is not bound."""
    NAMELESS = "nameless"
    """No username is known, so there is no default domain."""
    NAME_RESERVED = "name-reserved"
    """Its member's name is one that the service needs for itself, so there is no default domain."""
    ROUTE_UNWRITTEN = "route-unwritten"
    """The store of routes does not take its route: visitors are led as they were before."""
    UNROUTED = "unrouted"
    """Traefik has none of webspaced's routes: nobody is served over HTTP."""
    BAD_CERTIFICATE = "bad-certificate"
    """A certificate of its member's own cannot be served, or may not: its domain has an automatic one."""
    CERTIFICATE_ENDS = "certificate-ends"
    """A certificate of its member's own ends within 14 days, or has ended; it is served all the same."""
    CERTIFICATE_DOUBLED = "certificate-doubled"
    """Traefik still has an automatic certificate for a domain with one of its member's own, and shows either."""
    HOST_CLASH = "host-clash"
    """The host name was granted to another webspace later."""
    HOST_UNPROVED = "host-unproved"
    """Another webspace had the domain meanwhile, and gave it up: it is served once its DNS names this one again."""


LONGEST_DETAIL = 1000
"""Characters: an instance's keys may be wrong in a thousand ways."""


class Conditions:
    """The present conditions of every webspace."""

    log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._lines = Sparing(clock, self.log, "conditions of webspaces")
        self._present: dict[int, dict[Kind, str]] = {}
        self._of_all: dict[Kind, str] = {}

    def of(self, uid: int) -> Mapping[Kind, str]:
        """Give a webspace's conditions with their details, those of all webspaces among them."""
        own = self._present.get(uid, {})
        return {**own, **self._of_all} if self._of_all else own

    def everybody(self) -> Mapping[int, Mapping[Kind, str]]:
        """Give the conditions of all that have any of their own, also of those that cannot be read."""
        return {uid: kinds for uid, kinds in self._present.items() if kinds}

    def note_all(self, kind: Kind, detail: str | None) -> None:
        """Say that a condition holds for all webspaces, or with ``None`` that it does not."""
        if detail is not None:
            self._of_all[kind] = detail
            self.log.warn("all webspaces: {kind}: {detail}", event="condition.began-for-all", kind=kind.value, detail=detail)
        elif self._of_all.pop(kind, None) is not None:
            self.log.info("all webspaces: {kind} is over", event="condition.ended-for-all", kind=kind.value)

    def note(self, uid: int, kind: Kind, detail: str | None) -> None:
        """Say that a condition holds, or with ``None`` that it does not."""
        if detail is not None and len(detail) > LONGEST_DETAIL:
            detail = f"{detail[:LONGEST_DETAIL]}…"
        before = self._present.get(uid, {}).get(kind)
        if detail == before:
            return
        if detail is None:
            del self._present[uid][kind]
        else:
            self._present.setdefault(uid, {})[kind] = detail
        self._say(uid, kind, before, detail)

    def _say(self, uid: int, kind: Kind, before: str | None, detail: str | None) -> None:
        if before is not None and detail is not None:
            self.log.debug(
                "webspace {webspace}: {kind}: {detail}",
                event="condition.changed",
                webspace=uid,
                kind=kind.value,
                detail=detail,
            )
        elif not self._lines.may(str(uid)):
            return
        elif detail is None:
            self.log.info("webspace {webspace}: {kind} is over", event="condition.ended", webspace=uid, kind=kind.value)
        else:
            self.log.warn(
                "webspace {webspace}: {kind}: {detail}",
                event="condition.began",
                webspace=uid,
                kind=kind.value,
                detail=detail,
            )

    def forget(self, uid: int) -> None:
        """Drop what is known of a webspace that is gone."""
        self._present.pop(uid, None)
