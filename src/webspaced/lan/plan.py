"""The difference between the peers that are wanted and what the device has."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from attrs import frozen

from webspaced.lan.overlay import IPAddress

FLOOD: Final = "00:00:00:00:00:00"
"""The entry for broadcasts and what is not learnt: it has one destination for each peer (bridge(8))."""


@frozen
class Entry:
    """A line of the device's forwarding table: behind this peer is this hardware address."""

    hardware_address: str
    peer: IPAddress


@frozen(kw_only=True)
class Difference:
    """What has to be written: nothing where all is as it is wanted."""

    append: tuple[IPAddress, ...] = ()
    remove: tuple[Entry, ...] = ()

    def __len__(self) -> int:
        """Give how many writes these are."""
        return len(self.append) + len(self.remove)


def difference(wanted: Collection[IPAddress], actual: Collection[Entry]) -> Difference:
    """Compare.

    What was learnt behind somebody who is no peer goes, too: else traffic would go on to go there until it ages, for
    five minutes.
    """
    wanted = frozenset(wanted)
    flooded = {each.peer for each in actual if each.hardware_address == FLOOD}
    return Difference(
        append=tuple(sorted(wanted - flooded, key=_order)),
        remove=tuple(sorted({each for each in actual if each.peer not in wanted}, key=_order_of_entry)),
    )


def _order(address: IPAddress) -> tuple[int, int]:
    return address.version, int(address)


def _order_of_entry(entry: Entry) -> tuple[tuple[int, int], str]:
    return _order(entry.peer), entry.hardware_address
