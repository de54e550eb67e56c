"""Giving out numbers that must be unique: external ports and boot ports."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator


def free_ports(ports: range, used: Container[int], pick: Callable[[int], int]) -> Iterator[int]:
    """Give each free port of the range once, beginning at a picked place.

    :param pick: gives a number below its argument, such as ``random.randrange``: a random start makes it unlikely
        that a number is given again soon after it became free.
    """
    start = pick(len(ports)) if ports else 0
    for offset in range(len(ports)):
        port = ports[(start + offset) % len(ports)]
        if port not in used:
            yield port
