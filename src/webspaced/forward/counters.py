"""What is counted of visits, per forward and in all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import define, field

from webspaced.errors import BootFailed, Momentary, NotFound, PortSilent, Refused, Unavailable
from webspaced.forward.reception import AgentIgnored, WokeTooMany

LEFT = "left"
"""The visitor went away while it was held."""
CUT = "cut"
"""It was held, and what it waited for is no longer wanted, or webspaced ends."""
PAGED = "paged"
"""It waits before a browser, and got a page that asks again."""
_REASONS: Mapping[type[Exception], str] = {
    PortSilent: "port_silent",
    BootFailed: "boot_failed",
    AgentIgnored: "agent_ignored",
    WokeTooMany: "woke_too_many",
    Momentary: "no_room",
    Refused: "refused",
    Unavailable: "unavailable",
    NotFound: "not_found",
}
REASONS = (*_REASONS.values(), LEFT, CUT, PAGED, "error")
"""Every word for why a visitor was not served."""


def reason_of(error: Exception) -> str:
    """Give the word for why a visitor was refused."""
    return next((word for kind, word in _REASONS.items() if isinstance(error, kind)), "error")


@define(kw_only=True)
class Counters:
    """What happened since the start, and what is the case now (``open`` and ``held``, in connections).

    ``opened``: visitors that were relayed. ``failed``: those that were not, by reason. Bytes each way. ``held_seconds``: of
    all who waited, together.
    """

    open: int = 0
    held: int = 0
    opened: int = 0
    failed: dict[str, int] = field(factory=dict)
    to_container: int = 0
    to_visitor: int = 0
    held_seconds: float = 0.0


    def add(self, part: Counters) -> None:
        """Add another one's to these."""
        self.open += part.open
        self.held += part.held
        self.opened += part.opened
        self.to_container += part.to_container
        self.to_visitor += part.to_visitor
        self.held_seconds += part.held_seconds
        for reason, number in part.failed.items():
            self.failed[reason] = self.failed.get(reason, 0) + number


NOBODY = Counters()
"""Of a port that nobody came to; to be read only."""


def total(parts: Iterable[Counters]) -> Counters:
    """Give the sum."""
    all_in = Counters()
    for part in parts:
        all_in.add(part)
    return all_in
