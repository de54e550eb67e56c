"""SIGHUP, which asks a daemon to read its settings again. Unhandled it would end the process."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any


def on_hangup(reactor: Any, act: Callable[[], None]) -> None:
    """Call ``act`` in the reactor upon each SIGHUP from now on."""
    signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(act))
