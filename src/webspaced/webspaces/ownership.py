"""Asking whose an address is: the state around the rules of :mod:`webspaced.core.ownership`."""

from __future__ import annotations

from collections.abc import Callable, Collection

from twisted.logger import Logger

from webspaced.core.instance import Instance, IPAddress, Status
from webspaced.core.ownership import FirstCome, Identity, Keepers, Owners, Place
from webspaced.errors import DeadlineExceeded, NotFound, RemoteError, Unavailable
from webspaced.interfaces import ILeases
from webspaced.lib.keyed import Coalesced

NOTHING: frozenset[IPAddress] = frozenset()
NOT_OURS_TO_READ = (400, 403, 501)
"""LXD's codes for who may not see a network (or it is ``NotFound``), and for one that has no leases."""


class Ownership:
    """Who owns which address, by NICs and leases; without leases, who had it first."""

    log = Logger()

    def __init__(self, nic: str, leases: ILeases | None = None, *, local: bool = False, here: str | None = "") -> None:
        """:param local: whether each cluster member has a bridge of its own with the same subnet.

        :param here: the cluster member whose bridge webspaced reaches; empty if they need not be told apart, ``None`` if
            they must be and nobody can say which.
        """
        self._leases = leases
        self._here = here if local else ""
        self._owners = Owners(nic=nic, local=local)
        self._first_come = FirstCome()
        self._keepers = Keepers()
        self._strangers: frozenset[Identity] = frozenset()
        self._refused = False
        """Whether the leases were never ours to read: a certificate that is restricted to a project may not see them."""
        self._told = False
        self._listeners: list[Callable[[frozenset[IPAddress]], None]] = []
        self._renewals: Coalesced[None, frozenset[IPAddress]] = Coalesced(lambda _: self._renew())

    def subscribe(self, listener: Callable[[frozenset[IPAddress]], None]) -> None:
        """Call ``listener(addresses)`` with those that may have another owner, once leases were read. It must not raise."""
        self._listeners.append(listener)

    @property
    def by_hearsay(self) -> bool:
        """Whether there is nobody to ask: what other instances show must be looked at, too."""
        return self._leases is None or self._refused

    def note(self, instance: Instance) -> frozenset[IPAddress]:
        """Take what LXD says of an instance, and give the addresses whose owner may be another one now."""
        # One that is frozen has its address still, but cannot renew its lease. What LXD cannot tell changes nothing.
        if instance.status is Status.STOPPED:
            self._stopped(instance.identity)
        elif instance.status is Status.FROZEN:
            self._keepers.forget(instance.identity)
        return self._moved(self._owners.note(instance))

    def forget(self, identity: Identity) -> frozenset[IPAddress]:
        """Say that an instance is gone; gives addresses as :meth:`note` does."""
        self._stopped(identity)
        return self._moved(self._owners.forget(identity))

    def _stopped(self, identity: Identity) -> None:
        self._first_come.forget(identity)
        self._keepers.forget(identity)

    def _moved(self, places: Collection[Place]) -> frozenset[IPAddress]:
        """Give the addresses of places whose owner may be another one: who is told to have one takes it from its keeper."""
        for place in places:
            if self._owners.is_claimed(place):
                self._keepers.drop(place)
        return frozenset(address for _, address in places)

    def only_strangers(self, told: Collection[Identity]) -> frozenset[IPAddress]:
        """Say which instances there are that are no webspaces: all others are gone; gives addresses as :meth:`note` does."""
        gone, self._strangers = self._strangers.difference(told), frozenset(told)
        return frozenset().union(*(self.forget(identity) for identity in gone))

    def doubt(self, name: str) -> frozenset[IPAddress]:
        """Say that instances of this name that are no webspaces may be gone; gives addresses as :meth:`note` does.

        They keep what they had first: that is theirs until it is known that they are gone.
        """
        doubted = [each for each in self._strangers if each[1] == name]
        return frozenset().union(*(self._moved(self._owners.forget(identity)) for identity in doubted))

    def owned(self, instance: Instance, shown: Collection[IPAddress]) -> tuple[IPAddress, ...]:
        """Give those of the addresses that an instance shows which are its own, in the same order."""
        owners = self._owners
        owned = owners.owned(instance, shown)
        if not self.by_hearsay:
            # As in all else, no more than what it shows: it may have had a hundred leases.
            self._keepers.only(instance.identity, shown)
            return self._kept(instance, owned, shown)
        if owned:
            return owned
        free = [each for each in shown if not owners.taken(each) and not owners.is_told(instance, each)]
        return self._first_come.owned(instance, free)

    def expected(self, instance: Instance) -> tuple[IPAddress, ...]:
        """Give the addresses that an instance owns, whether they are up or not; none where there is nobody to ask."""
        expected = self._owners.expected(instance)
        return self._kept(instance, expected, (*expected, *self._keepers.kept(instance)))

    def _kept(
        self, instance: Instance, owned: Collection[IPAddress], shown: Collection[IPAddress]
    ) -> tuple[IPAddress, ...]:
        """Give those of the addresses shown that are owned or kept, in the same order."""
        for each in owned:
            if instance.status.runs and self._owners.is_leased(instance, each):
                self._keepers.keep(self._owners.place(instance, each), instance)
        return tuple(each for each in dict.fromkeys(shown) if each in owned or self._is_kept(instance, each))

    def _is_kept(self, instance: Instance, address: IPAddress) -> bool:
        free = self._owners.is_free(instance, address)
        return free and self._keepers.keeps(self._owners.place(instance, address), instance)

    def out_of_reach(self, instance: Instance) -> bool:
        """Whether its address lies on the bridge of another cluster member, where the same one here is somebody else's."""
        return self._here is None or (bool(self._here) and instance.location != self._here)

    def is_unheard(self, instance: Instance, address: IPAddress) -> bool:
        """Whether nobody can say yet whether an address is an instance's: the leases were never read since the start."""
        awaited = self._leases is not None and not self._told and not self._refused
        return awaited and not self._owners.taken(address) and not self._owners.is_told(instance, address)

    def taken(self, address: IPAddress) -> bool:
        """Whether any instance has an address, by its NIC or by a lease, or has had it since its start."""
        return self._owners.taken(address) or self._keepers.anybody(address)

    async def renew(self) -> frozenset[IPAddress]:
        """Read the leases anew, and give the addresses whose owner may be another one now, as subscribers hear.

        While they cannot be read, the last ones count.
        """
        return await self._renewals.request(None)

    async def _renew(self) -> frozenset[IPAddress]:
        if self._leases is None:
            return NOTHING
        try:
            leases = await self._leases.leases()
        except (RemoteError, DeadlineExceeded, NotFound) as error:
            self._note_refusal(error)
            return NOTHING
        except Unavailable as error:
            self.log.info(
                "the leases of the webspaces' network cannot be read now: {error}", event="leases.unread", error=str(error)
            )
            return NOTHING
        self._told, self._refused = True, False
        changed = self._moved(self._owners.renew(leases))
        for listener in self._listeners:
            listener(changed)
        return changed

    def _note_refusal(self, error: Exception) -> None:
        self.log.warn("the leases of the webspaces' network cannot be read: {error}", event="leases.lost", error=str(error))
        final = isinstance(error, NotFound) or (isinstance(error, RemoteError) and error.code in NOT_OURS_TO_READ)
        if final and not self._told and not self._refused:
            self._refused = True
            self.log.warn(
                "whoever has an address first keeps it: see \"Addresses\" in the operator's manual", event="leases.none"
            )
