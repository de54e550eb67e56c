"""Visitors and probes, written for one event loop and little CPU: what they cost is not to be measured.

Times are seconds, moments those of :func:`time.monotonic`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import frozen

ATTEMPT_SECONDS = 0.05
ATTEMPT_INTERVAL = 0.01
LONGEST_VISIT = 120.0
LONGEST_START = 60.0


@frozen
class Visit:
    """An HTTP request's outcome: status (0: none came), body, and the moment of the last byte."""

    status: int
    body: bytes
    ended: float


@contextmanager
def _tcp() -> Iterator[socket.socket]:
    """A fresh non-blocking socket, closed at the end."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield sock


async def _exchange(where: tuple[str, int], request: bytes) -> bytes:
    """Send a request on a connection of its own, and give all that comes until the other side closes."""
    loop = asyncio.get_running_loop()
    received = bytearray()
    with _tcp() as sock:
        await loop.sock_connect(sock, where)
        await loop.sock_sendall(sock, request)
        while chunk := await loop.sock_recv(sock, 65536):
            received += chunk
    return bytes(received)


def _head(method: str, host: str) -> bytes:
    return f"{method} / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: benchmark\r\nConnection: close\r\n\r\n".encode()


async def ask(where: tuple[str, int], host: str, method: str = "GET") -> Visit:
    """Ask for `/` on a connection of its own, from connect to last byte. A failed connection is status 0, no error."""
    answer = b""
    with contextlib.suppress(OSError, TimeoutError):
        answer = await asyncio.wait_for(_exchange(where, _head(method, host)), LONGEST_VISIT)
    ended = time.monotonic()
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    status = int(words[1]) if len(words) > 1 and words[0].startswith(b"HTTP/1.") and words[1].isdigit() else 0
    return Visit(status, body, ended)


async def _attempt(where: tuple[str, int], accepted: asyncio.Future[float]) -> None:
    """One connection attempt; its success is a moment."""
    with contextlib.suppress(OSError, TimeoutError), _tcp() as sock:
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(sock, where), ATTEMPT_SECONDS)
        if not accepted.done():
            accepted.set_result(time.monotonic())


async def until_accepts(where: tuple[str, int]) -> float:
    """Try to connect until it succeeds, and give that moment.

    An attempt begins every 10 ms on a fresh socket and is given up after 50 ms: a SYN that is lost because the
    container has no address yet would otherwise be repeated a full second later.

    :raises TimeoutError: nothing accepted within a minute.
    """
    accepted: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    attempts = set()
    deadline = time.monotonic() + LONGEST_START
    while time.monotonic() < deadline:
        attempts.add(asyncio.create_task(_attempt(where, accepted)))
        await asyncio.wait({accepted}, timeout=ATTEMPT_INTERVAL)
        if accepted.done():
            await asyncio.wait(attempts)
            return accepted.result()
    message = f"{where[0]}:{where[1]} accepted no connection within {LONGEST_START:g} s"
    raise TimeoutError(message)
