"""Who waits for webspaces, who is connected to them, and whether there is room."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from zope.interface import Interface

from webspaced.core.address import Endpoint
from webspaced.core.probing import Ask
from webspaced.core.waiting import Phase

# ruff: noqa: N805
# (zope.interface: methods have no self)


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
        """Whether a visit now would wake it: the webspace sleeps or dozes, may be woken, and nobody else does so already."""

    def boots(uid: int) -> bool:
        """Whether that would be a boot: one that dozes only has to be thawed."""

    def phase(uid: int) -> Phase:
        """Give how far the boot is that is under way."""


class IPortLook(Interface):
    """Finding out whether ports answer, where nobody visits."""

    async def look_at(uid: int, port: int, asks: Ask = Ask.CONNECTION) -> None:
        """Find that out of a running webspace, for all who ask later; errors as of :meth:`IBootGate.ready`. Wakes nobody."""


class IVisitors(Interface):
    """Who is connected to webspaces through webspaced, as their sleep needs it."""

    def quiet(uid: int) -> float:
        """Give for how many seconds nobody has said anything; infinite if nobody is here, 0 while an answer is awaited."""

    def watch(uid: int, stirred: Callable[[], None] | None) -> None:
        """Call this whenever somebody who is here says something; ``None``: no more."""


class IRoom(Interface):
    """Whether one more webspace may be started, where memory is short."""

    async def enter(uid: int) -> None:
        """Wait until a webspace may be started, first come, first served; ``Refused`` after a while."""

    def keep(uid: int) -> None:
        """Let a webspace that is stopped to be started again have its place meanwhile, until :meth:`leave`."""

    def leave(uid: int) -> None:
        """Say that the start is over: whatever runs now is in the registry."""
