"""Who leads, when there is more than one daemon: a lease that its holder renews, judged by each one's own clock.

Nobody's clock is compared with anybody else's: a lease is free when it has not changed for its whole duration *here*
(as client-go's leader election does it, https://pkg.go.dev/k8s.io/client-go/tools/leaderelection).
"""

from __future__ import annotations

from typing import Any

from attrs import field, frozen


@frozen
class Claim:
    """What is written: who holds the lease (empty: nobody), a text that differs at each renewal, and the store's version."""

    holder: str
    renewal: str
    version: Any = field(default=None, eq=False, repr=False)


@frozen(kw_only=True)
class LeaseTimes:
    """Seconds. ``deadline``: after so long without a renewal the holder writes nothing any more. ``pause``: between tries.

    The deadline ends well before the duration does: what the holder sent last has arrived, or was given up, before
    anybody else takes the lease.
    """

    duration: float = 15.0
    deadline: float = 10.0
    pause: float = 2.0


@frozen
class Sighting:
    """A claim as it was seen, and since when (on the local monotonic clock) it has not changed."""

    claim: Claim | None
    since: float


def sighted(before: Sighting | None, claim: Claim | None, now: float) -> Sighting:
    """Give the sighting of what was read now."""
    if before is None or before.claim != claim:
        return Sighting(claim, now)
    return Sighting(claim, before.since)


def is_free(sighting: Sighting, name: str, now: float, duration: float) -> bool:
    """Whether it may be taken: nobody has it, an earlier run of our name has, or it was not renewed for its duration."""
    claim = sighting.claim
    return claim is None or not claim.holder or name_of(claim.holder) == name or now - sighting.since >= duration


def holder_of(name: str, run: str) -> str:
    """Give what one run of a daemon is called in a lease: another run of the same name is somebody else."""
    return f"{name}_{run}"


def name_of(holder: str) -> str:
    """Give the name of the daemon that holds a lease."""
    return holder.rpartition("_")[0]


def is_alive(before: Sighting | None, now: Sighting) -> bool:
    """Whether somebody wrote between two sightings: whoever holds the lease is there."""
    return before is not None and now.since > before.since
