"""The console of a container: a terminal that nobody reads, its log, and who is attached (``/console``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webspaced.testing.lxd.errors import ApiError, Failed
from webspaced.testing.lxd.machine import Machine
from webspaced.testing.lxd.operations import Operation
from webspaced.testing.lxd.sockets import Sockets
from webspaced.testing.lxd.things import Instance

BUSY = b'Error: Failed running forkconsole: "attaching to the container failed"\n'
GONE = "write /dev/pts/ptmx: file already closed"


class Consoles:
    """The consoles of a machine's containers: each shows what is typed, as the kernel does where no getty runs."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._attached: dict[Instance, tuple[Operation, Sockets]] = {}

    def write(self, instance: Instance, data: bytes) -> None:
        """Let something inside write on the console."""
        if instance.log is not None:
            instance.log += data
        if instance in self._attached:
            self._attached[instance][1].by_name["0"].send(data)

    def attach(self, instance: Instance, body: Mapping[str, Any]) -> Operation:
        """Begin to show the console."""
        machine = self._machine
        if not instance.phase.alive:
            raise ApiError(400, "Instance is not running")
        other = self._attached.get(instance)
        if other is not None and machine.flavour.one_console:
            if body.get("force") is not True:
                raise ApiError(500, "This console is already connected. Force is required to take it over.")
            self._let_go(instance, *other)
            other = None
        may_cancel = machine.flavour.one_console
        operation = machine.begin(
            "Showing console", instance.name, instance.project, kind="websocket", may_cancel=may_cancel
        )
        busy = other is not None
        ready = lambda: self._connected(instance, operation, busy=busy)  # noqa: E731
        sockets = Sockets(operation.id, ("0", "control"), ready, greets=False)
        operation.sockets = sockets
        operation.metadata = {"fds": sockets.secrets}
        if not busy:
            self._attached[instance] = (operation, sockets)
            operation.on_cancel = lambda: self._let_go(instance, operation, sockets)
        return operation

    def _connected(self, instance: Instance, operation: Operation, *, busy: bool) -> None:
        sockets = operation.sockets
        self._machine.tell("instance-console", instance, context={"type": "console"})

        def typed(data: bytes | str | None) -> None:
            if data is None:
                self._let_go(instance, operation, sockets)
            elif isinstance(data, bytes) and not busy:
                self.write(instance, data.replace(b"\n", b"\r\n"))

        sockets.by_name["0"].listen(typed)
        sockets.by_name["control"].listen(lambda _: None)
        if busy:
            sockets.by_name["0"].send(BUSY)
            sockets.by_name["0"].finish()

    def _let_go(self, instance: Instance, operation: Operation, sockets: Sockets) -> None:
        if self._attached.get(instance, (None,))[0] is operation:
            del self._attached[instance]
        sockets.hang_up()
        if self._machine.flavour.one_console:
            self._machine.operations.succeed(operation)
        else:
            # LXD calls this a failure.
            self._machine.operations.fail(operation, Failed(GONE))

    # --- the log

    def log(self, instance: Instance) -> bytes:
        """Give what is on the console's log, and was not given yet."""
        if not instance.log and not self._machine.flavour.one_console:
            raise ApiError(500, "open : no such file or directory")
        shown = bytes(instance.log or b"")
        if instance.log is not None:
            instance.log.clear()
        return shown

    def clear(self, instance: Instance) -> None:
        """Empty the log."""
        if instance.log is None:
            raise ApiError(404, f"stat {instance.name}/console.log: no such file or directory")
        instance.log.clear()

    # --- as :class:`Insides`

    def began(self, instance: Instance) -> None:
        """See :class:`Insides`."""

    halted = went_on = began

    def ended(self, instance: Instance) -> None:
        """See :class:`Insides`. Who is attached sees the end, and has to let go itself."""
        if instance in self._attached:
            self._attached[instance][1].by_name["0"].finish()
