"""The mirror of LXD that everything else decides on: every webspace as it was last seen.

It is filled by looking (:meth:`Registry.look`, :meth:`Registry.sync`), never by believing an event. Whoever needs to act on
a change subscribes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any

from attrs import Factory, define, evolve
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from webspaced.core.address import AddressRule, choose
from webspaced.core.instance import Instance, IPAddress
from webspaced.core.names import instance_name, uid_of_instance
from webspaced.core.webspace import Config
from webspaced.errors import DeadlineExceeded, Invalid, NotFound, RemoteError, Unavailable
from webspaced.interfaces import IInstances
from webspaced.lib.gently import Gently
from webspaced.lib.keyed import Coalesced
from webspaced.lib.multimap import Multimap
from webspaced.webspaces.conditions import Conditions, Kind
from webspaced.webspaces.observed import Observed, observe

PARALLEL_READS = 8
AWAY_PAUSE = 10.0
"""Seconds after which asking for a webspace again makes sense whose cluster member is away."""


@define
class _Found:
    """What a list of all instances told. ``away``: the cluster members of those that are away."""

    uids: set[int] = Factory(set)
    changed: dict[int, Instance] = Factory(dict)
    away: dict[int, str] = Factory(dict)
    strangers: list[Instance] = Factory(list)


class Registry:
    """Every webspace by user id. Before :meth:`prepare`, every read fails with ``Unavailable``."""

    log = Logger()

    def __init__(
        self, clock: IReactorTime, instances: IInstances, prefix: str, defaults: Config, conditions: Conditions
    ) -> None:
        self.gently = Gently(clock)
        """For work on all of them."""
        self._instances = instances
        self._prefix = prefix
        self._defaults = defaults
        self._conditions = conditions
        self._nic = ""
        self._rule: AddressRule | None = None
        self._seen: dict[int, Observed] = {}
        self._versions: dict[int, int] = {}
        self._strangers: dict[str, frozenset[IPAddress]] = {}
        self._claimants: Multimap[IPAddress, int] = Multimap()
        self._boot_ports: Multimap[int, int] = Multimap()
        self._listeners: list[Callable[[int], None]] = []
        self.away: dict[int, str] = {}
        """The webspaces whose cluster member is away, with its name, as of the last full pass."""
        self.complete = False
        """Whether everything has been seen once: before that, nobody can say what is free."""
        self._looks: Coalesced[int, Observed | None] = Coalesced(self._look)

    def prepare(self, nic: str, rule: AddressRule) -> None:
        """Say which NIC and which addresses count, once LXD told."""
        self._nic, self._rule = nic, rule

    def subscribe(self, listener: Callable[[int], None]) -> None:
        """Call ``listener(uid)`` after each change, deletion included. It must not raise."""
        self._listeners.append(listener)

    def name_of(self, uid: int) -> str:
        """Give the name that a user's instance has or would have."""
        return instance_name(self._prefix, uid)

    def uid_of(self, name: str) -> int | None:
        """Give the user id of a webspace's instance name, else ``None``."""
        return uid_of_instance(self._prefix, name)

    def get(self, uid: int) -> Observed | None:
        """Give a webspace as last seen."""
        return self._seen.get(uid)

    def with_boot_port(self, port: int) -> list[Observed]:
        """Give the webspaces that have this boot port: one, unless an instance was copied."""
        return [self._seen[uid] for uid in self._boot_ports.owners(port)]

    def __iter__(self) -> Iterator[Observed]:
        return iter(list(self._seen.values()))

    def look(self, uid: int) -> Deferred[Observed | None]:
        """Read a webspace from LXD, beginning now or later, and give what was seen; ``None`` if there is none.

        A new incarnation has no address yet: whoever wants to reach it asks the booter, who polls for it.
        """
        return self._looks.request(uid)

    async def sync(self) -> None:
        """Read every webspace of LXD. What is looked at meanwhile wins over the list."""
        if self._rule is None:
            message = "webspaced is still starting"
            raise Unavailable(message)
        before = dict(self._versions)
        found = _Found()
        await self._instances.go_through(lambda instance: self._find(instance, found))
        await self._read_strangers(found.strangers)
        self.away = found.away
        gone = [uid for uid in self._seen if uid not in found.uids]
        await self._in_parallel(gone, lambda uid: self._take(uid, None, before.get(uid)))
        changed = found.changed
        await self._in_parallel(changed, lambda uid: self._take(uid, changed[uid], before.get(uid)))
        self.complete = True

    def _find(self, instance: Instance, found: _Found) -> None:
        """Note what is to be done about an element of the list; of what is as it was, nothing is kept."""
        uid = self.uid_of(instance.name)
        if uid is None:
            found.strangers.append(instance)
            return
        found.uids.add(uid)
        # Nothing is known of those whose cluster member is away, so nothing is changed.
        away = instance.location if instance.untold else None
        self._conditions.note(uid, Kind.MEMBER_AWAY, away and f"the cluster member {away} is away")
        if away is not None:
            found.away[uid] = away
        elif self._differs(uid, instance):
            found.changed[uid] = instance

    async def read_addresses(self) -> None:
        """Read the addresses of all that run, one by one: root may have changed them since."""
        for observed in list(self._seen.values()):
            if observed.runs and observed.uid not in self.away:
                await self.read_address(observed.uid)


    async def somebody_is_back(self) -> bool:
        """Whether LXD tells of other webspaces now than in the last full pass that their cluster member is away."""
        away: set[int] = set()

        def note(instance: Instance) -> None:
            uid = self.uid_of(instance.name)
            if instance.untold and uid is not None:
                away.add(uid)

        await self._instances.go_through(note)
        return away != self.away.keys()

    @property
    def never_seen(self) -> frozenset[int]:
        """The webspaces that LXD lists, but could not say anything of since webspaced started."""
        return frozenset(self.away.keys() - self._seen.keys())

    def _differs(self, uid: int, instance: Instance) -> bool:
        known = self._seen.get(uid)
        if known is None or (known.runs and known.address is None):
            return True
        return known.instance != evolve(instance, etag=known.instance.etag)

    async def _take(self, uid: int, instance: Instance | None, version: int | None) -> None:
        """Store what the list says of a webspace, unless somebody has looked meanwhile: then look again."""
        observed = None if instance is None else self._read(uid, instance)
        if observed is not None and observed.runs and observed.address is None:
            # Read before anybody hears of it: without its address, a running webspace's direct route would be given up.
            observed = await self._with_address_if_readable(observed)
        if self._versions.get(uid) != version or instance is None:
            await self.look(uid)
        elif observed is None:
            self.forget(uid)
        else:
            self._store(observed)

    async def _in_parallel(self, uids: Iterable[int], read: Callable[[int], Awaitable[Any]]) -> None:
        async def attempt(uid: int) -> None:
            try:
                await read(uid)
            except (Unavailable, CancelledError):
                # LXD went away within the pass, or it was given up: what was not read is not gone.
                raise
            except Exception as error:  # noqa: BLE001  (one that cannot be read must not keep the others from being served)
                self.log.warn("a webspace could not be read: {error}", error=str(error))

        await self.gently.side_by_side(PARALLEL_READS, uids, attempt)

    async def _read_strangers(self, strangers: Sequence[Instance]) -> None:
        """Collect what running instances that are no webspaces claim: such an address is never a webspace's."""
        # What is on a cluster member that is away keeps what it had.
        claims = {i.name: self._strangers.get(i.name, frozenset()) for i in strangers if i.untold}
        self._strangers = claims | {i.name: await self._stranger_claims(i.name) for i in strangers if i.status.runs}
        claimed = self._claimed_by_strangers()
        for observed in list(self._seen.values()):
            if observed.address in claimed:
                self._take_address(observed)

    async def _stranger_claims(self, name: str) -> frozenset[IPAddress]:
        rule = self._ready_rule()
        try:
            state = await self._instances.state(name)
        except NotFound:
            return frozenset()
        except (RemoteError, DeadlineExceeded):
            # It cannot be read in this moment: what it claimed last is still the best that is known.
            return self._strangers.get(name, frozenset())
        return frozenset(a for nic in state.interfaces for a, scope in nic.addresses if scope == "global" and rule.allows(a))

    def _claimed_by_strangers(self) -> frozenset[IPAddress]:
        return frozenset().union(*self._strangers.values())

    def _ready_rule(self) -> AddressRule:
        if self._rule is None:
            message = "webspaced is still starting"
            raise Unavailable(message)
        return self._rule

    async def _look(self, uid: int) -> Observed | None:
        self._ready_rule()
        try:
            instance = await self._instances.get(self.name_of(uid))
        except NotFound:
            self.forget(uid)
            self._conditions.forget(uid)
            return None
        except RemoteError as error:
            if uid in self.away:
                message = f"the cluster member {self.away[uid]}, which has the webspace, is away"
                raise Unavailable(message, retry_after=AWAY_PAUSE) from error
            raise
        observed = self._read(uid, instance)
        if observed is None:
            self.forget(uid)
        else:
            self._store(observed)
        return observed

    def _read(self, uid: int, instance: Instance) -> Observed | None:
        try:
            observed = observe(uid, instance, self._defaults)
        except Invalid as error:
            self._conditions.note(uid, Kind.UNREADABLE, str(error))
            return None
        self._conditions.note(uid, Kind.UNREADABLE, None)
        known = self._seen.get(uid)
        if known is None or known.instance.incarnation != instance.incarnation or not observed.runs:
            return observed
        return evolve(observed, claims=known.claims, address=known.address)

    async def read_address(self, uid: int) -> Observed | None:
        """Read only the addresses of a running webspace: cheaper for LXD than a look while it is coming up.

        They stay as they were while LXD cannot tell them: Incus says that a container runs until it is done with its end.
        """
        observed = self._seen.get(uid)
        if observed is None or not observed.runs:
            return observed
        try:
            renewed = await self._with_address(observed)
        except RemoteError as error:
            self.log.info("the addresses of {name} cannot be read: {error}", name=observed.name, error=str(error))
            return await self.look(uid)
        current = self._seen.get(uid)
        if current is None or current.instance.incarnation != observed.instance.incarnation:
            return current
        renewed = evolve(current, claims=renewed.claims, address=renewed.address)
        self._store(renewed)
        return renewed

    async def _with_address_if_readable(self, observed: Observed) -> Observed:
        try:
            return await self._with_address(observed)
        except (RemoteError, DeadlineExceeded) as error:
            # It is there all the same: its boot port serves it, and the booter goes on asking.
            self.log.warn("the addresses of {name} cannot be read: {error}", name=observed.name, error=str(error))
            return observed

    async def _with_address(self, observed: Observed) -> Observed:
        claims = await self._read_claims(observed)
        if claims is None:
            return observed
        for rival in {uid for a in claims for uid in self._claimants.owners(a)} - {observed.uid}:
            # What it claimed at its start may be long gone.
            await self._read_again(rival)
        return self._decided(observed, claims)

    async def _read_again(self, uid: int) -> None:
        before = self._seen.get(uid)
        try:
            claims = await self._read_claims(before) if before is not None and before.runs else None
        except RemoteError:
            # It keeps what it claimed last: that is no reason for its rival not to come up.
            return
        current = self._seen.get(uid)
        if before and current and claims is not None and current.instance.incarnation == before.instance.incarnation:
            self._store(self._decided(current, claims))

    async def _read_claims(self, observed: Observed) -> tuple[IPAddress, ...] | None:
        try:
            state = await self._instances.state(observed.name)
        except NotFound:
            return None
        return self._ready_rule().claims(state, observed.instance.nic_mac(self._nic))

    def _decided(self, observed: Observed, claims: tuple[IPAddress, ...]) -> Observed:
        others = self._claimed_by_others(observed.uid, claims)
        self._note_clash(observed.uid, [address for address in claims if address in others])
        # The present address stays while it counts, so that a new one beside it changes nothing.
        ordered = sorted(claims, key=lambda address: address != observed.address)
        return evolve(observed, claims=claims, address=choose(ordered, others))

    def _claimed_by_others(self, uid: int, claims: Iterable[IPAddress]) -> frozenset[IPAddress]:
        strangers = self._claimed_by_strangers()
        return frozenset(a for a in claims if a in strangers or self._claimants.owners(a) - {uid})

    def _note_clash(self, uid: int, clashing: list[IPAddress]) -> None:
        detail = ", ".join(str(address) for address in clashing) if clashing else None
        self._conditions.note(uid, Kind.ADDRESS_CLASH, detail and f"{detail} is claimed by another instance, too")

    def _store(self, observed: Observed) -> None:
        known = self._seen.get(observed.uid)
        self._versions[observed.uid] = self._versions.get(observed.uid, 0) + 1
        self._seen[observed.uid] = observed
        self._claimants.give(observed.uid, (observed.claims or ()) if observed.runs else ())
        self._boot_ports.give(observed.uid, [observed.boot_port] if observed.boot_port else ())
        if known != observed:
            self._tell(observed.uid)
        self._unseat_rivals(observed)

    def _unseat_rivals(self, observed: Observed) -> None:
        """Take an address from every other webspace that claims it, too: neither is routed there."""
        for address in (observed.claims or ()) if observed.runs else ():
            for uid in self._claimants.owners(address) - {observed.uid}:
                if self._seen[uid].address == address:
                    self._take_address(self._seen[uid])

    def _take_address(self, observed: Observed) -> None:
        self._note_clash(observed.uid, [observed.address] if observed.address else [])
        self._seen[observed.uid] = evolve(observed, address=None)
        self._tell(observed.uid)

    def forget(self, uid: int) -> None:
        """Take a webspace for gone. If it is not, the next look or full pass tells of it as of a new one."""
        self._versions[uid] = self._versions.get(uid, 0) + 1
        self._claimants.give(uid, ())
        self._boot_ports.give(uid, ())
        if self._seen.pop(uid, None) is not None:
            self._tell(uid)

    def _tell(self, uid: int) -> None:
        for listener in self._listeners:
            listener(uid)
