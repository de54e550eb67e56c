"""Which of members' own certificates are served, and what is wrong with the others.

Traefik keeps all certificates in one store and shows each for every name that is on it, whichever router asks. So one that
names what is not its webspace's would be shown to visitors of others: it is served only while all its names are its own.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from twisted.internet.interfaces import IReactorTime

from webspaced.core import brief
from webspaced.core.certificate import Certificate, beyond, wildcard_over
from webspaced.core.routes import ServedCertificate
from webspaced.errors import Conflict, Invalid
from webspaced.lib.multimap import Multimap
from webspaced.webspaces.claims import Claims
from webspaced.webspaces.conditions import Conditions, Kind
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.registry import Registry

NEAR = 14 * 86400.0
"""Seconds before its end from which a webspace has a condition."""
LOOK = 600.0
"""Seconds between looks at the ends of all."""


class Certificates:
    """Judges what is kept. Must be built before who listens to the registry and asks this."""

    def __init__(
        self,
        clock: IReactorTime,
        registry: Registry,
        claims: Claims,
        conditions: Conditions,
        now: Callable[[], float] = time.time,
    ) -> None:
        """:param now: gives seconds since the epoch."""
        self._clock = clock
        self._registry = registry
        self._claims = claims
        self._conditions = conditions
        self._now = now
        self.automatic: Callable[[], Collection[str]] = tuple
        """Gives the hosts that Traefik has automatic certificates for, where that can be told."""
        self._named: Multimap[str, int] = Multimap()
        """Webspaces by the names on their certificates."""
        self._holders: set[int] = set()
        self._shown: dict[int, tuple[ServedCertificate, ...]] = {}
        self._listeners: list[Callable[[int], None]] = []
        registry.subscribe(self._seen)
        claims.subscribe_to_hosts(self._moved)

    def subscribe(self, listener: Callable[[int], None]) -> None:
        """Call ``listener(uid)`` when another certificate of a webspace may be served, or none. It must not raise."""
        self._listeners.append(listener)

    def served(self, observed: Observed, hosts: Sequence[str]) -> tuple[ServedCertificate, ...]:
        """Give those of a webspace's certificates that are shown at its hosts, and note what there is to say of them.

        One that has ended is still served: visitors are told so, and its member by a condition.
        """
        shown = self._judged(observed, hosts)
        if shown:
            self._shown[observed.uid] = shown
        else:
            self._shown.pop(observed.uid, None)
        return shown

    def brought(self) -> Collection[str]:
        """Give all hosts that show a certificate of their member's own."""
        return {host for shown in self._shown.values() for each in shown for host in each.hosts}

    def _judged(self, observed: Observed, hosts: Sequence[str]) -> tuple[ServedCertificate, ...]:
        if observed.webspace.config.sni_passthrough:
            self._note(observed.uid, {}, {})
            return ()
        own = self._own(observed, hosts)
        kept = {host: observed.certificates.good[host] for host in own if host in observed.certificates.good}
        judged = {host: self._objection(observed.uid, each, own) for host, each in kept.items()}
        unread = {host: why for host, why in observed.certificates.bad.items() if host in own}
        good = {host: each for host, each in kept.items() if not judged[host]}
        self._note(observed.uid, {**unread, **{host: why for host, why in judged.items() if why}}, good)
        return _grouped(good)

    def _own(self, observed: Observed, hosts: Collection[str]) -> Sequence[str]:
        default = self._claims.rules.default_domain(observed)
        return [host for host in hosts if host not in default]

    def check(self, uid: int, certificate: Certificate, domains: Collection[str]) -> None:
        """See to it that a certificate names nothing that is not its webspace's.

        :param domains: the webspace's own ones, as far as nobody else has them.
        :raises Invalid: a name is not shown to be its member's.
        :raises Conflict: a name is another webspace's.
        """
        foreign = beyond(certificate.shown_for, domains, self._claims.rules.domain)
        if foreign:
            message = f"it names {brief.shown(foreign[0])}, which is neither a domain of this webspace nor below one"
            raise Invalid(message)
        for name in certificate.shown_for:
            host = self._anothers(name, uid)
            if host:
                covers = "" if host == name else f"covers {host}, which "
                message = f"it names {brief.shown(name)}, which {covers}is another webspace's"
                raise Conflict(message)

    def _objection(self, uid: int, certificate: Certificate, domains: Collection[str]) -> str:
        try:
            self.check(uid, certificate, domains)
        except (Invalid, Conflict) as error:
            return str(error)
        return ""

    def _anothers(self, name: str, uid: int) -> str:
        """Give the first host of another webspace's for which a name stands; empty if there is none."""
        hosts = sorted(self._claims.hosts_below(name.removeprefix("*."))) if name.startswith("*.") else (name,)
        return next((host for host in hosts if self._claims.holder(host) not in {None, uid}), "")

    def look(self) -> None:
        """Look at the ends of all certificates: nothing else tells that time goes by."""
        for uid in list(self._holders):
            observed = self._registry.get(uid)
            if observed is not None:
                self.served(observed, self._claims.hosts(observed))

    def _note(self, uid: int, bad: Mapping[str, str], good: Mapping[str, Certificate]) -> None:
        wrong = "; ".join(f"the certificate for {host} is not served: {why}" for host, why in bad.items())
        now = self._now()
        near = {host: each.not_after for host, each in good.items() if each.not_after - now <= NEAR}
        ends = "; ".join(f"the certificate for {host} {_ends(at, now)}" for host, at in near.items())
        doubled = ", ".join(sorted(good.keys() & self.automatic())) if good else ""
        self._conditions.note(uid, Kind.BAD_CERTIFICATE, wrong or None)
        self._conditions.note(uid, Kind.CERTIFICATE_ENDS, ends or None)
        detail = f"until Traefik is started anew, it may show the automatic certificate that it still has for {doubled}"
        self._conditions.note(uid, Kind.CERTIFICATE_DOUBLED, detail if doubled else None)

    def _seen(self, uid: int) -> None:
        observed = self._registry.get(uid)
        good = {} if observed is None else observed.certificates.good
        self._named.give(uid, [name for each in good.values() for name in each.shown_for])
        if observed is not None and (good or observed.certificates.bad):
            self._holders.add(uid)
        else:
            self._holders.discard(uid)
            self._shown.pop(uid, None)

    def _moved(self, host: str) -> None:
        for uid in self._named.owners(host) | self._named.owners(wildcard_over(host)):
            for listener in self._listeners:
                # When it is known whose it is now.
                self._clock.callLater(0, listener, uid)


def _ends(at: float, now: float) -> str:
    date = dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"ended {date}" if at <= now else f"ends {date}"


def _grouped(good: Mapping[str, Certificate]) -> tuple[ServedCertificate, ...]:
    """Give what Traefik gets. Of two with the same names it takes only one: that is to be the one that ends last."""
    latest: dict[frozenset[str], Certificate] = {}
    for each in good.values():
        known = latest.setdefault(frozenset(each.shown_for), each)
        if each.not_after > known.not_after:
            latest[frozenset(each.shown_for)] = each
    hosts: dict[frozenset[str], list[str]] = {}
    for host, each in sorted(good.items()):
        hosts.setdefault(frozenset(each.shown_for), []).append(host)
    return tuple(
        ServedCertificate(hosts=tuple(group), chain=latest[names].chain, key=latest[names].key)
        for names, group in sorted(hosts.items(), key=lambda item: item[1])
    )
