"""WebSockets for one event loop (wsproto): terminals of the API, and commands that LXD runs without webspaced."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, RejectConnection, Request, TextMessage

from benchmarks.lxd import DirectLxd

LONGEST_ANSWER = 60.0
END_OF_INPUT = b"\x04"


async def run_directly(lxd: DirectLxd, name: str, command: Sequence[str]) -> None:
    """Run a command through LXD's own WebSockets, to the end of its outputs, as webspaced does it."""
    body = {"command": list(command), "wait-for-websocket": True, "interactive": False}
    begun = await lxd.ask("POST", f"/1.0/instances/{name}/exec", body)
    path, fds = begun["operation"], begun["metadata"]["metadata"]["fds"]
    control = await stream(lxd, f"{path}/websocket?secret={fds['control']}")
    others = await asyncio.gather(*(stream(lxd, f"{path}/websocket?secret={fds[fd]}") for fd in ("0", "1", "2")))
    _, writer, connection = others[0]
    writer.write(connection.send(TextMessage("")))
    await asyncio.gather(*(_drained(*each) for each in others[1:]))
    for _, writer, _ in (control, *others):
        writer.close()


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter, WSConnection]


async def stream(lxd: DirectLxd, target: str) -> Stream:
    """Connect to a WebSocket of LXD's."""
    reader, writer = await asyncio.open_unix_connection(lxd.path)
    connection = WSConnection(ConnectionType.CLIENT)
    writer.write(connection.send(Request(host="lxd", target=target)))
    while True:
        connection.receive_data(await reader.read(65536))
        for event in connection.events():
            if isinstance(event, AcceptConnection):
                return reader, writer, connection


async def _drained(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter, connection: WSConnection) -> None:
    """Read to the end of a stream, which is an empty text."""
    while data := await reader.read(65536):
        connection.receive_data(data)
        if any(isinstance(event, TextMessage | CloseConnection) for event in connection.events()):
            return


class Terminal:
    """One terminal. ``ended`` is the closing code and reason, once it is over."""

    def __init__(self, where: tuple[str, int], path: str, token: str) -> None:
        self.ended: tuple[int, str] | None = None
        self._where = where
        self._path = path
        self._token = token
        self._connection = WSConnection(ConnectionType.CLIENT)
        self._shown = bytearray()
        self._changed = asyncio.Event()
        self._accepted = False

    async def open(self, command: Sequence[str]) -> None:
        """Connect and begin a command."""
        self._reader, self._writer = await asyncio.open_connection(*self._where)
        headers = [(b"authorization", f"Bearer {self._token}".encode())]
        self._send(Request(host="benchmark", target=self._path, extra_headers=headers))
        self._reading = asyncio.create_task(self._read())
        await self._until(lambda: self._accepted)
        self._send(TextMessage(json.dumps({"command": list(command), "width": 80, "height": 24})))

    async def echoes(self, line: bytes) -> float:
        """Type a line, and give the seconds until it was shown twice: by the terminal, and by ``cat``."""
        self._shown.clear()
        began = time.monotonic()
        self._send(BytesMessage(line + b"\n"))
        await self._until(lambda: self._shown.count(line) >= 2)
        return time.monotonic() - began

    async def shows(self, text: bytes) -> None:
        """Wait until something was shown."""
        await self._until(lambda: text in self._shown)

    async def close(self) -> None:
        """End the input, and wait for the goodbye."""
        if self.ended is None:
            self._send(BytesMessage(END_OF_INPUT))
            await self._until(lambda: self.ended is not None)
        self._reading.cancel()
        self._writer.close()

    async def _until(self, true: object) -> None:
        async with asyncio.timeout(LONGEST_ANSWER):
            while not true():  # type: ignore[operator]
                self._changed.clear()
                await self._changed.wait()

    def _send(self, event: object) -> None:
        self._writer.write(self._connection.send(event))  # type: ignore[arg-type]

    async def _read(self) -> None:
        while data := await self._reader.read(65536):
            self._connection.receive_data(data)
            for event in self._connection.events():
                self._handle(event)
            self._changed.set()
        self.ended = self.ended or (1006, "")
        self._changed.set()

    def _handle(self, event: object) -> None:
        match event:
            case AcceptConnection():
                self._accepted = True
            case RejectConnection():
                self.ended = (event.status_code, "rejected")
            case BytesMessage():
                self._shown += event.data
            case Ping():
                self._send(event.response())
            case CloseConnection():
                self.ended = (event.code, event.reason or "")
                self._send(event.response())
