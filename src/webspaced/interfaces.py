"""What the rooms ask of each other. Each interface belongs to those who call it.

All coroutines may raise :class:`webspaced.errors.WebspacedError`; those that talk to LXD raise ``Unavailable`` while LXD is
away, ``DeadlineExceeded`` when it does not answer in time and ``RemoteError`` for its errors. Cancelling one gives the call
up; whether LXD goes on with what was asked is said where it matters.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IPushProducer
from zope.interface import Attribute, Interface

from webspaced.core.address import Endpoint
from webspaced.core.command import Bounds, Command, Completed, Size
from webspaced.core.creation import Progress
from webspaced.core.forward import Forward
from webspaced.core.instance import Image, Instance, InstanceState, NewInstance
from webspaced.core.lease import Claim
from webspaced.core.ownership import Lease
from webspaced.core.probing import Ask
from webspaced.core.routes import Route
from webspaced.core.user import Caller, User
from webspaced.core.waiting import Phase

# ruff: noqa: N805
# (zope.interface: methods have no self, and the class docstring of each interface speaks for short ones)


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

    async def is_busy(name: str) -> bool:
        """Whether LXD carries out an operation on an instance now."""

    async def others_work(name: str) -> str:
        """Give what LXD carries out on an instance for others than us now, in its words and short; empty if nothing.

        Commands and consoles do not count.
        """

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

    async def resume(name: str) -> None:
        """Thaw a frozen instance."""

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


class IBootGate(Interface):
    """The one waist: whoever needs a webspace to run waits here (design decision 2)."""

    def ready(uid: int, port: int, asks: Ask = Ask.CONNECTION) -> Deferred[Endpoint]:
        """Wake the webspace if it sleeps and give the endpoint once the port answers.

        One boot and one probe serve all who wait; each has its own Deferred, and cancelling it lets only that one go.
        ``asks``: what counts as an answer, beside that it accepts; what says "not yet" is waited for, at most the webspace's
        ``startupDelay``.
        Fails with ``NotFound``, ``Refused`` (says until when), ``BootFailed``, ``PortSilent`` or ``Unavailable``.
        """

    def ready_now(uid: int, port: int, asks: Ask = Ask.CONNECTION) -> Endpoint | None:
        """Give the endpoint if the webspace runs and that port is known to answer, else ``None``; wakes nobody."""

    async def suspect(uid: int, endpoint: Endpoint, *, refused: bool, asks: Ask = Ask.CONNECTION) -> None:
        """Say that a ready endpoint did not answer: LXD is asked again what runs there.

        If it is as it was and the port *refused*, its readiness drops; a port that said nothing may just be busy.
        """


class IWakeLook(Interface):
    """What a visit would set going."""

    def wakes(uid: int) -> bool:
        """Whether a visit now would cause a boot: the webspace sleeps, may be woken, and nobody else wakes it already."""

    def phase(uid: int) -> Phase:
        """Give how far the boot is that is under way."""


class IPortLook(Interface):
    """Finding out whether ports answer, where nobody visits."""

    async def look_at(uid: int, port: int, asks: Ask = Ask.CONNECTION) -> None:
        """Find that out of a running webspace, for all who ask later; errors as of :meth:`IBootGate.ready`. Wakes nobody."""


class IRoutes(Interface):
    """What the webspaces' rules ask of the reconciler."""

    def settled(uid: int) -> Deferred[None]:
        """Fire once visitors can no longer be on their way to a backend that the wanted route does not name.

        Where that cannot be written it fires all the same, after a while.
        """

    def led_away(uid: int) -> Deferred[None]:
        """Do the same; fails with ``Unavailable`` where it cannot be written, so that they still are on their way there."""


class IRouteStore(Interface):
    """Where routes are kept for Traefik to read (a provider of Traefik's). The reconciler decides, this stores."""

    async def load() -> Mapping[str, Route]:
        """Give the routes that are published now, by name; what cannot be read counts as absent.

        Before anything else; ``Unavailable`` if the store cannot be reached.
        """

    async def apply(put: Mapping[str, Route], remove: Sequence[str]) -> int | None:
        """Write all of this as one change. Idempotent: after a failure the same difference is tried again.

        Done when Traefik will take it up within the settle time. A store that cannot tell does not wait.
        Called with nothing at the start: what is there is then renewed if this version would write it differently.

        Gives the generation that tells of it, by which :class:`ITraefik` can be asked; ``None`` if none does.
        ``PartlyWritten`` names those that were not taken where all others were: what one has is no reason for the others.
        """

    async def differs() -> Collection[str] | None:
        """Look whether what is published is what was written here: ``None`` if so.

        Else the names that others lost, changed or added: they are given to :meth:`apply` again, if only to remove them.
        """

    def watch(differ: Callable[[Collection[str]], None]) -> None:
        """Call ``differ(names)`` as soon as that is noticed, once loaded; a store that cannot notice leaves it at that.

        Called with no names, too, when a store is back that could not be written.
        """

    async def stop() -> None:
        """Watch no more and end connections. What is published stays."""


class ITraefik(Interface):
    """Whoever reads what is stored, asked what of it is in effect."""

    async def has(generation: int) -> bool | None:
        """Whether a generation is in effect; ``None`` if that cannot be asked. It is answered within a second."""

    async def has_any() -> bool | None:
        """Whether routes of webspaced's are in effect, whichever; ``None`` if that cannot be told."""


class IRouteDocument(Interface):
    """The routes as a document, where Traefik fetches them from webspaced."""

    def fetch() -> bytes | None:
        """Give the document, which Traefik has from now on; ``None`` while the routes are not known."""

    def close() -> None:
        """Say that nobody can fetch any more."""


class ILease(Interface):
    """What only one of several daemons can hold (:mod:`webspaced.core.lease`). Neither call waits for its turn."""

    async def read() -> Claim | None:
        """Give what is written; ``None`` if nothing is yet."""

    async def write(holder: str, over: Claim | None) -> Claim:
        """Write a renewal (or, with no ``holder``, the end) over what was read or written last, and give what is there now.

        ``Changed`` if somebody wrote since. It may have been written even if the answer is lost.
        """


class ILeaderMark(Interface):
    """What leads others to the daemon that leads."""

    async def show(instead_of: str = "") -> None:
        """Lead everybody here, and nobody any more to the one that held the lease before. Idempotent."""

    async def hide() -> None:
        """Lead nobody here. Idempotent."""


class IForwards(Interface):
    """The listeners for forwarded ports, as the webspaces' rules need them."""

    def reserve(port: int) -> None:
        """Bind an external port ahead of its being written to LXD; ``Conflict`` if it cannot be bound."""

    def unreserve(port: int) -> None:
        """Let go of a reserved port, if no webspace has it."""


class IListeners(Interface):
    """The listeners for forwarded ports and boot ports, as the reconciler keeps them."""

    def want_forwards(uid: int, forwards: Mapping[int, Forward]) -> None:
        """Make a webspace's forwards these, by external port."""

    def want_boot_port(uid: int, port: int | None) -> None:
        """Make this a webspace's boot port; ``CannotListenError`` if it cannot be bound."""

    def cut_relayed(uid: int) -> None:
        """Reset what is relayed to a container that is gone."""

    def retry() -> None:
        """Try again what could not be bound."""


class IExposure(Interface):
    """What leads visitors from outside to the forwarded ports: a load balancer's list of them."""

    def want(uid: int, ports: Collection[int]) -> None:
        """Make these the external ports of a webspace. Written soon, and again until that works."""

    def open() -> None:
        """Begin to write: what is wanted is complete now."""

    def check() -> None:
        """Look whether it is still as it was written, and mend it."""

    def suspend() -> None:
        """Give up what is being written: another daemon may be writing soon. :meth:`check` goes on."""

    async def close() -> None:
        """Write no more."""


class IIdentity(Interface):
    """The IAM service: who is calling, and who is meant."""

    async def authenticate(token: str) -> Caller:
        """Give who holds the token; ``Unauthenticated`` if malformed, ``Forbidden`` if refused, ``Unavailable``."""

    async def by_username(username: str, caller: Caller) -> User:
        """Give a user by name on behalf of a caller; ``NotFound``, ``Forbidden``, ``Unavailable``."""

    async def by_id(uid: int) -> User:
        """Give a user by id; ``NotFound``, ``Unavailable``."""


class IDomainRecords(Interface):
    """The domain name system, as the proof of a domain needs it."""

    async def texts(domain: str) -> Sequence[str]:
        """Give the texts of a domain's TXT records, none if it has none or does not exist; ``Unavailable``."""


__all__ = [
    "IBootGate",
    "IDomainRecords",
    "IEventListener",
    "IExposure",
    "IForwards",
    "IIdentity",
    "IInsides",
    "IInstances",
    "ILeaderMark",
    "ILease",
    "ILeases",
    "IListeners",
    "IPortLook",
    "IRouteDocument",
    "IRouteStore",
    "IRoutes",
    "ITerminal",
    "IWakeLook",
]
