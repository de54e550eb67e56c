"""Commands and consoles in containers, through LXD's WebSockets.

Source: https://documentation.ubuntu.com/lxd/en/latest/rest-api/ (``/exec``, ``/console``) and what LXD 5.0 and Incus 6.0
were seen to do. An operation hands out one secret per descriptor. All sockets have to be connected within 5 s; the end
of a stream is an empty TEXT frame in both directions; closing the sockets kills the command.

Commands are never run with ``record-output``: LXD cannot stop such a command, and lets it fill the host's disk.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from webspaced.core.command import Bounds, Command, Completed, Size
from webspaced.errors import NotFound, RemoteError, Unavailable
from webspaced.interfaces import IInsides
from webspaced.lib.deferreds import bounded, together
from webspaced.lib.keyed import KeyedLock
from webspaced.lib.sparing import Sparing
from webspaced.lib.webclient import UNREACHABLE
from webspaced.lib.websocket import IHears, Rejected, WebSocket, connect
from webspaced.lxd.client import LxdClient, Reply
from webspaced.lxd.files import Files
from webspaced.lxd.streams import Ignored, Outputs, Terminal

CONNECT_TIMEOUT = 5.0
"""Seconds: LXD gives up then, too."""
TAKEOVER_TIMEOUT = 5.0
"""Seconds for LXD to let go of a console that somebody else had."""
LARGEST_LOG = 16 * 1024 * 1024
TELLING = (
    'mark=$1; size=$2; shift 2; if [ "$size" = 0 ]; then "$@" </dev/null; else head -c "$size" | "$@"; fi; code=$?; '
    'printf "%s%d\\n" "$mark" "$code"; printf "%s%d\\n" "$mark" "$code" >&2; read -r size; exit $code'
)
"""A shell's script that runs its other arguments, with so many bytes of what it is given as their input, and tells their end
on both outputs. LXD tells it only when nobody has the outputs open any more, not even what the command left in the
background. Then it stays until its own input ends: an LXD 5.0 under load loses what somebody said who has ended by then."""
MARK = "WEBSPACED_COMMAND"
"""The variable by which what belongs to a command is known."""
KILLING = (
    'for each in /proc/[0-9]*; do tr "\\0" "\\n" 2>/dev/null <"$each/environ" | grep -qx "$1" && kill -9 "${each#/proc/}"; '
    "done; :"
)
"""A shell's script that kills whatever has a line, its argument, among its environment."""
HANGING_UP = (
    'for each in /proc/[0-9]*; do tr "\\0" "\\n" 2>/dev/null <"$each/environ" | grep -qx "$1" || continue; '
    'read -r stat <"$each/stat" && set -- "$1" ${stat##*) } && [ "$5" = "${each#/proc/}" ] && [ "$6" != 0 ] && '
    'kill -9 "$5"; done; :'
)
"""The same for what leads a session on a terminal (proc(5): session and tty_nr). The kernel tells the others of the hang-up,
and what was begun to outlive that lives on."""
TERM = "xterm-256color"
"""What a terminal is taken for whose owner does not say."""


@implementer(IInsides)
class LxdInsides(Files):
    """See :class:`webspaced.interfaces.IInsides`."""

    log = Logger()

    def __init__(self, client: LxdClient, endpoints: IAgentEndpointFactory) -> None:
        super().__init__(client)
        self._clock = client.clock
        self._endpoint = endpoints.endpointForURI(URI.fromBytes(b"ws://lxd/"))
        self._consoles: dict[str, Terminal] = {}
        self._console_turns: KeyedLock[str] = KeyedLock()
        self._lines = Sparing(client.clock, self.log, "commands that could not be killed")

    # --- commands

    async def run(self, name: str, command: Command, bounds: Bounds) -> Completed:
        return await bounded(self._clock, bounds.seconds, self._run(name, command, bounds.output), "the command")

    async def _run(self, name: str, command: Command, largest: int) -> Completed:
        mark = secrets.token_hex(16)
        environment = {**command.environment, MARK: mark}
        argv = ("sh", "-c", TELLING, "sh", mark, str(len(command.stdin)), *command.argv)
        told = evolve(command, argv=argv, environment=environment)
        begun = await self._client.send("POST", f"/instances/{name}/exec", _body(told, interactive=False))
        outputs = Outputs(self._clock, largest, mark.encode())
        try:
            await self._exchange(begun, outputs, command.stdin)
            code = await self._code(begun.operation) if outputs.code is None else outputs.code
        except Exception:
            # LXD kills the shell alone. Whoever gave up does not wait for this.
            Deferred.fromCoroutine(self._kill(name, mark)).addErrback(self._not_killed, name)
            raise
        return Completed(code=code, stdout=outputs.stdout.said, stderr=outputs.stderr.said)

    async def _exchange(self, begun: Reply, outputs: Outputs, stdin: bytes) -> None:
        hears = {"0": Ignored(), "1": outputs.stdout, "2": outputs.stderr, "control": Ignored()}
        sockets = await self._connect(begun, hears)
        try:
            if stdin:
                sockets["0"].write(stdin)
            # All was read: the shell may go.
            outputs.marked.addCallback(lambda _: sockets["0"].send_text(""))
            await outputs.ended
        finally:
            outputs.forget()
            for socket in sockets.values():
                socket.abort()

    async def _kill(self, name: str, mark: str, script: str = KILLING) -> None:
        """Kill whatever a command has begun and not hidden from us by another environment."""
        body = _body(Command(argv=("sh", "-c", script, "sh", f"{MARK}={mark}")), interactive=False)
        await self._client.operate("POST", f"/instances/{name}/exec", {**body, "wait-for-websocket": False})

    def _not_killed(self, failure: Failure, name: str) -> None:
        # It may have been the container that went away.
        if self._lines.may(name):
            self.log.info(
                "{instance}: a command could not be killed: {error}",
                event="lxd.kill-failed",
                instance=name,
                error=failure.getErrorMessage(),
            )

    async def attach(self, name: str, command: Command, size: Size, screen: IConsumer) -> Terminal:
        mark = secrets.token_hex(16)
        marked = evolve(command, environment={**command.environment, MARK: mark})
        body = _body(marked, interactive=True) | {"width": size.width, "height": size.height}
        begun = await self._client.send("POST", f"/instances/{name}/exec", body)

        def kill() -> None:
            Deferred.fromCoroutine(self._kill(name, mark, HANGING_UP)).addErrback(self._not_killed, name)

        terminal = Terminal(self._clock, screen, lambda: self._code(begun.operation), control_kills=True, kill=kill)
        return await self._join(begun, terminal)

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
        async with self._console_turns(name):
            before = self._consoles.get(name)
            if before is not None:
                # LXD shows a console to one at a time; who asks last has it.
                before.close()
                await before.over().addTimeout(TAKEOVER_TIMEOUT, self._clock)
            return await self._open_console(name, size, screen)

    async def _open_console(self, name: str, size: Size, screen: IConsumer) -> Terminal:
        body = {"width": size.width, "height": size.height, "type": "console", "force": True}
        begun = await self._client.send("POST", f"/instances/{name}/console", body)
        terminal = Terminal(self._clock, screen, lambda: self._console_ended(begun.operation), control_kills=False)
        self._consoles[name] = terminal
        terminal.over().addCallback(lambda _: self._forget(name, terminal))
        return await self._join(begun, terminal)

    def _forget(self, name: str, terminal: Terminal) -> None:
        if self._consoles.get(name) is terminal:
            del self._consoles[name]

    async def _console_ended(self, operation: str) -> int:
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

    async def _join(self, begun: Reply, terminal: Terminal) -> Terminal:
        try:
            sockets = await self._connect(begun, {"0": terminal, "control": Ignored()})
        except Exception:
            terminal.give_up()
            raise
        terminal.join(sockets["0"], sockets["control"])
        return terminal

    async def _connect(self, begun: Reply, hears: Mapping[str, IHears]) -> dict[str, WebSocket]:
        """Connect an operation's descriptors. When one of them fails, or this is cancelled, the command is killed."""
        try:
            return await bounded(self._clock, CONNECT_TIMEOUT, self._connected(begun, hears), "LXD's WebSockets")
        except UNREACHABLE as error:
            message = "LXD cannot be reached"
            raise Unavailable(message, retry_after=2.0) from error
        except Rejected as error:
            raise RemoteError(str(error), error.status) from error

    async def _connected(self, begun: Reply, hears: Mapping[str, IHears]) -> dict[str, WebSocket]:
        admits = (begun.metadata.get("metadata") or {}).get("fds") or {}
        path = begun.operation.partition("?")[0]
        sockets: dict[str, WebSocket] = {}

        async def one(name: str) -> None:
            target = f"{path}/websocket?secret={admits.get(name, '')}"
            sockets[name] = await connect(self._clock, self._endpoint, "lxd", target, hears[name], trusting=True)

        try:
            # LXD begins without the control socket, and refuses it when the command is over by then.
            await one("control")
            await together([one(name) for name in hears if name != "control"])
        except Exception:
            for socket in sockets.values():
                socket.abort()
            raise
        return sockets


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
