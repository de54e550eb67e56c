"""Faults that a test asks for."""

from __future__ import annotations

import re

from attrs import define, field

from webspaced.testing.kube.errors import ApiError


@define
class Fault:
    """Refuses requests whose method and path match, the next ``times`` of them (``None``: for ever)."""

    method: str
    path: str
    code: int
    times: int | None = 1


@define
class Faults:
    """What goes wrong. ``stalled``: watches tell nothing any more and do not end either; ``hang``: nobody is answered."""

    stalled: bool = False
    hang: bool = False
    refused: list[Fault] = field(factory=list)

    def refuse(self, method: str, path: str, code: int, times: int | None = 1) -> Fault:
        """Answer requests with a code; method and path are regular expressions."""
        fault = Fault(method, path, code, times)
        self.refused.append(fault)
        return fault

    def clear(self) -> None:
        """Let all be well again."""
        self.stalled = self.hang = False
        self.refused.clear()

    def check(self, method: str, path: str) -> None:
        """Raise what a request is refused with."""
        for fault in self.refused:
            if re.fullmatch(fault.method, method) and re.search(fault.path, path):
                if fault.times is not None:
                    fault.times -= 1
                    self.refused = [each for each in self.refused if each.times != 0]
                raise ApiError(fault.code, "InternalError", "a fault that the test asked for")
