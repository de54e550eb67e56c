"""Where a webspace's container is: which of the addresses that it shows are its own, and may be a backend."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from math import inf

from attrs import evolve
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from webspaced.core.address import MOST_ADDRESSES, AddressRule
from webspaced.core.instance import Instance, IPAddress
from webspaced.core.ownership import fixed_addresses
from webspaced.errors import DeadlineExceeded, NotFound, RemoteError, Unavailable
from webspaced.interfaces import IInstances
from webspaced.lib.deferreds import bounded, sleep
from webspaced.lib.gently import Gently
from webspaced.webspaces.conditions import Conditions, Kind
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.ownership import Ownership

PARALLEL_READS = 8
ADDRESS_BUDGET = 5.0
"""Seconds that the look at one instance's addresses may take: one that hangs must not keep the others from theirs."""
FIRST_BUDGET = 3.0
"""Seconds for which containers are asked before the first answer, where there is nobody else: the rest is asked later."""
NOTICED = 0.1
"""Seconds within which the event stream tells that LXD is away."""
MOST_NAMED = 4
"""So many foreign addresses of a webspace are named."""


class Addressing:
    """Reads and judges addresses; keeps nothing of its own."""

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        gently: Gently,
        instances: IInstances,
        nic: str,
        rule: AddressRule,
        ownership: Ownership,
        conditions: Conditions,
        is_there: Callable[[], bool],
    ) -> None:
        """:param is_there: whether LXD is there as a whole, as its event stream tells."""
        self.ownership = ownership
        self.nic = nic
        self._clock = clock
        self._gently = gently
        self._instances = instances
        self._rule = rule
        self._conditions = conditions
        self._is_there = is_there
        self._ask_until = inf

    def begin_asking(self, *, first: bool) -> None:
        """Say that many are going to be asked; ``first``: nobody is served before that is over."""
        self._ask_until = self._clock.seconds() + FIRST_BUDGET if first else inf

    async def check_there(self, error: Exception) -> None:
        """Raise an error that says that LXD is away as a whole; not to answer for one instance is that one's affair."""
        if isinstance(error, Unavailable):
            await sleep(self._clock, NOTICED)
            if not self._is_there():
                raise error

    async def read(self, observed: Observed) -> tuple[IPAddress, ...] | None:
        """Give the addresses that a webspace shows now; ``None`` if its instance is gone."""
        try:
            state = await self._instances.state(observed.name)
        except NotFound:
            return None
        return self._rule.claims(state, observed.instance.nic_mac(self.nic))

    def is_fixed(self, observed: Observed) -> bool:
        """Whether its address is written for it, so that nobody else can get it."""
        return bool(fixed_addresses(observed.instance, self.nic))

    def is_unheard(self, observed: Observed, address: IPAddress) -> bool:
        """Whether an address that could be a running webspace's may be its own, for all that anybody can say yet."""
        if not self._rule.allows(address) or self.ownership.out_of_reach(observed.instance):
            return False
        shown = observed.claims is None or address in observed.claims
        return shown and self.ownership.is_unheard(observed.instance, address)

    def is_worth_asking(self, observed: Observed, claims: Collection[IPAddress]) -> bool:
        """Whether the leases should be read again before a webspace is judged.

        What it shows first after a start may have been leased a moment ago, or be somebody else's by now.
        """
        if not claims or self.is_fixed(observed):
            return False
        return not observed.claims or not self.ownership.owned(observed.instance, claims)

    def judged(self, observed: Observed) -> Observed:
        """Give a running webspace with its addresses, by what it shows and what is its own."""
        if observed.claims is None:
            return evolve(observed, addresses=self._expected(observed)) if observed.addresses else observed
        owned = self.ownership.owned(observed.instance, observed.claims)
        foreign = [address for address in observed.claims if address not in owned]
        self._note(observed, [each for each in foreign if not self.ownership.is_unheard(observed.instance, each)])
        usable = owned if self._is_reachable(observed) else ()
        # The present one stays the first while it counts, so that a new one beside it changes nothing.
        return evolve(observed, addresses=tuple(sorted(usable, key=lambda each: each != observed.address)))

    async def located(self, observed: Observed) -> Observed:
        """Give a running webspace with the addresses that it must have, without asking it.

        Where there is nobody to ask whose an address is, it is asked all the same.
        """
        if not self.ownership.by_hearsay:
            return evolve(observed, addresses=self._expected(observed))
        if self._clock.seconds() >= self._ask_until:
            return observed
        try:
            what = f"reading the addresses of webspace {observed.uid}"
            claims = await bounded(self._clock, ADDRESS_BUDGET, self.read(observed), what)
        except (RemoteError, DeadlineExceeded, Unavailable) as error:
            await self.check_there(error)
            # It is there all the same: its boot port serves it, and the booter goes on asking.
            self.log.warn(
                "the addresses of {instance} cannot be read: {error}",
                event="webspace.addresses-unread",
                instance=observed.name,
                error=str(error),
            )
            return observed
        return observed if claims is None else self.judged(evolve(observed, claims=claims))

    async def look_at_strangers(self, strangers: Sequence[Instance]) -> Collection[IPAddress]:
        """Note what instances of all projects have that are no webspaces, where that is known by looking alone.

        Gives the addresses whose owner may be another one now, because strangers are gone.
        """
        others: list[Instance] = list(strangers)
        if self.ownership.by_hearsay:
            await self._instances.go_through_others(others.append)
        changed = self.ownership.only_strangers([each.identity for each in others])
        if self.ownership.by_hearsay:
            told = [each for each in others if not each.untold]
            await self._gently.side_by_side(PARALLEL_READS, told, self._look_at_stranger)
        return changed

    async def look_at_stranger(self, name: str) -> Collection[IPAddress]:
        """Find out whether an instance that is no webspace is still there; gives addresses as above."""
        changed = self.ownership.doubt(name)
        if changed:
            with suppress(RemoteError, DeadlineExceeded, NotFound):
                self.ownership.note(await self._instances.get(name))
        return changed

    async def _look_at_stranger(self, stranger: Instance) -> None:
        self.ownership.note(stranger)
        in_time = self._clock.seconds() < self._ask_until
        if in_time and stranger.status.runs and (shown := await self._shown(stranger)) is not None:
            self.ownership.owned(stranger, shown)

    async def _shown(self, stranger: Instance) -> Sequence[IPAddress] | None:
        asking = self._instances.state(stranger.name, stranger.project)
        try:
            state = await bounded(self._clock, ADDRESS_BUDGET, asking, f"the state of {stranger.name}")
        except (RemoteError, DeadlineExceeded, NotFound, Unavailable) as error:
            await self.check_there(error)
            # It keeps what it had.
            return None
        shown = [at for nic in state.interfaces for at, scope in nic.addresses if scope == "global"][:MOST_ADDRESSES]
        return [address for address in shown if self._rule.allows(address)]

    def _expected(self, observed: Observed) -> tuple[IPAddress, ...]:
        if not self._is_reachable(observed):
            return ()
        expected = self.ownership.expected(observed.instance)
        return tuple(address for address in expected if self._rule.allows(address))

    def _is_reachable(self, observed: Observed) -> bool:
        away = self.ownership.out_of_reach(observed.instance)
        where = observed.instance.location
        detail = f"its address is on the bridge of the cluster member {where}, which is not reached from here (lxd.member)"
        self._conditions.note(observed.uid, Kind.OUT_OF_REACH, detail if away else None)
        return not away

    def _note(self, observed: Observed, foreign: Sequence[IPAddress]) -> None:
        more = f" and {len(foreign) - MOST_NAMED} more" if len(foreign) > MOST_NAMED else ""
        named = ", ".join(str(address) for address in foreign[:MOST_NAMED])
        detail = f"it shows {named}{more}, which it was not given"
        self._conditions.note(observed.uid, Kind.ADDRESS_CLASH, detail if foreign else None)
