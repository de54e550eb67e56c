"""The embedded Traefik's listening sockets, which webspaced makes and keeps: sd_listen_fds(3), which Traefik follows.

They are on loopback, with ports that the system chooses, which nobody else can take while Traefik starts again.
"""

from __future__ import annotations

import socket

from attrs import frozen

from webspaced.settings import Address

BACKLOG = 4096
"""Connections that wait to be accepted; net.core.somaxconn bounds it too."""
FIRST = 3
"""The first descriptor of those that are handed on, by the manual page."""
LOOPBACK = "127.0.0.1"


@frozen
class Sockets:
    """One for each entry point."""

    http: socket.socket
    https: socket.socket

    @classmethod
    def on_loopback(cls) -> Sockets:
        """Make them."""
        return cls(_listening(), _listening())

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


def _listening() -> socket.socket:
    sock = socket.create_server((LOOPBACK, 0), backlog=BACKLOG)
    sock.setblocking(False)
    return sock


def _address(sock: socket.socket) -> Address:
    return Address(LOOPBACK, sock.getsockname()[1])
