"""What ends a benchmark early, so that it clears away what it made."""

from __future__ import annotations

import signal
from types import FrameType

from harness.saying import say

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def become_interruptible() -> None:
    """Have each of the signals raise KeyboardInterrupt, once."""
    for number in SIGNALS:
        signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Signal handler: end what is being done. Once: what is being cleared away is not to be interrupted."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    say("\nstopping ...")
    raise KeyboardInterrupt
