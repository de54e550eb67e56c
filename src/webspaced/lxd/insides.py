"""Commands and consoles in containers, through LXD's WebSockets.

Source: https://documentation.ubuntu.com/lxd/en/latest/rest-api/ (``/exec``, ``/console``) and what LXD 5.0 and Incus 6.0
were seen to do. An operation hands out one secret per descriptor. All sockets have to be connected within 5 s; the end
of a stream is an empty TEXT frame in both directions; closing the sockets kills the command.

Commands are never run with ``record-output``: LXD cannot stop such a command, and lets it fill the host's disk.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any

from twisted.internet.interfaces import IConsumer
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from webspaced.core.command import Bounds, Command, Completed, Size
from webspaced.errors import NotFound, RemoteError, Unavailable
from webspaced.interfaces import IInsides
from webspaced.lib.deferreds import bounded, together
from webspaced.lib.webclient import UNREACHABLE
from webspaced.lib.websocket import IHears, Rejected, WebSocket, connect
from webspaced.lxd.client import LxdClient, Reply
from webspaced.lxd.files import Files
from webspaced.lxd.streams import Ignored, Outputs, Terminal

CONNECT_TIMEOUT = 5.0
"""Seconds: LXD gives up then, too."""
LARGEST_LOG = 16 * 1024 * 1024
TERM = "xterm-256color"
"""What a terminal is taken for whose owner does not say."""


@implementer(IInsides)
class LxdInsides(Files):
    """See :class:`webspaced.interfaces.IInsides`."""

    def __init__(self, client: LxdClient, endpoints: IAgentEndpointFactory) -> None:
        super().__init__(client)
        self._clock = client.clock
        self._endpoint = endpoints.endpointForURI(URI.fromBytes(b"ws://lxd/"))
        self._consoles: dict[str, Terminal] = {}

    # --- commands

    async def run(self, name: str, command: Command, bounds: Bounds) -> Completed:
        return await bounded(self._clock, bounds.seconds, self._run(name, command, bounds.output), "the command")

    async def _run(self, name: str, command: Command, largest: int) -> Completed:
        begun = await self._client.send("POST", f"/instances/{name}/exec", _body(command, interactive=False))
        outputs = Outputs(largest)
        hears = {"0": Ignored(), "1": outputs.stdout, "2": outputs.stderr, "control": Ignored()}
        sockets = await self._connect(begun, hears)
        try:
            sockets["0"].write(command.stdin)
            sockets["0"].send_text("")
            await outputs.ended
            code = await self._code(begun.operation)
        finally:
            for socket in sockets.values():
                socket.abort()
        return Completed(code=code, stdout=bytes(outputs.stdout.received), stderr=bytes(outputs.stderr.received))

    async def attach(self, name: str, command: Command, size: Size, screen: IConsumer) -> Terminal:
        body = _body(command, interactive=True) | {"width": size.width, "height": size.height}
        begun = await self._client.send("POST", f"/instances/{name}/exec", body)
        return await self._terminal(begun, screen, lambda: self._code(begun.operation))

    async def _code(self, operation: str) -> int:
        """Wait for a command's end and give its exit code; one that LXD could not start has the shell's 126 or 127."""
        try:
            document = await self._client.ended(operation)
        except RemoteError:
            # Incus tells no document with a failure.
            document = (await self._client.get(operation.removeprefix("/1.0").partition("?")[0])).metadata
            if "return" not in (document.get("metadata") or {}):
                raise
        return int(document["metadata"]["return"])

    # --- the console

    async def console(self, name: str, size: Size, screen: IConsumer) -> Terminal:
        before = self._consoles.get(name)
        if before is not None:
            # LXD shows a console to one at a time; who asks last has it.
            before.close()
            await before.over()
        body = {"width": size.width, "height": size.height, "type": "console", "force": True}
        begun = await self._client.send("POST", f"/instances/{name}/console", body)
        terminal = await self._terminal(begun, screen, lambda: self._console_ended(name, begun.operation))
        self._consoles[name] = terminal
        return terminal

    async def _console_ended(self, name: str, operation: str) -> int:
        self._consoles.pop(name, None)
        # LXD calls it a failure when somebody lets a console go.
        with suppress(RemoteError):
            await self._client.ended(operation)
        return 0

    async def console_log(self, name: str) -> bytes:
        try:
            return await self._client.fetch(f"/instances/{name}/console", LARGEST_LOG)
        except RemoteError as error:
            if error.code != 500:  # noqa: PLR2004
                raise
            # As LXD says that there is none.
            return b""

    async def clear_console_log(self, name: str) -> None:
        try:
            await self._client.send("DELETE", f"/instances/{name}/console")
        except NotFound:
            return

    # --- both

    async def _terminal(self, begun: Reply, screen: IConsumer, outcome: Callable[[], Coroutine[Any, Any, int]]) -> Terminal:
        terminal = Terminal(screen, outcome)
        sockets = await self._connect(begun, {"0": terminal, "control": Ignored()})
        terminal.join(sockets["0"], sockets["control"])
        return terminal

    async def _connect(self, begun: Reply, hears: Mapping[str, IHears]) -> dict[str, WebSocket]:
        """Connect an operation's descriptors. When one of them fails, or this is cancelled, the command is killed."""
        secrets = (begun.metadata.get("metadata") or {}).get("fds") or {}
        path = begun.operation.partition("?")[0]
        connections = [
            connect(self._clock, self._endpoint, "lxd", f"{path}/websocket?secret={secrets.get(each, '')}", hear)
            for each, hear in hears.items()
        ]
        try:
            sockets = await bounded(self._clock, CONNECT_TIMEOUT, together(connections), "LXD's WebSockets")
        except UNREACHABLE as error:
            message = "LXD cannot be reached"
            raise Unavailable(message, retry_after=2.0) from error
        except Rejected as error:
            raise RemoteError(str(error), error.status) from error
        return dict(zip(hears, sockets, strict=True))


def _body(command: Command, *, interactive: bool) -> dict[str, Any]:
    environment = {"TERM": TERM, **command.environment} if interactive else dict(command.environment)
    return {
        "command": list(command.argv),
        "environment": environment,
        "user": command.user,
        "group": command.group,
        "cwd": command.directory,
        "interactive": interactive,
        "wait-for-websocket": True,
    }
