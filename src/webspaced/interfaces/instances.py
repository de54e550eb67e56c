"""LXD's instances, and the machine that they run on, as webspaces need them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IPushProducer
from zope.interface import Attribute, Interface

from webspaced.core.command import Bounds, Command, Completed, Size
from webspaced.core.creation import Progress
from webspaced.core.instance import Image, Instance, InstanceState, NewInstance
from webspaced.core.ownership import Lease
from webspaced.core.room import Memory
from webspaced.core.sleep import Usage

# ruff: noqa: N805
# (zope.interface: methods have no self)


class IInstances(Interface):
    """LXD's instances, as webspaces need them. Operations are waited for; names are within one LXD project."""

    async def list_all() -> Sequence[Instance]:
        """Give every instance of the project, without ETags."""

    async def go_through(told: Callable[[Instance], None]) -> None:
        """Tell every instance of the project, without its ETag, while the list comes in: it may be long.

        What ``told`` raises ends it, and is raised.
        """

    async def go_through_others(told: Callable[[Instance], None]) -> None:
        """Tell every instance of all other projects that may be seen."""

    async def others_work(name: str, *, sessions: bool = False) -> str:
        """Give what LXD carries out on an instance for others than us now, in its words and short; empty if nothing.

        Commands and consoles do not count, unless ``sessions`` are asked for, too.
        """

    async def has_snapshots(name: str) -> bool:
        """Whether an instance has snapshots; ``NotFound`` if there is none."""

    async def get(name: str) -> Instance:
        """Give one instance with its ETag; ``NotFound`` if there is none."""

    async def state(name: str, project: str = "") -> InstanceState:
        """Give run state, addresses and counters, also of another project's instance; ``NotFound`` if there is none."""

    async def images() -> Sequence[Image]:
        """Give the images that a webspace can be made of."""

    async def create(new: NewInstance, told: Callable[[Progress], None] | None = None) -> None:
        """Create a stopped instance. When this fails or is cancelled, the operation is cancelled too where LXD can.

        ``told`` hears every now and then how far it is, if that takes a while; it must not raise.
        """

    async def start(name: str) -> None:
        """Start; one that runs already, or that LXD is still stopping, is a ``RemoteError``."""

    async def stop(name: str, timeout: float, *, force: bool) -> None:
        """Stop, gracefully within ``timeout`` seconds unless forced; past it a ``RemoteError``, and it still runs."""

    async def freeze(name: str) -> None:
        """Halt its processes, memory kept; one that does not run, or is frozen already, is a ``RemoteError``."""

    async def resume(name: str) -> None:
        """Thaw a frozen instance."""

    async def usages(nic: str) -> Mapping[str, Usage]:
        """Give what the running and frozen containers have used, by name: one request for all of them.

        Whoever has no such NIC, or of whom something is not told, is left out.

        LXD tells the same for up to 8 seconds, and in a cluster only of one member's. ``NotFound`` or ``RemoteError``
        where it does not tell at all.
        """

    async def memory(location: str) -> Memory:
        """Give the memory of a machine that runs containers: a cluster member's, or ``none`` without a cluster."""

    async def delete(name: str) -> None:
        """Delete a stopped instance."""

    async def configure(name: str, changes: Mapping[str, str], etag: str) -> None:
        """Set configuration keys; ``Changed`` if the instance is no longer the one that was read."""

    async def give_devices(name: str, devices: Mapping[str, Mapping[str, str]], etag: str) -> None:
        """Give an instance devices of its own, beside those that it has; errors as of :meth:`configure`."""


class ILeases(Interface):
    """Which addresses the DHCP server of the webspaces' network gave to whom."""

    async def leases() -> Sequence[Lease]:
        """Give all that are valid now; ``Unavailable``, ``RemoteError``, ``DeadlineExceeded``, ``NotFound``."""


class IInsides(Interface):
    """What goes on inside instances: commands, terminals, files. All but the console's log need a running instance."""

    async def run(name: str, command: Command, bounds: Bounds) -> Completed:
        """Run a command to its end.

        One that cannot be started ends with the shell's 126 or 127. ``OutputTooLarge`` and ``DeadlineExceeded`` past a
        bound; then, and when this is cancelled, the command is killed.
        """

    async def push_file(name: str, path: str, contents: bytes, mode: int) -> None:
        """Write a file of root's, mode ``mode`` if it is new; its directory must exist."""

    async def push_directory(name: str, path: str, mode: int) -> None:
        """Make a directory of root's; one that exists is left as it is."""

    async def attach(name: str, command: Command, size: Size, screen: IConsumer) -> Any:
        """Run a command in a terminal that shows on ``screen``, and give its :class:`ITerminal`; errors as of ``run``."""

    async def console(name: str, size: Size, screen: IConsumer) -> Any:
        """Show the instance's console on ``screen`` and give its :class:`ITerminal`. It takes over from who was there."""

    async def console_log(name: str) -> bytes:
        """Give what the console showed since the start, as far as it was not given or cleared before."""

    async def clear_console_log(name: str) -> None:
        """Empty the console's log; done as well if there is none."""


class ITerminal(Interface):
    """A terminal in an instance: a consumer of what is typed, and the producer of the screen that it was opened with."""

    ended = Attribute("A Deferred of the exit code, 0 for a console; fails with ``Unavailable`` if LXD goes away.")

    def write(data: bytes) -> None:
        """Type."""

    def registerProducer(producer: IPushProducer, streaming: bool) -> None:
        """Pause and resume who types, as LXD keeps up."""

    def unregisterProducer() -> None:
        """Pause and resume nobody any more."""

    def resize(size: Size) -> None:
        """Change the terminal's size."""

    def signal(number: int) -> None:
        """Send a signal to the command."""

    def close() -> None:
        """Hang up; a command that still runs is killed."""


class IEventListener(Interface):
    """Who wants to know that something happened in LXD. An event is only a hint to look."""

    def connected() -> Deferred[Any]:
        """Subscribed anew: events in between are lost, so list everything. A failure is logged and tried again."""

    def happened(name: str) -> None:
        """Look at this instance (called for both names of a rename)."""

    def disconnected(reason: str) -> None:
        """No event comes until :meth:`connected`."""


class IHostKernel(Interface):
    """The machine that runs the containers, where webspaced runs on it, too."""

    def received() -> Mapping[str, int]:
        """Give how many packets were sent into containers, by the names of their NICs on this machine; none elsewhere."""

    def segments(pid: int) -> int | None:
        """Give how many TCP segments a container got, ``None`` where that cannot be known. Cheap; see :meth:`has_unread`."""

    def forwarded(pid: int) -> int | None:
        """Give how many packets a container has passed on, such as to containers within; ``None`` where that is not known.

        Cheap, too. :meth:`has_unread` knows nothing of their connections.
        """

    def has_unread(pid: int) -> Deferred[bool]:
        """Whether somebody waits for the processes of a container to read what was said on a TCP connection, or accept one.

        ``True`` where that cannot be known. It takes the kernel some 10 ms, however few connections there are: it goes
        through those of the whole machine. So this is one at a time, beside the reactor.

        :param pid: of the container's first process.
        """

    def memory_pressure() -> float:
        """Give in percent for how much of the last ten seconds something waited for memory; 0 where that is not known."""
