"""Under which names a webspace is served: its default domain, and its member's own ones.

A domain is proved when it is added, by a TXT record of the domain itself or of ``_webspaced`` below it (nothing can stand
beside a CNAME). It is asked for again only when somebody else has proved it: then whoever has it keeps it as long as the old
proof is there. A record that is gone, or a DNS server that is away, never takes a site from its visitors by itself. Who
lost a domain in that way proves it again, even when nobody has it any more; see :mod:`webspaced.webspaces.revivals`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from attrs import frozen

from webspaced.core.domains import PROOF_LABEL, normalized, parse_own_domain, proof, proof_names
from webspaced.core.kept_certificates import certificate_key
from webspaced.core.webspace import KEY, Webspace
from webspaced.errors import Conflict, Invalid, NotFound
from webspaced.interfaces import IDomainRecords, IRoutes
from webspaced.webspaces.allocator import Allocator
from webspaced.webspaces.claims import Claims
from webspaced.webspaces.documents import Documents
from webspaced.webspaces.observed import Observed


@frozen(kw_only=True)
class DomainRules:
    """What the operator set: the service's domain, and how many of their own members may add."""

    service: str
    max: int


class Domains:
    """The domains of webspaces by user id. Every method raises ``NotFound`` where there is no webspace."""

    def __init__(
        self, documents: Documents, allocator: Allocator, claims: Claims, records: IDomainRecords, routes: IRoutes,
        rules: DomainRules,
    ) -> None:  # fmt: skip
        self._claims = claims
        self._documents = documents
        self._allocator = allocator
        self._records = records
        self._routes = routes
        self.rules = rules

    async def names(self, uid: int) -> Sequence[str]:
        """Give every name of a webspace, its default domain first."""
        observed = await self._documents.present(uid)
        return [*self._default(observed), *observed.webspace.domains]

    async def add(self, uid: int, text: str) -> None:
        """Serve a webspace under a domain whose DNS says that it may be, and return when it is.

        ``Invalid`` if it cannot be one, is not proved or is one too many; ``Conflict`` if a webspace has it already;
        ``Unavailable`` if DNS does not answer.
        """
        domain = parse_own_domain(text, self.rules.service)
        self._with_domain((await self._documents.present(uid)).webspace, domain, 0.0)
        self._documents.check_all_seen()
        texts = await self._texts(domain, uid)
        self._check_proof(uid, domain, texts)
        with self._allocator.domain(domain, uid, instead_of=self._no_longer_entitled(domain, texts)):
            granted = self._allocator.granting()
            await self._documents.change_keys(uid, lambda observed: self._added(observed, domain, granted))
        # Whoever opens the page upon our answer shall not be told that there is none.
        await self._routes.settled(uid)

    async def remove(self, uid: int, text: str) -> None:
        """Serve a webspace under one of its domains no longer.

        ``NotFound`` if it is not one of its own; ``Invalid`` for the default domain.
        """
        domain = normalized(text)
        if domain in self._default(await self._documents.present(uid)):
            message = "the default domain cannot be removed"
            raise Invalid(message)

        def changed(observed: Observed) -> dict[str, str]:
            webspace = observed.webspace
            if domain not in webspace.domains and text not in webspace.unserved:
                message = f"{domain} is not a domain of this webspace"
                raise NotFound(message)
            return {KEY: webspace.without_domain(domain, text).dump(), **_without_certificate(observed, domain)}

        await self._documents.change_keys(uid, changed)

    def _default(self, observed: Observed) -> Sequence[str]:
        return self._claims.rules.default_domain(observed)

    async def _texts(self, domain: str, uid: int) -> Collection[str]:
        """Give what stands where a domain is proved; the second name is asked only where the first does not settle it."""
        texts: list[str] = []
        for name in proof_names(domain):
            texts += await self._records.texts(name)
            if proof(uid) in texts and not self._rivals(domain, uid):
                break
        return texts

    def _rivals(self, domain: str, uid: int) -> Collection[int]:
        return set(self._claims.claimants(domain)) - {uid}

    def _check_proof(self, uid: int, domain: str, texts: Collection[str]) -> None:
        if proof(uid) in texts:
            return
        if self._rivals(domain, uid):
            message = f"{domain} is in use"
            raise Conflict(message)
        message = (
            f"{domain} is not verified: give it, or {PROOF_LABEL}.{domain}, a TXT record with the text {proof(uid)},"
            " then try again"
        )
        raise Invalid(message)

    def _no_longer_entitled(self, domain: str, texts: Collection[str]) -> Collection[int]:
        """Give who has a domain whose proof is gone, now that somebody else has proved it."""
        return [uid for uid in self._claims.claimants(domain) if proof(uid) not in texts]

    def _added(self, observed: Observed, domain: str, granted: float) -> dict[str, str]:
        webspace = observed.webspace
        # What somebody left there by hand was brought for no domain that is to be served.
        left = {} if domain in webspace.domains else _without_certificate(observed, domain)
        return {KEY: self._with_domain(webspace, domain, granted).dump(), **left}

    def _with_domain(self, webspace: Webspace, domain: str, granted: float) -> Webspace:
        if domain in webspace.domains:
            if self._claims.holder(domain) != webspace.user:
                # It was granted to somebody else since, who may have given it up: proved again, it is granted anew.
                return webspace.with_domain(domain, granted)
            message = f"{domain} is a domain of this webspace already"
            raise Conflict(message)
        if len(webspace.domains) >= self.rules.max:
            message = f"a webspace has at most {self.rules.max} domains of its own"
            raise Invalid(message)
        return webspace.with_domain(domain, granted)


def _without_certificate(observed: Observed, domain: str) -> dict[str, str]:
    """Give what takes a domain's certificate away: it goes with the domain."""
    key = certificate_key(domain)
    return {key: ""} if key in observed.instance.config else {}
