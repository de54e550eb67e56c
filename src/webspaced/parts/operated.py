"""What an operator looks at, and changes."""

from __future__ import annotations

from attrs import frozen

from webspaced.leadership.struggle import Leadership
from webspaced.parts.knowledge import Knowledge, Served
from webspaced.reconcile.reconciler import Reconciler
from webspaced.reload.live import Live
from webspaced.webspaces.power import Power
from webspaced.webspaces.sleeper import Sleeper


@frozen
class Operated:
    """The parts themselves: calls of operators and figures are made of them."""

    known: Knowledge
    served: Served
    reconciler: Reconciler
    sleeper: Sleeper
    power: Power
    live: Live
    leadership: Leadership
