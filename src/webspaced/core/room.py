"""Who has to make room when memory is short, and whose turn that is: pure values and rules."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from webspaced.core.sleep import Depth


@frozen(kw_only=True)
class Memory:
    """Of a machine, in bytes; ``used`` without what the kernel could give back at once."""

    total: int
    used: int

    @property
    def free(self) -> float:
        """Give the share that is free, from 0 to 1."""
        return max(0.0, 1 - self.used / self.total) if self.total else 1.0


@frozen(kw_only=True)
class Candidate:
    """A webspace that may be stopped to make room. ``idle``: seconds without activity."""

    uid: int
    depth: Depth
    idle: float


def next_to_stop(candidates: Iterable[Candidate], least: float) -> Candidate | None:
    """Give whose turn it is: of the dozing ones who was idle longest, then of the others; nobody active of late.

    :param least: idle seconds below which nobody is stopped.
    """
    free = [each for each in candidates if each.depth is not Depth.ASLEEP and each.idle >= least]
    return max(free, key=lambda each: (each.depth is Depth.DOZING, each.idle), default=None)
