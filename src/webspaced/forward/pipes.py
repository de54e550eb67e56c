"""Large pipes for splice(2), a bounded number of them.

The size matters most: 64 KiB pipes cost 2.6 times the CPU of 1 MiB ones. Without privileges one user gets about 64 large
pipes (``pipe-user-pages-soft``, pipe(7)); past that F_SETPIPE_SZ fails and even new pipes shrink. So their number has a
bound, the size got is checked, and who gets none copies.
"""

from __future__ import annotations

import fcntl
import os

from attrs import define, field
from twisted.logger import Logger, LogLevel

SIZE = 1 << 20
LEAST = 1 << 18
"""Bytes below which a pipe is not worth it."""
MOST = 56
PATIENCE = 1000
"""After so many that got none, the system is asked again."""
KEPT = 32
"""Empty pipes that are kept open for the next one."""


@define(eq=False)
class Pipe:
    """``out`` and ``into`` are its descriptors, ``size`` what it holds in bytes."""

    out: int
    into: int
    size: int

    def close(self) -> None:
        """Close both ends; bytes in it are lost."""
        os.close(self.out)
        os.close(self.into)


@define
class Pipes:
    """Lends pipes. All but those lent now are empty."""

    log = Logger()
    most: int = MOST
    size: int = SIZE
    open: int = field(default=0, init=False)
    """How many there are, lent or not."""
    _free: list[Pipe] = field(factory=list, init=False)
    _bound: int = field(init=False)
    _refused: int = field(default=0, init=False)
    _said: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        """Remember the bound, which the system may lower for a while."""
        self._bound = self.most

    def take(self) -> Pipe | None:
        """Lend an empty pipe, if there is one to be had."""
        if self._free:
            return self._free.pop()
        if self.open >= self.most:
            self._refused += 1
            if self._refused < PATIENCE:
                return None
            # The system may have more again.
            self.most, self._refused = self._bound, 0
        return self._make() if self.open < self.most else None

    def give_back(self, pipe: Pipe, inside: int) -> None:
        """Take a pipe back; one with bytes inside is closed, or they would turn up in somebody else's connection."""
        if inside or len(self._free) >= KEPT:
            self.open -= 1
            pipe.close()
        else:
            self._free.append(pipe)

    def close(self) -> None:
        """Close those that nobody has."""
        while self._free:
            self.open -= 1
            self._free.pop().close()

    def _make(self) -> Pipe | None:
        try:
            out, into = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            self._without(str(error))
            return None
        pipe = Pipe(out, into, self._sized(into))
        if pipe.size < LEAST:
            pipe.close()
            self._without(f"one would hold {pipe.size} bytes only (fs.pipe-user-pages-soft)")
            return None
        self.open += 1
        return pipe

    def _sized(self, fd: int) -> int:
        try:
            return fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, self.size)
        except OSError:
            return fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)

    def _without(self, why: str) -> None:
        # Asking for each read in vain would cost more than what the pipe saves.
        self.most, self._refused = self.open, 0
        # Where it stays so, each of these tries fails.
        level, self._said = LogLevel.debug if self._said else LogLevel.warn, True
        text = "no more than {count} large pipes: what is beyond is copied: {error}"
        self.log.emit(level, text, event="relay.few-pipes", count=self.most, error=why)
