"""Who has what, both ways: each owner has some keys, and a key may have several owners."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Hashable)


class Multimap(Generic[K, V]):
    """Keys by owner and owners by key, each found at once however many there are."""

    def __init__(self) -> None:
        self._keys: dict[V, frozenset[K]] = {}
        self._owners: dict[K, set[V]] = {}

    def give(self, owner: V, keys: Iterable[K]) -> None:
        """Make these the keys of an owner, instead of what it had."""
        new = frozenset(keys)
        old = self._keys.pop(owner, frozenset())
        if new:
            self._keys[owner] = new
        for key in old - new:
            self._owners[key].discard(owner)
            if not self._owners[key]:
                del self._owners[key]
        for key in new - old:
            self._owners.setdefault(key, set()).add(owner)

    def owners(self, key: K) -> frozenset[V]:
        """Give the owners of a key."""
        return frozenset(self._owners.get(key, ()))

    def keys_of(self, owner: V) -> frozenset[K]:
        """Give the keys of an owner."""
        return self._keys.get(owner, frozenset())
