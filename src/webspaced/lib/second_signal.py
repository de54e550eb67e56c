"""A second SIGTERM or SIGINT, sent by somebody who does not want to wait for an orderly end."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def on_second_signal(reactor: Any, act: Callable[[], None]) -> None:
    """Call ``act`` upon each of these signals from now on: the reactor has taken the first one, and would ignore more."""
    for number in SIGNALS:
        signal.signal(number, lambda *_: reactor.callFromThread(act))
