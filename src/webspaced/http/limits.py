"""How often clients and members may ask."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from attrs import frozen
from twisted.internet.interfaces import IReactorTime

from webspaced.core.client_address import IPAddress, counted_as
from webspaced.http.problems import TooManyRequests
from webspaced.lib.buckets import Buckets, Rate
from webspaced.lib.expiring import ExpiringCache
from webspaced.lib.measures import Counted

BODY_SIZE = 4 * 1024
"""Bytes of headers and body that count as one request: reading and checking them is work."""
ANSWER_SIZE = 64 * 1024
"""The same of an answer, above which it counts for more: what a command wrote, what LXD says at length."""
CONCURRENT_RETRY_AFTER = 1.0
MOST_BUCKETS = 65536
"""Clients that are remembered, some 100 bytes each."""
GUESS_SECONDS = 1.0
"""A refused token costs as much as so many seconds of the client's rate: the long run is one guess in that time."""
DEEPEST_DEBT = 60.0
"""Seconds after which a client that guessed may ask again: others may share its address."""
KNOWN_GUESS_TIME = 600.0
"""Seconds for which a refused token is remembered: one that a client keeps sending has expired, and is no guess."""
MOST_GUESSES = 4096
MOST_ASKED = 8
"""Tokens of an address that IAM is asked about at once: a guess is charged when IAM has answered, so more would be free."""
KNOWN_ACCEPTED_TIME = 600.0
"""Seconds for which a token that was accepted may be used by its address without such a bound."""

K = TypeVar("K", bound=Hashable)


@frozen(kw_only=True)
class LimitSettings:
    """The rates, see the settings ``http.limits``. ``concurrent``: requests of a member at once (0: any number)."""

    address: Rate
    user: Rate
    concurrent: int = 0


class Limits:
    """Counts the requests of each client address and of each member."""

    def __init__(self, clock: IReactorTime, settings: LimitSettings) -> None:
        self._addresses: Buckets[str] = Buckets(clock, settings.address, MOST_BUCKETS)
        self._users: Buckets[int] = Buckets(clock, settings.user, MOST_BUCKETS)
        self.change(settings)
        self._under_way: Counter[int] = Counter()
        self._refused: ExpiringCache[bytes, bool] = ExpiringCache(clock, MOST_GUESSES)
        self._accepted: ExpiringCache[tuple[str, bytes], bool] = ExpiringCache(clock, MOST_BUCKETS)
        self._asked: dict[str, Counter[bytes]] = {}
        self.hits = Counted()
        """Requests that were refused, by the bound."""

    def change(self, settings: LimitSettings) -> None:
        """Go by other rates from now on; what was taken counts on."""
        self._addresses.rate, self._users.rate = settings.address, settings.user
        self._concurrent = settings.concurrent
        self._guess_cost = GUESS_SECONDS * settings.address.per_second

    def check_address(self, address: IPAddress | None, size: int = 0) -> None:
        """Count a request of an address, by its size; ``TooManyRequests`` if it is one too many."""
        # Without an address it comes from this machine, over something that is no network.
        if address is not None:
            wait = self._addresses.take(counted_as(address), _cost(size))
            self._pass("address_rate", wait, "too many requests from your address")

    def check_user(self, uid: int, size: int = 0) -> None:
        """Count a request of a member, by its size; ``TooManyRequests`` if it is one too many."""
        self._pass("user_rate", self._users.take(uid, _cost(size)), "too many requests of yours")

    def begin(self, uid: int) -> Callable[[], None]:
        """Count a request of a member as under way until what this gives is called; ``TooManyRequests`` if too many are."""
        if not self._concurrent:
            return lambda: None
        if self._under_way[uid] >= self._concurrent:
            self.hits.add("user_concurrent")
            message = "too many requests of yours are being answered"
            raise TooManyRequests(message, retry_after=CONCURRENT_RETRY_AFTER)
        self._under_way[uid] += 1
        return partial(_forget, self._under_way, uid)

    def answered(self, address: IPAddress | None, uid: int | None, size: int) -> None:
        """Count an answer by its size, which is known only now: what comes next may have to wait for it."""
        cost = size / ANSWER_SIZE
        if cost >= 1.0 and address is not None:
            self._addresses.charge(counted_as(address), cost, DEEPEST_DEBT)
        if cost >= 1.0 and uid is not None:
            self._users.charge(uid, cost, DEEPEST_DEBT)

    @contextmanager
    def asking(self, address: IPAddress | None, token: str) -> Iterator[None]:
        """Surround a question to IAM about a token; ``TooManyRequests`` if too many others of the address are in question.

        A token counts once however many requests come with it, and not at all for a while after it was accepted.
        """
        if address is None or not self._guess_cost or self._accepted.get(_who(address, token)) is not None:
            yield
            return
        client, key = _who(address, token)
        asked = self._asked.setdefault(client, Counter())
        if key not in asked and len(asked) >= MOST_ASKED:
            self.hits.add("tokens_in_question")
            raise TooManyRequests("too many tokens of your address are in question")
        asked[key] += 1
        try:
            yield
        finally:
            _forget(asked, key)
            if not asked:
                del self._asked[client]
        self._accepted.put((client, key), value=True, seconds=KNOWN_ACCEPTED_TIME)

    def refused(self, address: IPAddress | None, token: str) -> None:
        """Count a token that IAM refused as a guess of the address, the first time."""
        key = _hash(token)
        if address is not None and self._refused.get(key) is None:
            self._addresses.charge(counted_as(address), self._guess_cost, DEEPEST_DEBT)
        self._refused.put(key, value=True, seconds=KNOWN_GUESS_TIME)

    def _pass(self, bound: str, wait: float, message: str) -> None:
        if wait:
            self.hits.add(bound)
            raise TooManyRequests(message, retry_after=wait)


def _cost(size: int) -> float:
    return max(1.0, size / BODY_SIZE)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _who(address: IPAddress, token: str) -> tuple[str, bytes]:
    return counted_as(address), _hash(token)


def _forget(counted: Counter[K], key: K) -> None:
    counted[key] -= 1
    if not counted[key]:
        del counted[key]
