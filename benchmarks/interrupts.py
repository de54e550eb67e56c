"""What ends a benchmark early, so that it clears away what it made: a signal, or its bound in time."""

from __future__ import annotations

import os
import signal
from types import FrameType

from harness.saying import CannotGoOn, say

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
USUAL_LIMIT = 1800
"""Seconds that one may take: several times what it needs."""
LAST_SECONDS = 120
"""What is left then to clear away."""


def become_interruptible() -> None:
    """Have each of the signals raise KeyboardInterrupt, once; and bound the program's time."""
    for number in SIGNALS:
        signal.signal(number, _interrupt)
    be_bounded()


def be_bounded() -> None:
    """End this program, as SIGTERM does, when it takes longer than `BENCH_LIMIT` seconds: whatever it waits for."""
    text = os.environ.get("BENCH_LIMIT", str(USUAL_LIMIT))
    if not text.isdecimal() or int(text) < 1:
        raise CannotGoOn(f"BENCH_LIMIT={text}: a whole number above 0")
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(int(text))


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Signal handler: end what is being done. Once: what is being cleared away is not to be interrupted."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    say("\nstopping ...")
    raise KeyboardInterrupt


def _too_long(_number: int, frame: FrameType | None) -> None:
    """Signal handler: end in order, and if even that takes too long, at once."""
    where = "" if frame is None else f", in {frame.f_code.co_filename}:{frame.f_lineno}"
    say(f"\nit takes longer than its bound (BENCH_LIMIT){where}")
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(LAST_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
