"""How long one boot puts up with an LXD that is not done with the last thing yet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.interfaces import IReactorTime

from webspaced.errors import BootFailed, Changed, RemoteError
from webspaced.lib.deferreds import sleep

STOP_WINDOW = 2.0
"""Seconds for which a failed act is tried again: LXD refuses a start for up to 0.7 s after a stop, by no code of its own."""
QUICK = 1.0
"""Seconds within which LXD refuses because it is busy; a start that fails later has really been tried."""
BUSY_LIMIT = 45.0
"""Seconds that LXD may be in the middle of something else, such as a graceful stop, before waiting is given up."""
PAUSE = 0.05


async def insist(clock: IReactorTime, act: Callable[[], Awaitable[None]]) -> None:
    """Act, and again while LXD refuses because it is not done with the last stop; its last refusal is raised."""
    until = clock.seconds() + STOP_WINDOW
    while True:
        try:
            await act()
        except Changed:
            raise
        except RemoteError:
            if clock.seconds() >= until:
                raise
        else:
            return
        await sleep(clock, PAUSE)


class Patience:
    """One boot's waits, counted from the first time that LXD was not ready: the boot may have queued before."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._refused_since: float | None = None
        self._busy_since: float | None = None

    async def tried(self, act: Awaitable[None]) -> bool:
        """Await an act of LXD's; whether it went well. A failure that is final is ``BootFailed``."""
        began = self._clock.seconds()
        try:
            await act
        except RemoteError as error:
            now = self._clock.seconds()
            self._refused_since = began if self._refused_since is None else self._refused_since
            if now - began > QUICK or now - self._refused_since > STOP_WINDOW:
                message = "LXD could not start it"
                raise BootFailed(message, detail=str(error)) from error
            await sleep(self._clock, PAUSE)
            return False
        return True

    def busy_for(self) -> float:
        """Give the seconds since LXD was first found in the middle of something."""
        return 0.0 if self._busy_since is None else self._clock.seconds() - self._busy_since

    async def wait(self) -> None:
        """Wait a moment for LXD to finish something; ``BootFailed`` when it never does."""
        now = self._clock.seconds()
        self._refused_since = None
        self._busy_since = now if self._busy_since is None else self._busy_since
        if now - self._busy_since > BUSY_LIMIT:
            message = f"LXD was busy with the webspace for more than {BUSY_LIMIT:g} s"
            raise BootFailed(message)
        await sleep(self._clock, PAUSE)
