"""The number of files and sockets that this process may have open."""

from __future__ import annotations

import resource

from attrs import frozen

UNLIMITED = 1 << 20
"""What stands for no limit: more than one process ever has."""


def raise_descriptor_limit() -> int:
    """Raise the soft limit to the hard one and give it: a visitor takes two descriptors, a listener one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return UNLIMITED if hard == resource.RLIM_INFINITY else hard


RESERVED, FEWEST_RESERVED = 4096, 1024


@frozen
class Reserve:
    """Descriptors that visitors and their ports cannot take, and how they are shared out.

    Each call of the API may need one to LXD, each terminal two, each command four. What is left, more than a quarter, is
    for what nobody else may take: LXD's events, boots, the store of routes, IAM, files, the relay's pipes.
    """

    size: int = RESERVED

    @property
    def connections(self) -> int:
        """How many clients the API may have."""
        return max(4, self.size * 3 // 16)

    @property
    def terminals(self) -> int:
        """How many terminals there may be, the client's own descriptor aside."""
        return max(1, self.size * 3 // 16 // 2)

    @property
    def commands(self) -> int:
        """How many commands may run."""
        return max(1, self.size // 8 // 4)


def reserve_of(limit: int) -> Reserve:
    """Give what is reserved of so many descriptors: a quarter, but half of few, and never more than there is use for."""
    return Reserve(max(min(FEWEST_RESERVED, limit // 2), min(RESERVED, limit // 4)))
