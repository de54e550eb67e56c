"""How visitors are led to webspaces."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from twisted.internet.defer import Deferred
from zope.interface import Interface

from webspaced.core.forward import Forward
from webspaced.core.routes import Route

# ruff: noqa: N805
# (zope.interface: methods have no self)


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
