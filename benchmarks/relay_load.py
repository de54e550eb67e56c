"""What goes through the relays: servers in a process of their own, and clients that cost little.

`python -m benchmarks.relay_load` runs the servers until its standard input ends and prints their ports: one that discards
all and answers the end with one byte, one that echoes.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PIECE = 1 << 20
PING = b"x" * 64
LOOPBACK = "127.0.0.1"


# --- servers


def _discard(server: socket.socket) -> None:
    while True:
        connection, _ = server.accept()
        threading.Thread(target=_drop_all, args=(connection,), daemon=True).start()


def _drop_all(connection: socket.socket) -> None:
    buffer = bytearray(PIECE)
    with connection, contextlib.suppress(OSError):
        # MSG_TRUNC: the kernel drops them uncopied (tcp(7)): what a reader costs is not to be measured.
        while connection.recv_into(buffer, PIECE, socket.MSG_TRUNC):
            pass
        connection.sendall(b"!")


def _echo(server: socket.socket) -> None:
    poller, connections = select.epoll(), {server.fileno(): server}
    poller.register(server.fileno(), select.EPOLLIN)
    while True:
        for fd, _ in poller.poll():
            if fd == server.fileno():
                connection, _address = server.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[connection.fileno()] = connection
                poller.register(connection.fileno(), select.EPOLLIN)
            else:
                _echo_once(connections, fd)


def _echo_once(connections: dict[int, socket.socket], fd: int) -> None:
    data = b""
    with contextlib.suppress(OSError):
        data = connections[fd].recv(4096)
        connections[fd].sendall(data)
    if not data:
        connections.pop(fd).close()


@contextmanager
def servers() -> Iterator[tuple[int, int]]:
    """Run the servers; gives the ports of the one that discards and the one that echoes."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.relay_load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parent.parent,
    )
    assert process.stdout is not None  # noqa: S101 - for mypy
    try:
        discard, echo = map(int, process.stdout.readline().split())
        yield discard, echo
    finally:
        process.terminate()
        process.wait()


def raise_limit() -> None:
    """Let this process have as many sockets as it may."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _main() -> None:
    raise_limit()
    both = [socket.create_server((LOOPBACK, 0), backlog=4096) for _ in range(2)]
    print(*(server.getsockname()[1] for server in both), flush=True)
    for run, server in zip((_discard, _echo), both, strict=True):
        threading.Thread(target=run, args=(server,), daemon=True).start()
    sys.stdin.read()


# --- clients


def connected(port: int) -> socket.socket:
    """A connection that sends small pieces at once."""
    sock = socket.create_connection((LOOPBACK, port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def push(port: int, connections: int, size: int) -> float:
    """Send so many bytes in all, by so many connections; seconds until the last is acknowledged."""
    source = os.memfd_create("bulk")
    os.truncate(source, PIECE)
    threads = [threading.Thread(target=_push_one, args=(source, port, size // connections)) for _ in range(connections)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    os.close(source)
    return took


def _push_one(source: int, port: int, size: int) -> None:
    with connected(port) as sock:
        left = size
        while left:
            left -= os.sendfile(sock.fileno(), source, 0, min(PIECE, left))
        sock.shutdown(socket.SHUT_WR)
        sock.recv(1)


def ping(port: int, trips: int) -> list[float]:
    """Seconds of each round trip of 64 bytes, one after the other on one connection."""
    took = []
    with connected(port) as sock:
        for _ in range(trips):
            began = time.perf_counter()
            sock.sendall(PING)
            got = 0
            while got < len(PING):
                got += len(sock.recv(len(PING)))
            took.append(time.perf_counter() - began)
    return took[trips // 10 :]


def visit(port: int, number: int, together: int = 8) -> float:
    """Connect, exchange 64 bytes and close so often, so many at a time; connections per second."""
    began, left, poller = time.monotonic(), number, select.epoll()
    running: dict[int, socket.socket] = {}
    started = 0
    while left:
        while started < number and len(running) < together:
            sock = connected(port)
            sock.send(PING)
            running[sock.fileno()] = sock
            poller.register(sock.fileno(), select.EPOLLIN)
            started += 1
        for fd, _ in poller.poll():
            running[fd].recv(len(PING))
            running.pop(fd).close()
            left -= 1
    poller.close()
    return number / (time.monotonic() - began)


@contextmanager
def idle(port: int, number: int) -> Iterator[None]:
    """Hold so many connections that have exchanged a few bytes."""
    with contextlib.ExitStack() as stack:
        for _ in range(number):
            sock = stack.enter_context(connected(port))
            sock.sendall(PING)
            sock.recv(len(PING))
        yield


def burst(port: int, number: int) -> tuple[float, int]:
    """Connect so often at once and say something: seconds until the last answer, and how many got none."""
    with contextlib.ExitStack() as stack:
        began = time.monotonic()
        socks = [stack.enter_context(connected(port)) for _ in range(number)]
        for sock in socks:
            sock.sendall(PING)
        errors = 0
        for sock in socks:
            with contextlib.suppress(OSError):
                errors -= len(sock.recv(len(PING))) == len(PING)
            errors += 1
        return time.monotonic() - began, errors


if __name__ == "__main__":
    _main()
