"""When a webspace is woken: the whole table of the boot gate's decisions, without clock or I/O.

The booter looks at LXD, asks :func:`decide`, acts, and looks again, so that it need not know who else starts and stops
containers: whatever happened in between shows in the next look.
"""

from __future__ import annotations

import enum

from attrs import evolve, frozen

from webspaced.core.instance import Status

FIRST_BACK_OFF = 1.0
LONGEST_BACK_OFF = 60.0
QUIET_AFTER_STOP = 2.0


class Act(enum.Enum):
    """What the booter does next."""

    SERVE = "serve"
    """It runs: go on to its address and port."""
    START = "start"
    RESUME = "resume"
    WAIT = "wait"
    """LXD is in the middle of something: look again shortly."""
    REFUSE = "refuse"
    """Do not wake it: the error says why and until when."""


class Hold(enum.Enum):
    """What webspaced itself is doing to a webspace, so that the gate does not work against it."""

    NONE = ""
    DRAINING = "is about to be stopped"
    """Visitors come through webspaced already and are still served."""
    STOPPING = "is being stopped"
    RESTARTING = "is being restarted"
    """Visitors wait until it is back."""
    DELETING = "is being deleted"


@frozen(kw_only=True)
class Memory:
    """What is remembered of a webspace between boots; times are seconds of the caller's monotonic clock."""

    failures: int = 0
    reason: str = ""
    not_before: float = 0.0
    """Visitors do not wake it before this."""
    hold: Hold = Hold.NONE

    def failed(self, now: float, reason: str) -> Memory:
        """Give the memory after one more failed boot: 1, 2, 4 … 60 s of rest."""
        rest = min(LONGEST_BACK_OFF, FIRST_BACK_OFF * 2.0 ** min(self.failures, 16))
        return evolve(self, failures=self.failures + 1, reason=reason, not_before=now + rest)

    def succeeded(self) -> Memory:
        """Give the memory after a boot that worked."""
        return evolve(self, failures=0, reason="", not_before=0.0)

    def stopped(self, now: float) -> Memory:
        """Give the memory after an orderly stop: not woken again at once by a visitor that is still clicking."""
        return evolve(self, hold=Hold.NONE, reason="was stopped a moment ago", not_before=now + QUIET_AFTER_STOP)


@frozen(kw_only=True)
class Decision:
    """The act, and for a refusal its reason and the seconds after which asking again makes sense.

    Refusals during a stop name the quiet time after it: nobody knows how long the stop itself takes.
    """

    act: Act
    reason: str = ""
    retry_after: float = 0.0


_ACTS = {
    Status.RUNNING: Act.SERVE,
    Status.READY: Act.SERVE,
    Status.STOPPED: Act.START,
    # LXD reports a failed state as an error; a start is then the only way to learn more.
    Status.ERROR: Act.START,
    Status.FROZEN: Act.RESUME,
    Status.STARTING: Act.WAIT,
    Status.STOPPING: Act.WAIT,
    Status.FREEZING: Act.WAIT,
}


def decide(status: Status, memory: Memory, now: float, *, by_api: bool) -> Decision:
    """Decide what a boot does next.

    :param by_api: the member asked for it: neither a remembered failure nor the quiet time after a stop counts then.
    """
    if memory.hold is Hold.RESTARTING:
        return Decision(act=Act.WAIT)
    act = _ACTS[status]
    if memory.hold in (Hold.STOPPING, Hold.DELETING) or (memory.hold is Hold.DRAINING and act is not Act.SERVE):
        return Decision(act=Act.REFUSE, reason=memory.hold.value, retry_after=QUIET_AFTER_STOP)
    if act is not Act.SERVE and not by_api and now < memory.not_before:
        return Decision(act=Act.REFUSE, reason=memory.reason, retry_after=memory.not_before - now)
    return Decision(act=act)
