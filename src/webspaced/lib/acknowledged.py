"""What the other end of a TCP connection took, as the kernel knows it."""

from __future__ import annotations

import socket
import struct
from typing import Any

# tcpi_bytes_acked of struct tcp_info (linux/tcp.h), which only ever grows at its end.
_OFFSET, _LENGTH = 120, 8


def acknowledged(transport: Any) -> int:
    """Give how many bytes the other end's kernel has acknowledged; 0 where that cannot be known.

    Twisted's buffer cannot tell it: the kernel takes megabytes at once, and then nothing for minutes.
    """
    try:
        info = transport.getHandle().getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _OFFSET + _LENGTH)
        return int(struct.unpack_from("=Q", info, _OFFSET)[0])
    except (AttributeError, OSError, struct.error):
        return 0
