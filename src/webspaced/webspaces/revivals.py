"""Domains that come back to who lost them to another webspace, once nobody has them and DNS names the loser again."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import DeferredSemaphore
from twisted.logger import Logger
from twisted.python.failure import Failure

from webspaced.errors import WebspacedError
from webspaced.lib.deferreds import shield
from webspaced.webspaces.claims import Claims
from webspaced.webspaces.domains import Domains
from webspaced.webspaces.registry import Registry

PARALLEL = 4
"""Domains that DNS is asked for at a time."""


class Revivals:
    """Asks DNS for the proof when a domain is given up, and after each full pass as long as it is missing."""

    log = Logger()

    def __init__(
        self, registry: Registry, claims: Claims, domains: Domains, may_write: Callable[[], bool] = lambda: True
    ) -> None:
        """:param may_write: whether no other daemon can be at work."""
        self._registry = registry
        self._claims = claims
        self._domains = domains
        self._may_write = may_write
        self._places = DeferredSemaphore(PARALLEL)
        self._asks = False
        self._asked: set[tuple[int, str]] = set()
        claims.subscribe_to_hosts(self._moved)

    def begin(self) -> None:
        """Ask for all that is free, and from now on whenever something is given up: this daemon may write."""
        self._asks = True
        for observed in self._registry:
            for domain in self._claims.lost(observed.uid):
                self._ask(observed.uid, domain)

    def _moved(self, domain: str) -> None:
        if self._asks:
            for uid in self._claims.losers(domain):
                self._ask(uid, domain)

    def _ask(self, uid: int, domain: str) -> None:
        if self._claims.holder(domain) is None and (uid, domain) not in self._asked:
            self._asked.add((uid, domain))
            shield(self._prove(uid, domain)).addErrback(self._failed, uid)

    async def _prove(self, uid: int, domain: str) -> None:
        await self._places.acquire()
        try:
            if self._may_write():
                # As if its member added it anew: with the proof, and under the lock of all who want it.
                await self._domains.add(uid, domain)
                self.log.info(
                    "webspace {webspace} has {domain} again: its DNS says so",
                    event="domain.revived",
                    webspace=uid,
                    domain=domain,
                )
        except WebspacedError as error:
            self.log.debug(
                "webspace {webspace} does not get {domain} back: {error}",
                event="domain.not-revived",
                webspace=uid,
                domain=domain,
                error=str(error),
            )
        finally:
            self._places.release()
            self._asked.discard((uid, domain))

    def _failed(self, failure: Failure, uid: int) -> None:
        # The next full pass tries again.
        self.log.failure(
            "what webspace {webspace} lost could not be looked at", failure, event="domain.revival-broke", webspace=uid
        )
