"""Mixed load through the relay for a while: nothing that moves is lost, and neither memory nor descriptors grow."""

from __future__ import annotations

import contextlib
import gc
import random
import resource
import socket
import time
from pathlib import Path
from typing import Any

from twisted.internet.defer import gatherResults

from harness import ports
from tests.relayed import RelayCase, reset, send_all, take_all, until_so
from webspaced.core.forward import Forward
from webspaced.forward.sockets import SocketLine
from webspaced.forward.visit import Visit

WORKERS = 6
GROWTH = 24 << 20
"""Bytes by which the process may be larger at the end than after its first third: threads and their buffers vary."""


def resident() -> int:
    """Bytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def descriptors() -> int:
    """How many files and sockets this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


class Soak(RelayCase):
    """`soak` is the load; each worker's connections come to a backend of its own."""

    async def soak(self, seconds: float) -> None:
        backends = [socket.create_server(("127.0.0.1", 0)) for _ in range(WORKERS)]
        reserved = ports.reserve(ports.GRAIN, ports.FORWARDS)
        self.addCleanup(reserved.release)
        forwards = dict(zip(reserved.ports, (Forward(backend.getsockname()[1]) for backend in backends), strict=False))
        self.listeners.want_forwards(2, forwards)
        sizes: list[tuple[int, int]] = []
        for part in (seconds / 3, seconds * 2 / 3):
            end = time.monotonic() + part
            await gatherResults([
                self.thread(self.work, number, port, backend, end)
                for number, (port, backend) in enumerate(zip(forwards, backends, strict=True))
            ], consumeErrors=True)
            await until_so(lambda: not self.listeners.counters().open)
            gc.collect()
            self.engine.pipes.close()
            sizes.append((resident(), descriptors()))
        counters = self.listeners.counters()
        self.listeners.want_forwards(2, {})
        for backend in backends:
            backend.close()
        self.assertGreater(counters.opened, 10 * WORKERS)
        (memory, files), (memory_at_the_end, files_at_the_end) = sizes
        self.assertLess(memory_at_the_end - memory, GROWTH)
        self.assertEqual(files_at_the_end, files)
        self.check_nothing_left()

    def check_nothing_left(self) -> None:
        """No connection and no pipe is left."""
        gc.collect()
        left = [each for each in gc.get_objects() if isinstance(each, (Visit, SocketLine))]
        self.assertEqual(left, [])
        self.assertEqual(self.engine.pipes.open, 0)

    def work(self, number: int, port: int, backend: socket.socket, until: float) -> None:
        """Do one thing after the other, by chance."""
        chance = random.Random(number)  # noqa: S311  (nobody guards anything with it)
        things = (self.trips, self.bulk, self.both_ways, self.break_off, self.come_and_go)
        backend.settimeout(60)
        while time.monotonic() < until:
            visitor = socket.create_connection(("127.0.0.1", port), timeout=60)
            container, _ = backend.accept()
            container.settimeout(60)
            with visitor, container:
                # One that is reset before the relay has noticed that it is there is connected to again.
                visitor.sendall(b"?")
                container.recv(1)
                chance.choice(things)(chance, visitor, container)

    def trips(self, chance: random.Random, visitor: socket.socket, container: socket.socket) -> None:
        for _ in range(chance.randrange(1, 200)):
            data = chance.randbytes(chance.randrange(1, 2000))
            for one, other in ((visitor, container), (container, visitor)):
                one.sendall(data)
                got = b""
                while len(got) < len(data):
                    got += other.recv(4096)
                assert got == data

    def bulk(self, chance: random.Random, visitor: socket.socket, container: socket.socket) -> None:
        one, other = chance.sample([visitor, container], 2)
        size = chance.randrange(20_000_000)
        sent: list[Any] = []
        sending = self.threads.callInThread(lambda: sent.append(send_all(one, size)))
        del sending
        got = take_all(other)
        while not sent:
            time.sleep(0.001)
        assert got == (size, sent[0])

    def both_ways(self, chance: random.Random, visitor: socket.socket, container: socket.socket) -> None:
        self.bulk(chance, visitor, container)
        # The one that was read from has ended; the other has not.
        for sock in (visitor, container):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_WR)

    def break_off(self, chance: random.Random, visitor: socket.socket, container: socket.socket) -> None:
        one, other = chance.sample([visitor, container], 2)
        one.settimeout(0.05)
        with contextlib.suppress(TimeoutError):
            one.sendall(bytes(chance.randrange(4_000_000)))
        reset(one)
        with contextlib.suppress(ConnectionResetError):
            take_all(other)
            # What was broken off may not look complete.
            raise AssertionError

    def come_and_go(self, chance: random.Random, visitor: socket.socket, container: socket.socket) -> None:
        """Close at once, in order."""
