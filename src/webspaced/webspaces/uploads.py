"""Members' own certificates: brought, looked at, taken away."""

from __future__ import annotations

import time
from collections.abc import Callable

from webspaced.core.certificate import Certificate, accept
from webspaced.core.domains import normalized
from webspaced.core.kept_certificates import certificate_key, dump
from webspaced.errors import Conflict, Invalid, NotFound
from webspaced.interfaces import IRoutes
from webspaced.webspaces.certificates import Certificates
from webspaced.webspaces.claims import Claims
from webspaced.webspaces.documents import Documents
from webspaced.webspaces.observed import Observed


class Uploads:
    """Certificates of webspaces by user id and domain. Every method raises ``NotFound`` where there is no webspace, or the
    domain is none of its own, and ``Invalid`` for the default domain, whose certificate is the operator's affair.
    """

    def __init__(
        self,
        documents: Documents,
        claims: Claims,
        certificates: Certificates,
        routes: IRoutes,
        now: Callable[[], float] = time.time,
    ) -> None:
        """:param now: gives seconds since the epoch."""
        self._documents = documents
        self._claims = claims
        self._certificates = certificates
        self._routes = routes
        self._now = now

    async def read(self, uid: int, text: str) -> Certificate:
        """Give the certificate that was brought for a domain; ``NotFound`` if none was, or none that can be read."""
        observed = await self._documents.present(uid)
        domain = self._own(observed, text)
        if domain in observed.certificates.good:
            return observed.certificates.good[domain]
        if domain in observed.certificates.bad:
            message = f"what is kept as the certificate of {domain} cannot be served: {observed.certificates.bad[domain]}"
            raise NotFound(message)
        raise _lacking(domain)

    async def put(self, uid: int, text: str, chain: str, key: str) -> tuple[Certificate, bool]:
        """Serve a domain with this certificate, and return when it is; gives it, and whether there was none before.

        ``Invalid`` says what is wrong with it; ``Conflict`` if it names another webspace's domain.
        """
        domain = self._own(await self._documents.present(uid), text)
        certificate = accept(chain, key, domain, self._now())

        def changes(observed: Observed) -> dict[str, str]:
            self._check_names(observed, certificate, self._own(observed, text))
            kept = dump(certificate, uid)
            return {} if observed.instance.config.get(certificate_key(domain)) == kept else {certificate_key(domain): kept}

        self._documents.check_all_seen()
        before = await self._documents.change_keys(uid, changes)
        await self._routes.settled(uid)
        return certificate, not before.instance.config.get(certificate_key(domain))

    async def remove(self, uid: int, text: str) -> None:
        """Serve a domain with an automatic certificate again; ``NotFound`` if it is."""

        def changes(observed: Observed) -> dict[str, str]:
            domain = self._own(observed, text)
            if not observed.instance.config.get(certificate_key(domain)):
                raise _lacking(domain)
            return {certificate_key(domain): ""}

        await self._documents.change_keys(uid, changes)
        await self._routes.settled(uid)

    def _own(self, observed: Observed, text: str) -> str:
        domain = normalized(text)
        if domain in self._claims.rules.default_domain(observed):
            message = f"{domain} is the default domain: certificates are brought for domains of your own"
            raise Invalid(message)
        if domain not in observed.webspace.domains:
            message = f"{domain} is not a domain of this webspace"
            raise NotFound(message)
        return domain

    def _check_names(self, observed: Observed, certificate: Certificate, domain: str) -> None:
        domains = [each for each in observed.webspace.domains if self._claims.holder(each) == observed.uid]
        if domain not in domains:
            message = f"{domain} was granted to another webspace"
            raise Conflict(message)
        self._certificates.check(observed.uid, certificate, domains)


def _lacking(domain: str) -> NotFound:
    return NotFound(f"no certificate was brought for {domain}: it has an automatic one")
