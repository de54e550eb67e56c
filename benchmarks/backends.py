"""Two web servers that say who they are, in a process of their own: `python -m benchmarks.backends ADDRESS`.

Their ports are printed in one line; they end with their standard input.
"""

from __future__ import annotations

import asyncio
import sys
from functools import partial

NAMES = ("one", "two")


async def _answer(name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer every request of a connection with the name."""
    answer = f"HTTP/1.1 200 OK\r\nContent-Length: {len(name)}\r\n\r\n{name}".encode()
    try:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _serve() -> None:
    ports = []
    for name in NAMES:
        server = await asyncio.start_server(partial(_answer, name), sys.argv[1], 0)
        ports.append(server.sockets[0].getsockname()[1])
    print(*ports, flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve())
