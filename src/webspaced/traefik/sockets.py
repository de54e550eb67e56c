"""The embedded Traefik's listening sockets, which webspaced makes and keeps: sd_listen_fds(3), which Traefik follows.

They are on loopback, with ports that the system chooses, which nobody else can take while Traefik starts again.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from attrs import frozen

from webspaced.errors import Unavailable
from webspaced.settings import Address

BACKLOG = 4096
"""Connections that wait to be accepted; net.core.somaxconn bounds it too."""
FIRST = 3
"""The first descriptor of those that are handed on, by the manual page."""
LOOPBACK = "127.0.0.1"
TRIES = 1000
"""How often the system is asked for a port."""


@frozen
class Sockets:
    """One for each entry point."""

    http: socket.socket
    https: socket.socket

    @classmethod
    def on_loopback(cls, is_taken: Callable[[int], bool] = lambda _: False) -> Sockets:
        """Make them.

        :param is_taken: whether somebody else may want a port later.
        """
        return cls(_listening(is_taken), _listening(is_taken))

    @property
    def addresses(self) -> tuple[Address, Address]:
        """Give where they listen, in the same order."""
        return _address(self.http), _address(self.https)

    @property
    def descriptors(self) -> dict[int, int]:
        """Give what the child is to have under which number."""
        return {FIRST: self.http.fileno(), FIRST + 1: self.https.fileno()}

    def turn_away(self) -> None:
        """Hang up on who waits to be accepted: a new Traefik has no routes at first, and would say 404."""
        for sock in (self.http, self.https):
            for _ in range(2 * BACKLOG):
                try:
                    sock.accept()[0].close()
                except OSError:
                    break

    def close(self) -> None:
        """Close them here."""
        self.http.close()
        self.https.close()


def environment(names: tuple[str, str]) -> dict[str, str]:
    """Give what tells the child of them, by the names of its entry points."""
    return {"LISTEN_FDS": str(len(names)), "LISTEN_FDNAMES": ":".join(names)}


def _listening(is_taken: Callable[[int], bool]) -> socket.socket:
    others = []
    try:
        for _ in range(TRIES):
            sock = socket.create_server((LOOPBACK, 0), backlog=BACKLOG)
            sock.setblocking(False)
            if not is_taken(sock.getsockname()[1]):
                return sock
            # Kept until the end, so that the system gives another one.
            others.append(sock)
    finally:
        for other in others:
            other.close()
    message = "the system gives no port that nobody else may want: see net.ipv4.ip_local_port_range"
    raise Unavailable(message)


def _address(sock: socket.socket) -> Address:
    return Address(LOOPBACK, sock.getsockname()[1])
