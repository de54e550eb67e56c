"""Visitors as tests send them: how they were cut off is one error, whichever call of theirs met it."""

from __future__ import annotations

import socket

PATIENCE = 180.0
"""Seconds after which a test gives up waiting: far beyond what anything here takes, so that only a hang gets there."""
GREETING = b"hello"


def echo(port: int, data: bytes = GREETING) -> bytes:
    """Send to a port, end one's own side, and give all that comes back; ``ConnectionError`` for whoever is cut off.

    A reset that is there before the end of the own side makes ``shutdown`` fail, and not with a ``ConnectionError``.
    """
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        except TimeoutError:
            raise
        except OSError as error:
            raise ConnectionResetError(*error.args) from error
        return receive_all(connection)


def echoes(port: int) -> bool:
    """Whether the echo service answers at a port; not if the visitor is cut off."""
    try:
        return echo(port) == GREETING
    except ConnectionError:
        return False


def receive_all(connection: socket.socket) -> bytes:
    """Read until the peer ends its side."""
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    return received
