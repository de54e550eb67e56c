"""Which webspace has which external port and host name, by what all documents claim (design decision 15).

The rule is :func:`webspaced.core.claims.winner`; this keeps all claims by what is claimed, and says whose case to look at
again when one appears or goes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping

from attrs import evolve, frozen
from twisted.internet.interfaces import IReactorTime

from webspaced.core.claims import Claim, Key, believed, winner
from webspaced.core.forward import Forward
from webspaced.core.names import default_domain
from webspaced.core.webspace import Webspace
from webspaced.lib.multimap import Multimap
from webspaced.webspaces.conditions import Conditions, Kind
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.registry import Registry

GRAIN = 0.001
"""Seconds between two grants: a later one has a later time, whatever the clock says."""
ALWAYS = float("inf")


@frozen(kw_only=True)
class ClaimRules:
    """What can be claimed: ports of a range, and names that are not the service's own.

    ``reserved`` are the usernames that get no default domain.
    """

    domain: str
    ports: range
    reserved: frozenset[str] = frozenset()

    def is_reserved(self, username: str) -> bool:
        """Whether the service needs the name itself."""
        return username in self.reserved

    def default_domain(self, observed: Observed) -> tuple[str, ...]:
        """Give a webspace's default domain, if it can have one."""
        name = observed.username
        return (default_domain(name, self.domain),) if name and not self.is_reserved(name) else ()

    def is_inside(self, host: str) -> bool:
        """Whether a name lies inside the service's own domain: it is some member's default domain, whoever names it."""
        return host.endswith(f".{self.domain}")

    def hosts(self, observed: Observed) -> tuple[str, ...]:
        """Give the names that a webspace claims, its default domain first."""
        own = (d for d in observed.webspace.domains if not self.is_inside(d) and d != self.domain)
        return (*self.default_domain(observed), *own)

    def claims(self, observed: Observed) -> Mapping[Key, Claim]:
        """Give all that a webspace claims. One that is still being created claims as well: nobody else may get it."""
        uid, born, grants = observed.uid, observed.instance.created_at, observed.webspace.grants
        default = self.default_domain(observed)
        times: dict[Key, float] = {}
        times.update({port: grants.of_port(port) for port in observed.webspace.ports if port in self.ports})
        times.update(dict.fromkeys(default, grants.name))
        own = (host for host in self.hosts(observed) if host not in default and host not in grants.lost)
        times.update({host: grants.of_domain(host) for host in own})
        return {key: Claim(uid=uid, granted=granted, born=born) for key, granted in times.items()}


class Claims:
    """All claims. Must be built before who listens to the registry and asks this."""

    def __init__(
        self,
        clock: IReactorTime,
        registry: Registry,
        conditions: Conditions,
        rules: ClaimRules,
        now: Callable[[], float] = time.time,
    ) -> None:
        """:param now: gives seconds since the epoch."""
        self.rules = rules
        self._clock = clock
        self._registry = registry
        self._conditions = conditions
        self._now = now
        self._latest = 0.0
        self._held_is_dated = False
        self._claims: dict[Key, dict[int, Claim]] = {}
        self._claimed: dict[int, Mapping[Key, Claim]] = {}
        self._dates: dict[int, dict[Key, float]] = {}
        """Grants that documents lack, by webspace."""
        self._losses: dict[int, dict[str, float]] = {}
        """Domains that webspaces lost although their documents do not say so yet, with the grants in those."""
        self._lost: Multimap[str, int] = Multimap()
        """Webspaces by the domains that they lost."""
        self._listeners: list[Callable[[int], None]] = []
        self._hosts: Multimap[str, str] = Multimap()
        """Host names by the name above."""
        self._of_hosts: list[Callable[[str], None]] = []
        registry.subscribe(self._seen)

    def subscribe(self, listener: Callable[[int], None]) -> None:
        """Call ``listener(uid)`` when a webspace lost something to another one, or got something from it."""
        self._listeners.append(listener)

    def change_rules(self, rules: ClaimRules) -> None:
        """Go by other rules, such as for which names are the service's own."""
        if rules == self.rules:
            return
        self.rules = rules
        for observed in list(self._registry):
            self._seen(observed.uid)
            self._tell((), {observed.uid})

    def subscribe_to_hosts(self, listener: Callable[[str], None]) -> None:
        """Call ``listener(host)`` when a name is another one's than before, or nobody's."""
        self._of_hosts.append(listener)

    def granting(self) -> float:
        """Give the time of a grant that is made now: later than every other one, whatever the clock says."""
        if not self.believed(self._latest):
            self._forget_the_future()
        self._latest = max(round(self._now(), 3), round(self._latest + GRAIN, 3))
        return self._latest

    def believed(self, granted: float) -> float:
        """Give the time of a grant, or 0 where that cannot be right; see :func:`webspaced.core.claims.believed`."""
        return believed(granted, self._now())

    def holder(self, key: Key) -> int | None:
        """Give who has a port or name; ``None`` if nobody claims it."""
        won = winner(self._claims.get(key, {}).values())
        return None if won is None else won.uid

    def claimants(self, key: Key) -> Collection[int]:
        """Give all who claim a port or name."""
        return self._claims.get(key, {}).keys()

    def hosts_below(self, parent: str) -> Collection[str]:
        """Give the host names that anybody claims and that have one label more than this name."""
        return self._hosts.owners(parent)

    def forwards(self, observed: Observed) -> Mapping[int, Forward]:
        """Give those forwards of a webspace that are its own, and note what the others are."""
        uid, all_of_them = observed.uid, observed.webspace.forwards
        outside = [port for port in all_of_them if port not in self.rules.ports]
        own = {port: forward for port, forward in all_of_them.items() if self.holder(port) == uid}
        lost = [port for port in all_of_them if port not in own and port not in outside]
        self._note(uid, Kind.PORT_OUTSIDE, outside, "outside the range of external ports: port")
        self._note(uid, Kind.PORT_CLASH, lost, "granted to another webspace: port")
        return own

    def hosts(self, observed: Observed) -> tuple[str, ...]:
        """Give those names of a webspace that are its own, and note which are another one's."""
        wanted = self.rules.hosts(observed)
        own = tuple(host for host in wanted if self.holder(host) == observed.uid)
        lost = [host for host in wanted if host not in own]
        clash = [host for host in lost if self.holder(host) is not None]
        free = [host for host in lost if host not in clash]
        self._note(observed.uid, Kind.HOST_CLASH, clash, "granted to another webspace:")
        self._note(observed.uid, Kind.HOST_UNPROVED, free, "another webspace had it meanwhile, so it is to be proved again:")
        name = observed.username
        reserved = name is not None and self.rules.is_reserved(name)
        detail = f"{name} is a name of the service's own, so there is no default domain"
        self._conditions.note(observed.uid, Kind.NAME_RESERVED, detail if reserved else None)
        return own

    def losers(self, domain: str) -> Collection[int]:
        """Give the webspaces that had a domain until another one was granted it, and that still want it."""
        return self._lost.owners(domain)

    def lost(self, uid: int) -> Collection[str]:
        """Give the domains that a webspace wants and lost to another one."""
        return self._lost.keys_of(uid)

    def lacks_news(self, uid: int) -> bool:
        """Whether a webspace's document does not say yet what it was granted when, or what it lost."""
        return uid in self._dates or uid in self._losses

    def with_news(self, webspace: Webspace) -> Webspace:
        """Give a document with that."""
        grants = webspace.grants
        for key, granted in self._dates.get(webspace.user, {}).items():
            if isinstance(key, int):
                grants = grants if self.believed(grants.of_port(key)) else grants.with_port(key, granted)
            elif self.rules.is_inside(key):
                grants = grants if self.believed(grants.name) else evolve(grants, name=granted)
            else:
                grants = grants if self.believed(grants.of_domain(key)) else grants.with_domain(key, granted)
        return evolve(webspace, grants=grants).with_lost(self._losses.get(webspace.user, ()))

    def _with_dates(self, observed: Observed) -> Mapping[Key, Claim]:
        """Give what a webspace claims, dated from when it was seen where somebody wrote it into the document by hand.

        What has no date, or one in the future, loses to whatever has one; so does what comes back with an old snapshot while
        somebody else has it. Then that one's is dated, if it has none. What was there at the start is dated once all is seen
        (:meth:`date_held`).
        """
        uid, claims, before = observed.uid, self._undisputed(observed), self._claimed.get(observed.uid, {})
        default = self.rules.default_domain(observed)
        has_name = bool(observed.webspace.grants.name)
        undated = [key for key, claim in claims.items() if not claim.granted and (has_name or key not in default)]
        dates = {key: at for key, at in self._dates.get(uid, {}).items() if key in undated}
        for key in undated if self._registry.complete else ():
            if key in before:
                continue
            holder = self.holder(key)
            if holder is None:
                dates[key] = self.granting()
            elif holder != uid and not self._claims[key][holder].granted:
                self._date(holder, key)
        self._set_dates(uid, dates)
        return {key: evolve(claim, granted=dates[key]) if key in dates else claim for key, claim in claims.items()}

    def _undisputed(self, observed: Observed) -> Mapping[Key, Claim]:
        """Give what a webspace claims, but for the domains that it lost while its document did not say so."""
        uid, claims, grants = observed.uid, self.rules.claims(observed), observed.webspace.grants
        # One that was proved again has another date.
        losses = self._losses.pop(uid, {})
        losses = {host: at for host, at in losses.items() if host in claims and grants.of_domain(host) == at}
        self._set_losses(uid, losses, grants.lost)
        now = self._now()
        own = ((key, claim) for key, claim in claims.items() if key not in losses)
        return {key: evolve(claim, granted=believed(claim.granted, now)) for key, claim in own}

    def _set_losses(self, uid: int, losses: dict[str, float], told: Collection[str]) -> None:
        if losses:
            self._losses[uid] = losses
        self._lost.give(uid, (*losses, *told))

    def _take_from_losers(self, domain: str) -> None:
        """Let a domain be nobody's but its holder's: a loser has to prove it again, even when it is free."""
        won = winner(self._claims.get(domain, {}).values())
        if won is None or won.granted == ALWAYS or self.rules.is_inside(domain):
            return
        for uid in [uid for uid in self._claims[domain] if uid != won.uid]:
            observed = self._registry.get(uid)
            if observed is not None:
                grants = observed.webspace.grants
                losses = {**self._losses.get(uid, {}), domain: grants.of_domain(domain)}
                self._set_losses(uid, losses, grants.lost)
                self._claimed[uid] = {key: claim for key, claim in self._claimed[uid].items() if key != domain}
                self._put(domain, uid, None)

    def date_held(self) -> None:
        """Date what webspaces have without a time, once: a snapshot that is restored while we are away wins by no age then.

        Not while there are webspaces of which nobody can tell: what they have may have been granted later.
        """
        if not self._held_is_dated and not self._registry.never_seen:
            self._held_is_dated = True
            for key, claims in list(self._claims.items()):
                won = winner(claims.values())
                if won is not None and not won.granted and not (isinstance(key, str) and self.rules.is_inside(key)):
                    self._date(won.uid, key)

    def _forget_the_future(self) -> None:
        """Date what was granted while the clock was ahead by years, in its order; who lost to that wins nothing by it."""
        wrong = [(key, claim) for key, each in self._claims.items() for claim in each.values() if self._is_wrong(claim)]
        held = [(key, claim) for key, claim in wrong if self.holder(key) == claim.uid]
        for key, claim in wrong:
            self._regrant(key, claim.uid, 0.0)
        times = (claim.granted for each in self._claims.values() for claim in each.values())
        self._latest = max((at for at in times if at < ALWAYS), default=0.0)
        for key, claim in sorted(held, key=lambda each: each[1].granted):
            self._date(claim.uid, key)

    def _is_wrong(self, claim: Claim) -> bool:
        return claim.granted < ALWAYS and self.believed(claim.granted) != claim.granted

    def _regrant(self, key: Key, uid: int, granted: float) -> None:
        claim = evolve(self._claims[key][uid], granted=granted)
        self._claims[key][uid] = claim
        self._claimed[uid] = {**self._claimed[uid], key: claim}

    def _date(self, uid: int, key: Key) -> None:
        granted = self.granting()
        self._regrant(key, uid, granted)
        self._set_dates(uid, {**self._dates.get(uid, {}), key: granted})
        # Its document is to be written.
        self._tell((), {uid})

    def _set_dates(self, uid: int, dates: dict[Key, float]) -> None:
        if dates:
            self._dates[uid] = dates
        else:
            self._dates.pop(uid, None)

    def keep(self, uid: int, hosts: Collection[str]) -> None:
        """Let a webspace that nobody can tell of have names that visitors are led by."""
        self._change(uid, {host: Claim(uid=uid, granted=ALWAYS) for host in hosts})

    def drop(self, uid: int) -> None:
        """Say that one is gone of which nobody could tell."""
        self._change(uid, {})

    def _note(self, uid: int, kind: Kind, things: Collection[Key], what: str) -> None:
        named = ", ".join(str(each) for each in things)
        self._conditions.note(uid, kind, f"{what} {named}" if things else None)

    def _seen(self, uid: int) -> None:
        observed = self._registry.get(uid)
        if observed is not None:
            # A boot port is not claimed here, but granted by the same order.
            boot = map(self.believed, observed.webspace.grants.boot.values())
            self._latest = max(self._latest, *boot, 0.0)
        else:
            self._dates.pop(uid, None)
            self._losses.pop(uid, None)
            self._lost.give(uid, ())
        self._change(uid, {} if observed is None else self._with_dates(observed))

    def _change(self, uid: int, claims: Mapping[Key, Claim]) -> None:
        before = self._claimed.get(uid, {})
        if claims == before:
            return
        keys = {key for key in before.keys() | claims.keys() if before.get(key) != claims.get(key)}
        had = {key: self.holder(key) for key in keys}
        for key in keys:
            self._put(key, uid, claims.get(key))
        if claims:
            self._claimed[uid] = claims
        else:
            self._claimed.pop(uid, None)
        has = {key: self.holder(key) for key in keys}
        moved = [key for key in keys if had[key] != has[key]]
        for host in (key for key in moved if isinstance(key, str)):
            for listener in self._of_hosts:
                listener(host)
        for domain in (key for key in keys if isinstance(key, str)):
            self._take_from_losers(domain)
        # What is wrong with theirs may be something else now.
        losers = {loser for key in moved if isinstance(key, str) for loser in self.losers(key)}
        self._tell({had[key] for key in moved} - {uid, None}, ({has[key] for key in moved} | losers) - {uid, None})

    def _put(self, key: Key, uid: int, claim: Claim | None) -> None:
        if claim is None:
            self._claims[key].pop(uid, None)
            if not self._claims[key]:
                del self._claims[key]
                self._hosts.give(str(key), ())
            return
        if isinstance(key, str):
            self._hosts.give(key, (key.partition(".")[2],))
        self._claims.setdefault(key, {})[uid] = claim
        if claim.granted < ALWAYS:
            self._latest = max(self._latest, claim.granted)

    def _tell(self, losers: Collection[int | None], winners: Collection[int | None]) -> None:
        """Losers first: what they had must be free before somebody else takes it."""
        for uid in losers:
            for listener in self._listeners:
                listener(uid or 0)
        for uid in winners:
            for listener in self._listeners:
                self._clock.callLater(0, listener, uid or 0)
