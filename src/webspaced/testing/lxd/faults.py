"""Faults to inject: what goes wrong on a real machine now and then, on demand.

A request is chosen by its method and a pattern of its path (:mod:`fnmatch`), such as
``("PUT", "/1.0/instances/*/state")``; ``*`` as the method means any.
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase

from attrs import define


@define
class Fault:
    """One fault that waits for its request. ``kind`` is ``refuse``, ``hang``, ``cut`` or ``doom``."""

    kind: str
    method: str
    pattern: str
    times: int
    code: int = 0
    text: str = ""

    def fits(self, method: str, path: str) -> bool:
        """Whether it is for this request."""
        return self.method in ("*", method) and fnmatchcase(path, self.pattern)


class Faults:
    """The faults that wait. Each happens ``times`` times."""

    def __init__(self, lose_events: Callable[[int], None], stall_events: Callable[[], None]) -> None:
        self.waiting: list[Fault] = []
        self.lose_events = lose_events
        """Let the next lifecycle events (so many) go to nobody."""
        self.stall_events = stall_events
        """Let the event streams that are open fall silent: no frame, no pong, and no end."""

    def refuse(self, method: str, pattern: str, code: int = 500, text: str = "injected", *, times: int = 1) -> None:
        """Answer with an error document."""
        self.waiting.append(Fault("refuse", method, pattern, times, code, text))

    def hang(self, method: str, pattern: str, *, times: int = 1) -> None:
        """Carry it out, and never answer."""
        self.waiting.append(Fault("hang", method, pattern, times))

    def cut(self, method: str, pattern: str, *, times: int = 1) -> None:
        """Carry it out, and reset the connection in the middle of the answer."""
        self.waiting.append(Fault("cut", method, pattern, times))

    def doom(self, method: str, pattern: str, text: str = "injected", *, times: int = 1) -> None:
        """Accept it, and let its operation fail where it would have ended well; nothing is changed."""
        self.waiting.append(Fault("doom", method, pattern, times, 500, text))

    def take(self, method: str, path: str) -> Fault | None:
        """Give the first fault for a request, once."""
        for fault in self.waiting:
            if fault.fits(method, path):
                fault.times -= 1
                if fault.times <= 0:
                    self.waiting.remove(fault)
                return fault
        return None
