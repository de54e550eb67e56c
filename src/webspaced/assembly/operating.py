"""Operators' calls, joined to what stands behind them."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

from webspaced.control.api import Backing, Control
from webspaced.control.views import Standing
from webspaced.parts.operated import Operated


def build_control(operated: Operated, leads: Callable[[], bool], ready: Callable[[], bool]) -> Control:
    """Give operators' calls. ``leads`` and ``ready``: whether this daemon leads, and whether it is ready."""
    known, served, reconciler = operated.known, operated.served, operated.reconciler

    def standing() -> Standing:
        return Standing(
            version=version("webspaced"),
            ready=ready(),
            leads=leads(),
            leader=operated.leadership.leader,
            lxd=reconciler.connected_to_lxd,
            boots_under_way=known.booter.under_way,
            waiting_for_room=known.room.lacking,
            routes_to_write=len(served.publisher.differences()),
            trouble=served.trouble,
        )

    backing = Backing(
        known=known,
        publisher=served.publisher,
        reconciler=reconciler,
        sleeper=operated.sleeper,
        power=operated.power,
        leads=leads,
        standing=standing,
        reload=operated.live.reload,
    )
    return Control(backing)
