"""Ports that rest, as there is no room for one more visitor, in the order in which they go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from webspaced.forward.engine import IN, Engine
from webspaced.lib.places import LEAST_IDLE

PAUSE = 0.5
"""Seconds without accepting after the system said that it has no descriptor or memory for one more."""
SAYING = 60.0
"""Seconds between two lines in the log that say that there is no room."""


class Port(Protocol):
    """A listening socket."""

    def watch(self, events: int) -> None:
        """Watch for connections, or for nothing."""

    def accept(self) -> bool:
        """Accept one, if one is there."""


class Rests:
    """Each port that goes on takes one visitor, then it is the next one's turn: a flooded one keeps nobody out.

    ``room``: whether there is room for one more visitor, or can be made.
    """

    log = Logger()

    def __init__(self, engine: Engine, room: Callable[[], bool]) -> None:
        self.queued = False
        self._engine = engine
        self.room = room
        self._ports: dict[Any, None] = {}
        self._pause: IDelayedCall | None = None
        self._look: IDelayedCall | None = None
        self._said = self._said_exhausted = -SAYING

    def __bool__(self) -> bool:
        """Whether anybody rests."""
        return bool(self._ports)

    def add(self, port: Port, exhausted: str = "") -> None:
        """Let a port accept nothing until there is room, or for a moment if the system is exhausted."""
        port.watch(0)
        self._ports[port] = None
        if not exhausted:
            self._say_full()
            self._look_later()
        elif self._pause is None:
            self._say_exhausted(exhausted)
            self._pause = self._engine.reactor.callLater(PAUSE, self._go_on)

    def discard(self, port: Port) -> None:
        """Remember a port no more."""
        self._ports.pop(port, None)

    def freed(self) -> None:
        """Say that there may be room again."""
        if self._ports and self._pause is None and self.room():
            self._engine.again(self)

    def turn(self) -> None:
        """Let ports go on (called by the engine)."""
        for port in list(self._ports):
            if self._pause is not None or not self.room():
                return
            del self._ports[port]
            port.watch(IN)
            port.accept()

    def abort(self) -> None:
        """Go on: whoever fails is told by its own port."""

    def close(self) -> None:
        """Wake nobody any more."""
        self._ports.clear()
        for call in (self._pause, self._look):
            if call is not None:
                call.cancel()
        self._pause = self._look = None

    def _look_later(self) -> None:
        # Somebody may have fallen silent, which nobody tells.
        if self._look is None:
            self._look = self._engine.reactor.callLater(LEAST_IDLE, self._looked)

    def _looked(self) -> None:
        self._look = None
        if self._ports:
            self.freed()
            self._look_later()

    def _go_on(self) -> None:
        self._pause = None
        self.freed()

    def _say_exhausted(self, error: str) -> None:
        now = self._engine.reactor.seconds()
        if abs(now - self._said_exhausted) >= SAYING:
            self._said_exhausted = now
            text = "no visitor is accepted for {seconds:g} s, and again while this lasts: {error}"
            self.log.warn(text, event="relay.accept-failed", seconds=PAUSE, error=error)

    def _say_full(self) -> None:
        now = self._engine.reactor.seconds()
        if abs(now - self._said) >= SAYING:
            self._said = now
            self.log.warn(
                "new visitors wait until others leave: this process cannot have more files and sockets; its hard limit can"
                " be raised (systemd: LimitNOFILE=, a shell: ulimit -Hn)",
                event="relay.full",
            )
