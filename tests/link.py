"""A link that can fail: a relay between the daemon and LXD that stalls, goes half-open or refuses, as a test says."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path

PIECE = 65536


class _Pair:
    """One relayed connection; while ``stalled``, nothing passes and nobody is told."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self.stalled = False
        self._go_on = threading.Condition()
        self._ends = (near, far)
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(PIECE):
                with self._go_on:
                    self._go_on.wait_for(lambda: not self.stalled)
                sink.sendall(data)
        with self._go_on:
            self._go_on.wait_for(lambda: not self.stalled)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def set_stalled(self, stalled: bool) -> None:
        with self._go_on:
            self.stalled = stalled
            self._go_on.notify_all()

    def close(self) -> None:
        self.set_stalled(False)
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class Link:
    """Listens at ``path`` and leads to ``target``. ``accepted`` counts connections."""

    def __init__(self, path: Path, target: Path) -> None:
        self.accepted = 0
        self._target = target
        self._stall_new = False
        self._pairs: list[_Pair] = []
        self._held: list[socket.socket] = []
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(64)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            self.accepted += 1
            if self._stall_new:
                # Not passed on, connected or not: LXD 5.0 takes no other connection while one says nothing.
                self._held.append(near)
                continue
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(str(self._target))
            except OSError:
                near.close()
                continue
            pair = _Pair(near, far)
            self._pairs.append(pair)
            if self._stall_new:
                # It was on its way when the others were stalled.
                pair.set_stalled(True)

    def stall(self) -> None:
        """Let nothing pass any more, on old connections and on new ones; nobody is told."""
        self._stall_new = True
        self._stall_old()

    def half_open(self) -> None:
        """Let nothing pass on what is open, as after a machine lost its power; new connections work."""
        self._stall_old()

    def _stall_old(self) -> None:
        for pair in self._pairs:
            pair.set_stalled(True)

    def heal(self) -> None:
        """Let new connections work, and end the stalled ones."""
        self._stall_new = False
        pairs, self._pairs = self._pairs, []
        held, self._held = self._held, []
        for each in [*pairs, *held]:
            each.close()

    def close(self) -> None:
        """End."""
        self.heal()
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
