"""The embedded Traefik's listening sockets, which webspaced makes and keeps: sd_listen_fds(3), which Traefik follows.

They are on loopback, with ports that the system chooses. Who connects while Traefik starts again waits in them.
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

    def close(self) -> None:
        """Close them here."""
        self.http.close()
        self.https.close()


def environment(names: tuple[str, str]) -> dict[str, str]:
    """Give what tells the child of them, by the names of its entry points."""
    return {"LISTEN_FDS": str(len(names)), "LISTEN_FDNAMES": ":".join(names)}


def _listening() -> socket.socket:
    return socket.create_server((LOOPBACK, 0), backlog=BACKLOG)


def _address(sock: socket.socket) -> Address:
    return Address(LOOPBACK, sock.getsockname()[1])
