"""Under which names a webspace is served: its default domain, and its member's own ones.

A domain is proved once, when it is added, by a TXT record of the domain itself. It is not asked for again: a record that is
gone, or a DNS server that is away, never takes a site from its visitors. Who may no longer have one is for people to say.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from webspaced.core.domains import normalized, parse_own_domain, proof
from webspaced.core.names import default_domain
from webspaced.core.webspace import Webspace
from webspaced.errors import Conflict, Invalid, NotFound
from webspaced.interfaces import IDomainRecords, IRoutes
from webspaced.webspaces.allocator import Allocator
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
        self, documents: Documents, allocator: Allocator, records: IDomainRecords, routes: IRoutes, rules: DomainRules
    ) -> None:
        self._documents = documents
        self._allocator = allocator
        self._records = records
        self._routes = routes
        self._rules = rules

    async def names(self, uid: int) -> Sequence[str]:
        """Give every name of a webspace, its default domain first."""
        observed = await self._documents.present(uid)
        return [*self._default(observed), *observed.webspace.domains]

    async def add(self, uid: int, text: str) -> None:
        """Serve a webspace under a domain whose DNS says that it may be, and return when it is.

        ``Invalid`` if it cannot be one, is not proved or is one too many; ``Conflict`` if a webspace has it already;
        ``Unavailable`` if DNS does not answer.
        """
        domain = parse_own_domain(text, self._rules.service)
        self._with_domain((await self._documents.present(uid)).webspace, domain)
        self._documents.check_all_seen()
        with self._allocator.domain(domain, uid):
            # Somebody's already: no need to ask the DNS.
            pass
        await self._prove(uid, domain)
        with self._allocator.domain(domain, uid):
            await self._documents.change(uid, lambda webspace: self._with_domain(webspace, domain))
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

        def changed(webspace: Webspace) -> Webspace:
            if domain not in webspace.domains and text not in webspace.unserved:
                message = f"{domain} is not a domain of this webspace"
                raise NotFound(message)
            return webspace.without_domain(domain, text)

        await self._documents.change(uid, changed)

    def _default(self, observed: Observed) -> list[str]:
        return [default_domain(observed.username, self._rules.service)] if observed.username else []

    async def _prove(self, uid: int, domain: str) -> None:
        if proof(uid) not in await self._records.texts(domain):
            message = f"{domain} is not verified: give it a TXT record with the text {proof(uid)}, then try again"
            raise Invalid(message)

    def _with_domain(self, webspace: Webspace, domain: str) -> Webspace:
        if domain in webspace.domains:
            message = f"{domain} is a domain of this webspace already"
            raise Conflict(message)
        if len(webspace.domains) >= self._rules.max:
            message = f"a webspace has at most {self._rules.max} domains of its own"
            raise Invalid(message)
        return webspace.with_domain(domain)
