"""When a webspace is woken: the whole table of the boot gate's decisions, without clock or I/O.

The booter looks at LXD, asks :func:`decide`, acts, and looks again, so that it need not know who else starts and stops
containers: whatever happened in between shows in the next look.
"""

from __future__ import annotations

import enum

from attrs import evolve, frozen

from webspaced.core.desired import AUTO, Desired, Wish
from webspaced.core.instance import Status

FIRST_BACK_OFF = 1.0
LONGEST_BACK_OFF = 60.0
UNWANTED_PAUSE = 300.0
"""Seconds after which asking again makes sense for a webspace that somebody wants to stay off."""
DELETING_PAUSE = 2.0


class Act(enum.Enum):
    """What the booter does next."""

    SERVE = "serve"
    """It runs: go on to its address and port."""
    START = "start"
    WAIT = "wait"
    """LXD is in the middle of something, or cannot tell: look again shortly."""
    STAND_BY = "stand by"
    """webspaced itself is in the middle of something: go on when that is over."""
    RESUME = "resume"
    """It dozes: thaw it."""
    PAUSED = "paused"
    """Somebody else froze it: wait as long as LXD works on it, and leave it frozen."""
    REFUSE = "refuse"
    """Do not wake it: the error says why and until when."""


class Hold(enum.Enum):
    """What webspaced itself is doing to a webspace, so that the gate does not work against it."""

    NONE = ""
    DRAINING = "is about to be stopped"
    """Visitors come through webspaced already and are still served."""
    DOZING = "is falling asleep"
    """It is about to be frozen."""
    STOPPING = "is being stopped"
    RESTARTING = "is being restarted"
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

    def rest(self, now: float) -> float:
        """Give for how many seconds visitors are still refused; never longer than any failure lets them be."""
        return min(LONGEST_BACK_OFF, self.not_before - now)


@frozen(kw_only=True)
class Decision:
    """The act, and for a refusal its reason and the seconds after which asking again makes sense."""

    act: Act
    reason: str = ""
    retry_after: float = 0.0


_ACTS = {
    Status.RUNNING: Act.SERVE,
    Status.READY: Act.SERVE,
    Status.STOPPED: Act.START,
    # LXD cannot tell: it may run as well.
    Status.ERROR: Act.WAIT,
    Status.FROZEN: Act.PAUSED,
    Status.STARTING: Act.WAIT,
    Status.STOPPING: Act.WAIT,
    Status.FREEZING: Act.WAIT,
}


def unwanted(desired: Desired, *, departed: bool = False) -> str:
    """Give why visitors are not to have a webspace, in words for everybody; empty if they may."""
    if desired.wish is Wish.SUSPENDED:
        return f"it is suspended: {desired.public}" if desired.public else "it is suspended"
    if desired.wish is Wish.STOPPED:
        return "its owner has switched it off"
    return "its owner is no longer a member" if departed else ""


def decide(
    status: Status,
    memory: Memory,
    now: float,
    *,
    by_api: bool,
    desired: Desired = AUTO,
    departed: bool = False,
    dozes: bool = False,
) -> Decision:
    """Decide what a boot does next.

    :param by_api: the member asked for it: a remembered failure does not count then.
    :param departed: IAM has not known the member for too long.
    :param dozes: it was webspaced that froze it.
    """
    if memory.hold is Hold.DELETING:
        return Decision(act=Act.REFUSE, reason=memory.hold.value, retry_after=DELETING_PAUSE)
    act = Act.RESUME if dozes and status is Status.FROZEN else _ACTS[status]
    reason = unwanted(desired, departed=departed)
    if reason:
        return Decision(act=Act.REFUSE, reason=reason, retry_after=UNWANTED_PAUSE)
    away = memory.hold is Hold.DRAINING and act not in (Act.SERVE, Act.RESUME)
    if away or memory.hold in (Hold.DOZING, Hold.STOPPING, Hold.RESTARTING):
        # Whoever comes now is served by the next boot: nobody is refused because of timing.
        return Decision(act=Act.STAND_BY)
    if act is not Act.SERVE and not by_api and memory.rest(now) > 0:
        return Decision(act=Act.REFUSE, reason=memory.reason, retry_after=memory.rest(now))
    return Decision(act=act)
