"""Long answers in pieces: writing a megabyte of what a container said as JSON at once would hold up everybody."""

from __future__ import annotations

import codecs
import json

from twisted.internet.interfaces import IReactorTime

from webspaced.core.command import Completed
from webspaced.lib.gently import Gently

PIECE = 32 * 1024
"""Bytes; escaped they may be six times as many."""


async def completed(clock: IReactorTime, value: Completed) -> bytes:
    """Give the contract's result of a command; what is no UTF-8 shows as such."""
    gently = Gently(clock)
    stdout, stderr = await _text(gently, value.stdout), await _text(gently, value.stderr)
    return b"".join([b'{"stdout": "', *stdout, b'", "stderr": "', *stderr, b'", "exitCode": %d}' % value.code])


async def _text(gently: Gently, data: bytes) -> list[bytes]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    pieces = []
    for start in range(0, len(data), PIECE):
        await gently.pause()
        text = decoder.decode(data[start : start + PIECE], start + PIECE >= len(data))
        pieces.append(json.dumps(text)[1:-1].encode())
    return pieces
