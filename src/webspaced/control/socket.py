"""The unix socket, and who has connected to it."""

from __future__ import annotations

import os
import pwd
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.internet.defer import maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource
from twisted.web.server import Site

from webspaced.errors import Unavailable

NAME = "control.sock"
_CREDENTIALS = struct.Struct("3i")
"""The kernel's ``struct ucred``: process, user, group (unix(7), ``SO_PEERCRED``)."""


@contextmanager
def reachable(folder: Path) -> Iterator[str]:
    """Give a path of the socket that is short enough for the kernel (107 bytes), however long the folder's is."""
    held = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{held}/{NAME}"
    finally:
        os.close(held)


@frozen
class Peer:
    """A process that asks, and its user."""

    pid: int
    uid: int

    @property
    def user(self) -> str:
        """Give the user's name, or number where there is none."""
        with suppress(KeyError):
            return pwd.getpwuid(self.uid).pw_name
        return f"uid {self.uid}"


def connected_peer(request: IRequest) -> Peer:
    """Give who asks, whoever that is."""
    connection = request.transport.socket  # type: ignore[attr-defined]
    pid, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return Peer(pid, uid)


class _QuietSite(Site):
    """Writes no log of Twisted's form: what changes something has a line of ours."""

    noisy = False

    def log(self, request: Any) -> None:
        pass


class ControlSocket:
    """Listens, for whoever the folder lets in."""

    def __init__(self, reactor: Any, folder: Path, pages: IResource) -> None:
        self._reactor = reactor
        self._folder = folder
        self._site = _QuietSite(pages, reactor=reactor)
        self._listening: IListeningPort | None = None
        self._held = ExitStack()
        """The folder: Twisted removes the socket by the name by which it was made."""

    def listen(self) -> None:
        """Begin; what another run left there is replaced. ``Unavailable`` names why it cannot be."""
        # The lock on the folder says that nobody else uses it.
        try:
            (self._folder / NAME).unlink(missing_ok=True)
        except OSError as error:
            message = f"{self._folder / NAME} is in the way: {error}"
            raise Unavailable(message) from error
        path = self._held.enter_context(reachable(self._folder))
        try:
            self._listening = self._reactor.listenUNIX(path, self._site, mode=0o600)
        except CannotListenError as error:
            self._held.close()
            message = f"cannot listen on {self._folder / NAME}: {error.socketError}"
            raise Unavailable(message) from error

    async def close(self) -> None:
        """Take no more requests."""
        listening, self._listening = self._listening, None
        if listening is not None:
            await maybeDeferred(listening.stopListening)
        self._held.close()
