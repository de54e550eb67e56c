"""Webspaces whose own NICs lack LXD's filters: the profile's were copied when they got them, and do not follow it."""

from __future__ import annotations

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from webspaced.core.guards import copies_advice, filters_lacking
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.registry import Registry


@frozen(kw_only=True)
class FilterRule:
    """The NIC of webspaces on a network that LXD manages, and how commands begin: LXD's client with its project."""

    nic: str
    client: str


class Filters:
    """Looks at all of them after a full pass, and warns when there are more without filters than before."""

    log = Logger()

    def __init__(self, registry: Registry, prefix: str) -> None:
        """:param prefix: what the names of webspaces' instances begin with."""
        self._registry = registry
        self._prefix = prefix
        self._rule: FilterRule | None = None
        self._warned = 0
        self._looking: Deferred[None] | None = None

    def prepare(self, rule: FilterRule | None) -> None:
        """Say what to look at, once LXD told; ``None``: nothing, as LXD does not manage the network."""
        self._rule = rule

    def look(self) -> None:
        """Begin to look at all, unless that is under way."""
        if self._rule is not None and self._looking is None:
            looking = Deferred.fromCoroutine(self._look(self._rule)).addErrback(self._failed)
            if not looking.called:
                self._looking = looking.addCallback(self._looked)

    async def _look(self, rule: FilterRule) -> None:
        lacking: list[str] = []

        def look(observed: Observed) -> None:
            device = observed.instance.expanded_devices.get(rule.nic, {})
            # One that has an address is its own; others have the profile's, of which the start tells.
            if "ipv4.address" in device and filters_lacking(device):
                lacking.append(observed.name)

        await self._registry.gently.each(self._registry, look)
        if len(lacking) > self._warned:
            advice = copies_advice(min(lacking), len(lacking), rule.nic, self._prefix, rule.client)
            self.log.warn("{advice}", event="network.no-filters", advice=advice)
        self._warned = len(lacking)

    def _looked(self, _result: None) -> None:
        self._looking = None

    def _failed(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self.log.failure("the filters of webspaces could not be looked at", failure, event="network.filters-broke")
