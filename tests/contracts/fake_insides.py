"""What goes on inside the fake LXD's containers: a verified fake of what :class:`IInsides` says of commands and files.

The commands are the simulator's, the containers the :class:`FakeInstances`'s. ``contracts/inside.py`` runs on this, on the
simulator, and on the real servers.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from tests.contracts.fake_instances import Container, FakeInstances
from tests.unit.timing import Time
from webspaced.core.command import Bounds, Command, Completed, Size
from webspaced.core.instance import Status
from webspaced.errors import DeadlineExceeded, NotFound, OutputTooLarge, RemoteError, Unavailable
from webspaced.interfaces import IInsides
from webspaced.lib.deferreds import sleep
from webspaced.testing.lxd.command import Surroundings
from webspaced.testing.lxd.commands import NOT_FOUND, make
from webspaced.testing.lxd.errors import ApiError
from webspaced.testing.lxd.files import furnish, push
from webspaced.testing.lxd.things import Instance
from webspaced.testing.lxd.timings import Behaviour

REQUEST = 0.015
SIGKILL = 9


class _Run:
    """One command."""

    def __init__(self, inside: Instance, clock: Time, command: Command, most: int) -> None:
        self.ended: Deferred[Completed] = Deferred(lambda _: self.kill())
        self.output = {1: b"", 2: b""}
        self._most = most
        around = Surroundings(
            clock=clock,
            instance=inside,
            environment=dict(command.environment),
            cwd=command.directory or "/root",
            output=self._said,
            ended=self._end,
            power=None,
        )
        self.running = make(around, command.argv)
        if self.running is None:
            self._end(NOT_FOUND)
            return
        self.running.begin()
        if command.stdin and not self.running.over:
            self.running.data(command.stdin)
        if not self.running.over:
            self.running.eof()

    def _said(self, descriptor: int, data: bytes) -> None:
        self.output[descriptor] += data
        if sum(map(len, self.output.values())) > self._most and not self.ended.called:
            self.ended.errback(OutputTooLarge(f"more than {self._most} bytes"))
            self.kill()

    def kill(self) -> None:
        if self.running is not None:
            self.running.signal(SIGKILL)

    def _end(self, status: int) -> None:
        if not self.ended.called:
            self.ended.callback(Completed(code=status, stdout=self.output[1], stderr=self.output[2]))


@implementer(IInsides)
class FakeInsides:
    """See the module. ``commands`` has all that were run; ``behaviour`` is of containers not yet looked into."""

    def __init__(self, clock: Time, lxd: FakeInstances) -> None:
        self.behaviour = Behaviour()
        self.commands: list[Command] = []
        self.running: set[Deferred[Any]] = set()
        self.system = "debian"
        self._clock = clock
        self._lxd = lxd
        self._insides: dict[int, tuple[Container, Instance]] = {}
        lxd.on_away.append(self._away)

    def of(self, name: str) -> Instance:
        """Give what is inside a container: files, passwords, programs."""
        container = self._lxd.containers[name]
        _, inside = self._insides.get(id(container), (None, None))
        if inside is None:
            address: Any = container.address
            inside = Instance(
                name=name,
                project="default",
                behaviour=self.behaviour,
                address=address,
                created_at="",
                profiles=[],
                config={"image.os": self.system},
            )
            furnish(inside)
            self._insides[id(container)] = (container, inside)
        inside.up_at = container.up_at
        return inside

    async def run(self, name: str, command: Command, bounds: Bounds) -> Completed:
        self.commands.append(command)
        await self._asked(name, running=True)

        def late(_result: object, seconds: float) -> Any:
            raise DeadlineExceeded(f"the command took longer than {seconds:g} s")

        ended = _Run(self.of(name), self._clock, command, bounds.output).ended
        self.running.add(ended)
        try:
            return await ended.addTimeout(bounds.seconds, self._clock, late)
        finally:
            self.running.discard(ended)

    async def push_file(self, name: str, path: str, contents: bytes, mode: int) -> None:
        await self._push(name, path, contents, "file", mode)

    async def push_directory(self, name: str, path: str, mode: int) -> None:
        await self._push(name, path, b"", "directory", mode)

    async def _push(self, name: str, path: str, contents: bytes, kind: str, mode: int) -> None:
        await self._asked(name, running=False)
        headers = {"type": kind, "mode": f"{mode:04o}", "uid": "0", "gid": "0"}
        try:
            push(self.of(name), path, contents, lambda header: headers.get(header, ""))
        except ApiError as error:
            raise (NotFound(error.text) if error.code == 404 else RemoteError(error.text, error.code)) from error

    async def _asked(self, name: str, *, running: bool) -> None:
        if self._lxd.away:
            raise Unavailable("LXD cannot be reached", 2.0)
        await sleep(self._clock, REQUEST)
        if self._lxd.away:
            raise Unavailable("LXD cannot be reached", 2.0)
        container = self._lxd.containers.get(name)
        if container is None:
            raise NotFound("Instance not found")
        if running and container.status is not Status.RUNNING:
            raise RemoteError("Instance is not running", 400)

    def _away(self) -> None:
        for each in tuple(self.running):
            if not each.called:
                each.errback(Unavailable("LXD cannot be reached", 2.0))

    async def attach(self, name: str, command: Command, size: Size, screen: Any) -> Any:
        raise NotImplementedError

    async def console(self, name: str, size: Size, screen: Any) -> Any:
        raise NotImplementedError

    async def console_log(self, name: str) -> bytes:
        await self._asked(name, running=False)
        log = self.of(name).log
        return bytes(log or b"")

    async def clear_console_log(self, name: str) -> None:
        await self._asked(name, running=False)
        log = self.of(name).log
        if log is not None:
            log.clear()
