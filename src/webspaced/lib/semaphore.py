"""A semaphore whose number of places changes while some are taken."""

from __future__ import annotations

from twisted.internet.defer import DeferredSemaphore


class Semaphore(DeferredSemaphore):  # type: ignore[misc,unused-ignore]
    """Lets so many in at the same time, in the order in which they came."""

    def __init__(self, places: int) -> None:
        super().__init__(places)
        self._owed = 0
        """Places that are taken and no longer there: who gives one back gives it to nobody."""

    def resize(self, places: int) -> None:
        """Have so many places from now on. Those who have one keep it."""
        # At least one, as with Twisted: who waits for none waits for ever.
        more = max(1, places) - (self.limit - self._owed)
        repaid = max(0, min(self._owed, more))
        self._owed -= repaid
        for _ in range(more - repaid):
            self.limit += 1
            super().release()
        for _ in range(-more):
            if self.tokens:
                self.tokens -= 1
                self.limit -= 1
            else:
                self._owed += 1

    def release(self) -> None:
        """Give a place back."""
        if self._owed:
            self._owed -= 1
            self.limit -= 1
        else:
            super().release()
