"""Running commands in containers: plainly, recorded, or by WebSockets (``/exec``)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.interfaces import IReactorTime

from webspaced.testing.lxd.command import TERMINATED_BY, Command, Surroundings
from webspaced.testing.lxd.commands import NOT_FOUND, PATH, make
from webspaced.testing.lxd.errors import ApiError, Failed
from webspaced.testing.lxd.machine import Machine
from webspaced.testing.lxd.operations import Operation
from webspaced.testing.lxd.sockets import Sockets
from webspaced.testing.lxd.things import Instance, Phase
from webspaced.testing.lxd.tty import Tty

SIGHUP, SIGKILL = 1, 9
DESCRIPTION = "Executing command"


class Execution:
    """One command that somebody runs."""

    def __init__(self, machine: Machine, clock: IReactorTime, instance: Instance, body: Mapping[str, Any]) -> None:
        self.instance = instance
        self.operation: Operation
        self.command: Command | None = None
        self.interactive = body.get("interactive") is True
        self.recorded: dict[int, bytearray] | None = None
        self.finished: Callable[[Execution], None] = lambda _: None
        self._machine = machine
        self._clock = clock
        self._words = [str(word) for word in body.get("command") or ()]
        self._given = {str(name): str(value) for name, value in (body.get("environment") or {}).items()}
        self._cwd = str(body.get("cwd") or "/root")
        self._status: int | None = None
        self._tty: Tty | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What the command's environment is, by name."""
        merged = {"HOME": "/root", "LANG": "C.UTF-8", "PATH": PATH, "USER": "root", **self._given}
        return dict(sorted(merged.items()))

    # --- without WebSockets

    def plain(self, *, record: bool) -> Operation:
        """Run it without input, with its output thrown away or recorded."""
        self.recorded = {1: bytearray(), 2: bytearray()} if record else None
        self.operation = self._machine.begin(DESCRIPTION, self.instance.name, self.instance.project)
        self._machine.agenda.later(self._machine.timings.exec, self._begin, self._record, self.command_eof)
        return self.operation

    def _record(self, descriptor: int, data: bytes) -> None:
        if self.recorded is not None:
            self.recorded[descriptor] += data

    def command_eof(self) -> None:
        """End the command's input."""
        if self.command is not None:
            self.command.eof()

    # --- with WebSockets

    def attached(self) -> Operation:
        """Run it once the client's WebSockets are connected."""
        machine = self._machine
        self.operation = machine.begin(DESCRIPTION, self.instance.name, self.instance.project, kind="websocket")
        names = ("0", "control") if self.interactive else ("0", "1", "2", "control")
        self._sockets = Sockets(self.operation.id, names, self._all_connected)
        self.operation.sockets = self._sockets
        self.operation.metadata = {
            "command": self._words,
            "environment": self.environment,
            "fds": self._sockets.secrets,
            "interactive": self.interactive,
        }
        self._expiry = machine.agenda.later(machine.timings.connect_sockets, self._not_connected)
        return self.operation

    def _not_connected(self) -> None:
        self._sockets.hang_up()
        self._machine.operations.fail(self.operation, Failed("Timed out waiting for websockets to connect"))
        self.finished(self)

    def _all_connected(self) -> None:
        self._machine.agenda.cancel(self._expiry)
        self._machine.agenda.later(self._machine.timings.exec, self._begin, self._send, self._listen)

    def _listen(self) -> None:
        sockets = self._sockets.by_name
        sockets["control"].listen(self._control)
        sockets["0"].listen(self._input)
        for name in ("1", "2"):
            if name in sockets:
                sockets[name].listen(lambda _: None)

    def _send(self, descriptor: int, data: bytes) -> None:
        late = self.instance.behaviour.loses
        if late and not self.interactive:
            self._machine.agenda.later(late, self._send_late, descriptor, data)
        else:
            self._send_now(descriptor, data)

    def _send_late(self, descriptor: int, data: bytes) -> None:
        if self._status is None:
            self._send_now(descriptor, data)

    def _send_now(self, descriptor: int, data: bytes) -> None:
        if self._tty is None:
            self._sockets.by_name[str(descriptor)].send(data)
        else:
            self._sockets.by_name["0"].send(self._tty.shown(data))

    def _input(self, data: bytes | str | None) -> None:
        if self.interactive and not data:
            self._terminal_closed(data)
        elif isinstance(data, bytes) and data:
            self._typed(data)
        else:
            # An empty text, or the end of the socket.
            self.command_eof()

    def _typed(self, data: bytes) -> None:
        if self.command is None or self.command.over:
            return
        if self._tty is None:
            self.command.data(data)
        else:
            self._tty.typed(data)

    def _terminal_closed(self, data: bytes | str | None) -> None:
        if data is not None:
            return
        if self._status is not None:
            self._done()
        elif self.command is not None and not self._machine.flavour.terminal_outlives_its_client:
            self.command.signal(SIGHUP)

    def _control(self, message: bytes | str | None) -> None:
        if self.command is None:
            return
        if message is None:
            self.command.signal(SIGKILL)
            return
        try:
            order = json.loads(message)
        except ValueError:
            return
        if order.get("command") == "signal":
            self.command.signal(int(order.get("signal") or 0))
        elif order.get("command") == "window-resize":
            self.operation.sockets.size = order.get("args")

    # --- both

    def _begin(self, output: Callable[[int, bytes], None], then: Callable[[], None]) -> None:
        """Start the command (its :class:`Tty` stands between an interactive one and its socket)."""
        machine, instance = self._machine, self.instance
        if not instance.phase.alive:
            self._end(TERMINATED_BY + SIGKILL)
            return
        if not self._words:
            machine.operations.fail(self.operation, Failed("Failed to retrieve PID of executing child process"))
            self.finished(self)
            return
        machine.tell("instance-exec", instance, context={"command": self._words})
        around = Surroundings(
            clock=self._clock,
            instance=instance,
            environment=self.environment,
            cwd=self._cwd,
            output=output,
            ended=self._end,
            power=machine.power,
        )
        self.command = make(around, self._words)
        if self.command is None:
            then()
            self._end(NOT_FOUND)
            return
        if self.interactive and self.operation.sockets is not None:
            self._tty = Tty(self.command, self._sockets.by_name["0"].send)
        self.command.begin()
        then()

    def killed(self) -> None:
        """End with the container."""
        if self.command is not None:
            self.command.signal(SIGKILL)

    def _end(self, status: int) -> None:
        if self._status is not None:
            return
        self._status = status
        if self.operation.sockets is None:
            self._done()
        elif self.interactive:
            # The operation goes on until the client closes the terminal.
            self._sockets.by_name["control"].hang_up()
            self._sockets.by_name["0"].finish()
            if not self._sockets.by_name["0"].open:
                self._done()
        else:
            for name in ("1", "2"):
                self._sockets.by_name[name].finish()
            self._sockets.hang_up()
            self._done()

    def _done(self) -> None:
        operations = self._machine.operations
        self.finished(self)
        known = self.operation.metadata or {}
        self.operation.metadata = {**known, "return": self._status}
        if self._status == NOT_FOUND and self.command is None:
            operations.fail(self.operation, Failed("Command not found", 400))
        else:
            operations.succeed(self.operation)


class Execs:
    """All executions of a machine, and the outputs that were recorded."""

    def __init__(self, machine: Machine, clock: IReactorTime) -> None:
        self.recorded: dict[tuple[Instance, str], bytes] = {}
        self._machine = machine
        self._clock = clock
        self._running: set[Execution] = set()

    def execute(self, instance: Instance, body: Mapping[str, Any]) -> Operation:
        """Begin a command."""
        if instance.phase is Phase.FROZEN:
            raise ApiError(400, "Instance is frozen")
        if not instance.phase.alive:
            raise ApiError(400, "Instance is not running")
        execution = Execution(self._machine, self._clock, instance, body)
        execution.finished = self._finished
        self._running.add(execution)
        if body.get("wait-for-websocket") is True:
            return execution.attached()
        return execution.plain(record=body.get("record-output") is True)

    def _finished(self, execution: Execution) -> None:
        self._running.discard(execution)
        if execution.recorded is None:
            return
        output = {}
        for descriptor, data in execution.recorded.items():
            name = f"exec_{execution.operation.id}.{'stdout' if descriptor == 1 else 'stderr'}"
            self.recorded[execution.instance, name] = bytes(data)
            where = "logs/exec-output" if self._machine.flavour.outputs_apart else "logs"
            output[str(descriptor)] = f"/1.0/instances/{execution.instance.name}/{where}/{name}"
        execution.operation.metadata = {"output": output}

    # --- as :class:`Insides`

    def began(self, instance: Instance) -> None:
        """See :class:`Insides`."""

    halted = went_on = began

    def ended(self, instance: Instance) -> None:
        """See :class:`Insides`."""
        for execution in tuple(self._running):
            if execution.instance is instance:
                execution.killed()
