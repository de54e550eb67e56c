"""The mirror of LXD that everything else decides on: every webspace as it was last seen.

It is filled by looking (:meth:`Registry.look`, :meth:`Registry.sync`), never by believing an event. Whoever needs to act on
a change subscribes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from typing import Any

from attrs import Factory, define, evolve
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from webspaced.core.address import AddressRule
from webspaced.core.config import Config
from webspaced.core.instance import Instance, IPAddress, Status
from webspaced.core.names import instance_name, uid_of_instance
from webspaced.core.webspace import Webspace, load_webspace
from webspaced.errors import Invalid, NotFound, RemoteError, Unavailable, WebspacedError
from webspaced.interfaces import IInstances
from webspaced.lib.buckets import Buckets, Rate
from webspaced.lib.deferreds import bounded
from webspaced.lib.gently import Gently
from webspaced.lib.keyed import Coalesced
from webspaced.lib.multimap import Multimap
from webspaced.webspaces.addressing import ADDRESS_BUDGET, PARALLEL_READS, Addressing
from webspaced.webspaces.conditions import Conditions, Kind
from webspaced.webspaces.observed import Observed, observe
from webspaced.webspaces.ownership import Ownership
from webspaced.webspaces.words import Words

ASKING, MOST_ASKING = Rate(per_second=0.5, burst=5.0), 10_000
"""How often one webspace may have the leases read: there are as many as webspaces, and root may show anything for ever."""
AWAY_PAUSE = 10.0
"""Seconds after which asking for a webspace again makes sense whose cluster member is away."""


@define
class _Found:
    """What a list of all instances told. ``away``: the cluster members of those that are away."""

    uids: set[int] = Factory(set)
    changed: dict[int, Instance] = Factory(dict)
    away: dict[int, str] = Factory(dict)
    strangers: list[Instance] = Factory(list)
    others: set[IPAddress] = Factory(set)
    """Addresses that may have another owner now."""


class Registry:
    """Every webspace by user id. Before :meth:`prepare`, every read fails with ``Unavailable``."""

    log = Logger()

    def __init__(
        self, clock: IReactorTime, instances: IInstances, prefix: str, defaults: Config, conditions: Conditions,
        words: Words,
    ) -> None:  # fmt: skip
        """:param words: what admins said is what counts of it, whatever a document says."""
        self.words = words
        self.gently = Gently(clock)
        """For work on all of them."""
        self._clock = clock
        self._instances = instances
        self._prefix = prefix
        self._defaults = defaults
        self._conditions = conditions
        self._addressing: Addressing | None = None
        self._seen: dict[int, Observed] = {}
        self._versions: dict[int, int] = {}
        self._claimants: Multimap[IPAddress, int] = Multimap()
        self._next_read = 0
        self._asking: Buckets[int] = Buckets(clock, ASKING, MOST_ASKING)
        self._boot_ports: Multimap[int, int] = Multimap()
        self._listeners: list[Callable[[int], None]] = []
        self.away: dict[int, str] = {}
        """The webspaces whose cluster member is away, with its name, as of the last full pass."""
        self.is_there: Callable[[], bool] = lambda: True
        """Whether LXD is there as a whole, as its event stream tells; to be said before :meth:`prepare`."""
        self.complete = False
        """Whether everything has been seen once: before that, nobody can say what is free."""
        self._looks: Coalesced[int, Observed | None] = Coalesced(self._look)

    def prepare(self, nic: str, rule: AddressRule, ownership: Ownership) -> None:
        """Say which NIC and which addresses count, and who knows whose they are, once LXD told."""
        self._addressing = Addressing(
            self._clock, self.gently, self._instances, nic, rule, ownership, self._conditions, self.is_there
        )
        ownership.subscribe(self._judge_again)

    @property
    def nic(self) -> str:
        """The device by which webspaces are reached. ``Unavailable`` before LXD told."""
        return self._ready().nic

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

    async def look_at_stranger(self, name: str) -> None:
        """See to it that an instance that is no webspace, and may be gone, has no address that it has no more."""
        if self._addressing is not None:
            self._judge_again(await self._addressing.look_at_stranger(name))

    async def sync(self) -> None:
        """Read every webspace of LXD. What is looked at meanwhile wins over the list."""
        addressing = self._ready()
        await self.read_words()
        found = _Found(others=set(await addressing.ownership.renew()))
        before = dict(self._versions)
        await self._instances.go_through(lambda instance: self._find(instance, found))
        addressing.begin_asking(first=not self.complete)
        found.others |= set(await addressing.look_at_strangers(found.strangers))
        self.away = found.away
        gone = [uid for uid in self._seen if uid not in found.uids]
        await self._in_parallel(gone, lambda uid: self._take(uid, None, before.get(uid)))
        changed = found.changed
        addressing.begin_asking(first=not self.complete)
        await self._in_parallel(changed, lambda uid: self._take(uid, changed[uid], before.get(uid)))
        self._judge_again(found.others)
        self.complete = True

    async def read_words(self) -> None:
        """Read what admins said: another daemon may have led meanwhile. Once it is known, LXD may be away."""
        try:
            others = await self.words.load()
        except WebspacedError:
            if not self.complete:
                raise
            return
        for uid in others:
            known = self._seen.get(uid)
            if known is not None and (observed := self._read(uid, known.instance)) is not None:
                self._store(observed)

    def _find(self, instance: Instance, found: _Found) -> None:
        """Note what is to be done about an element of the list; of what is as it was, nothing is kept."""
        if not instance.untold:
            found.others |= self._ready().ownership.note(instance)
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
        """Read the addresses of all that run, one by one, each within a bound of its own: root may have changed them.

        Who was not reached this time, because LXD went away, is the first one next time.
        """
        await self._ready().ownership.renew()
        running = sorted(each.uid for each in self._seen.values() if each.runs and each.uid not in self.away)
        first = next((n for n, uid in enumerate(running) if uid >= self._next_read), 0)
        for uid in running[first:] + running[:first]:
            self._next_read = uid
            await self.gently.pause()
            try:
                what = f"reading the addresses of webspace {uid}"
                await bounded(self._clock, ADDRESS_BUDGET, self.read_address(uid), what)
            except WebspacedError as error:
                await self._ready().check_there(error)
                self.log.info("{error}", event="webspace.addresses-late", error=str(error))
        self._next_read = 0

    def may_be_at(self, observed: Observed, address: IPAddress) -> bool:
        """Whether a running webspace has an address, or may have it, as nobody can say yet whose it is."""
        return address in observed.addresses or self._ready().is_unheard(observed, address)

    def awaits_leases(self, observed: Observed) -> bool:
        """Whether a running webspace shows an address of which nobody can say yet whose it is."""
        return not observed.addresses and any(self.may_be_at(observed, each) for each in observed.claims or ())

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

    def document(self, text: str) -> Webspace:
        """Read a document as one of LXD's is read.

        :raises Invalid: it is none.
        """
        return load_webspace(text, self._defaults)

    def _differs(self, uid: int, instance: Instance) -> bool:
        known = self._seen.get(uid)
        if known is None or (known.lives and known.address is None):
            return True
        return known.instance != evolve(instance, etag=known.instance.etag)

    async def _take(self, uid: int, instance: Instance | None, version: int | None) -> None:
        """Store what the list says of a webspace, unless somebody has looked meanwhile: then look again."""
        observed = None if instance is None else self._read(uid, instance)
        if observed is not None and observed.lives and observed.address is None:
            # Before anybody hears of it: without its address, a running webspace's direct route would be given up.
            addressing = self._ready()
            observed = await addressing.located(observed) if observed.claims is None else addressing.judged(observed)
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
            except CancelledError:
                raise
            except Exception as error:  # noqa: BLE001  (one that cannot be read must not keep the others from being served)
                # LXD may have gone away within the pass: what was not read is not gone.
                await self._ready().check_there(error)
                self.log.warn("a webspace could not be read: {error}", event="webspace.unreadable", error=str(error))

        await self.gently.side_by_side(PARALLEL_READS, uids, attempt)

    def _ready(self) -> Addressing:
        if self._addressing is None:
            message = "webspaced is still starting"
            raise Unavailable(message)
        return self._addressing

    async def _look(self, uid: int) -> Observed | None:
        ownership = self._ready().ownership
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
        others = ownership.note(instance)
        observed = self._read(uid, instance)
        if observed is None:
            self.forget(uid)
        else:
            self._store(observed)
        self._judge_again(others)
        return observed

    def _read(self, uid: int, instance: Instance) -> Observed | None:
        try:
            observed = self.words.judged(observe(uid, instance, self._defaults))
        except Invalid as error:
            self._conditions.note(uid, Kind.UNREADABLE, str(error))
            return None
        if instance.status is not Status.FROZEN or observed.dozes:
            self._conditions.note(uid, Kind.PAUSED, None)
        known = self._seen.get(uid)
        observed = observed.as_it_was(known)
        self._conditions.note(uid, Kind.UNREADABLE, None)
        self._conditions.note(uid, Kind.BAD_FIELD, "; ".join(observed.webspace.wrong) or None)
        self._conditions.note(uid, Kind.UNTOLD, "LXD cannot tell its state" if observed.untold else None)
        if known is None or known.instance.incarnation != observed.instance.incarnation or not observed.lives:
            return observed
        return evolve(observed, claims=known.claims, addresses=known.addresses, spent_mark=known.spent_mark)

    async def read_address(self, uid: int) -> Observed | None:
        """Read only the addresses of a running webspace: cheaper for LXD than a look while it is coming up.

        They stay as they were while LXD cannot tell them: Incus says that a container runs until it is done with its end.
        """
        observed = self._seen.get(uid)
        if observed is None or not observed.runs:
            return observed
        addressing = self._ready()
        try:
            claims = await addressing.read(observed)
        except RemoteError as error:
            self.log.info(
                "the addresses of {instance} cannot be read: {error}",
                event="webspace.address-failed",
                instance=observed.name,
                error=str(error),
            )
            return await self.look(uid)
        if claims is not None and addressing.is_worth_asking(observed, claims) and not self._asking.take(uid):
            await addressing.ownership.renew()
        current = self._seen.get(uid)
        if claims is None or current is None or current.instance.incarnation != observed.instance.incarnation:
            return current
        renewed = addressing.judged(evolve(current, claims=claims))
        self._store(renewed)
        return renewed

    def resumed(self, uid: int) -> None:
        """Take a webspace that dozed for running: LXD has said that it is thawed, and the next look need not be awaited."""
        known = self._seen.get(uid)
        if known is not None and known.dozes:
            # What others freeze from now on is not ours, though the mark is taken off a moment later only.
            running = evolve(known.instance, status=Status.RUNNING)
            self._store(evolve(known, instance=running, spent_mark=known.doze_mark))

    async def confirm_address(self, uid: int) -> None:
        """See whether the addresses of a webspace that dozed are still its own: a lease may have run out meanwhile."""
        observed, addressing = self._seen.get(uid), self._ready()
        if observed is not None and not addressing.is_fixed(observed):
            await addressing.ownership.renew()

    def _judge_again(self, addresses: Collection[IPAddress]) -> None:
        """Find out anew where webspaces are that may have got or lost one of these addresses."""
        for uid in {uid for address in addresses for uid in self._claimants.owners(address)}:
            known = self._seen[uid]
            judged = self._ready().judged(known)
            if judged != known:
                self._store(judged)

    def _store(self, observed: Observed) -> None:
        known = self._seen.get(observed.uid)
        self._versions[observed.uid] = self._versions.get(observed.uid, 0) + 1
        self._seen[observed.uid] = observed
        shown = (*(observed.claims or ()), *observed.addresses)
        self._claimants.give(observed.uid, shown if observed.lives else ())
        self._boot_ports.give(observed.uid, [observed.boot_port] if observed.boot_port else ())
        if known != observed:
            self._tell(observed.uid)

    def forget(self, uid: int) -> None:
        """Take a webspace for gone. If it is not, the next look or full pass tells of it as of a new one."""
        self._versions[uid] = self._versions.get(uid, 0) + 1
        self._claimants.give(uid, ())
        self._boot_ports.give(uid, ())
        known = self._seen.get(uid)
        if known is not None and self._addressing is not None:
            self._judge_again(self._addressing.ownership.forget(known.instance.identity))
        if self._seen.pop(uid, None) is not None:
            self._tell(uid)

    def _tell(self, uid: int) -> None:
        for listener in self._listeners:
            listener(uid)
