"""Numbers of changes: by them Traefik can be asked what it has taken up (design decision 5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

RECENT = 32
"""Generations that a document tells. Traefik may take up several changes at once, and whoever waits for one of them asks
for that one: as many as there can be within Traefik's own throttle of 2 s."""


class Generations:
    """Gives numbers, each higher than all before it and than those that were found."""

    def __init__(self) -> None:
        self._latest = 0

    def found(self, numbers: Iterable[int]) -> None:
        """Say which numbers an earlier webspaced gave."""
        self._latest = max(self._latest, *numbers, 0)

    def following(self, recent: Sequence[int]) -> list[int]:
        """Give what is to be told from now on where these were told: a new number first."""
        self._latest += 1
        return [self._latest, *recent[: RECENT - 1]]
