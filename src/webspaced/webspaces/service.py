"""What a member may do with a webspace: the rules behind the HTTP API, free of HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from webspaced.core.config import Choices, Config
from webspaced.core.creation import wishes
from webspaced.core.forward import Forward
from webspaced.core.instance import Image, InstanceState
from webspaced.core.user import User
from webspaced.core.webspace import Webspace
from webspaced.errors import RemoteError, Unavailable
from webspaced.interfaces import IInstances, IRoutes
from webspaced.lib.keyed import Coalesced
from webspaced.webspaces.creation import Creator
from webspaced.webspaces.documents import Documents
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.ports import Ports
from webspaced.webspaces.power import Power
from webspaced.webspaces.registry import Registry


class WebspaceService:
    """Webspaces by user id. Every method raises ``NotFound`` where there is no webspace."""

    def __init__(
        self,
        registry: Registry,
        instances: IInstances,
        documents: Documents,
        power: Power,
        creator: Creator,
        ports: Ports,
        routes: IRoutes,
        choices: Choices,
    ) -> None:
        self.power = power
        self.creator = creator
        self._registry = registry
        self._instances = instances
        self._documents = documents
        self._ports = ports
        self._routes = routes
        self._choices = choices
        self._states: Coalesced[str, InstanceState] = Coalesced(instances.state)

    def follow(self, choices: Choices, ports: int) -> None:
        """Let members choose by these rules, and have so many forwards, from now on."""
        self._choices, self._ports.most = choices, ports

    async def images(self) -> Sequence[Image]:
        """Give what webspaces can be made of, as it was a moment ago at most."""
        return await self.creator.images.all()

    async def read(self, uid: int) -> Webspace:
        """Give a webspace's document."""
        return (await self._documents.present(uid)).webspace

    async def create(self, user: User, image: str, password: str | None = None, *, ssh: bool = False) -> Webspace:
        """Create a stopped webspace from an image's alias or fingerprint; ``Conflict`` if the user has one.

        With root's ``password`` if one is given, and with an SSH server that takes the account's key and a forward to it if
        wanted. When this fails, nothing of it is left. ``Invalid`` says what cannot be had, ``SetUpFailed`` what failed.
        """
        return await self.creator.create(user, wishes(user, image, password, ssh=ssh))

    async def delete(self, uid: int, *, by_admin: bool = False) -> None:
        """Delete a webspace, whether it runs or not: visitors first, then the container.

        ``Forbidden`` where an admin has suspended it and no admin asks: a new one in its place would not be suspended.
        """
        self.creator.check_idle(uid)
        async with self.creator.existence(uid), self.power.for_deletion(uid, by_admin=by_admin) as observed:
            await self.power.remove(observed)
            await self._registry.look(uid)

    async def state(self, uid: int) -> tuple[Observed, InstanceState]:
        """Give a webspace and its run state as LXD tells it now."""
        observed = await self._documents.present(uid)
        try:
            # However many ask at once, LXD is asked once, or once more for those who came meanwhile.
            return observed, await self._states.request(observed.name)
        except RemoteError as error:
            # As Incus does until it is done with a container's end.
            message = f"LXD cannot tell the webspace's state now: {error}"
            raise Unavailable(message) from error

    async def set_config(self, uid: int, patch: Mapping[str, object]) -> Config:
        """Change some of the Config and give the **old** one, once visitors are served by the new one.

        ``Invalid`` names what is wrong.
        """
        def changed(webspace: Webspace) -> Webspace:
            return webspace.with_config(webspace.config.patched(patch, self._choices))

        old = (await self._documents.change(uid, changed)).config
        await self._routes.settled(uid)
        return old

    async def add_port(self, uid: int, external: int, forward: Forward) -> None:
        """Forward an external port; see :meth:`Ports.add`."""
        await self._ports.add(uid, external, forward)

    async def add_random_port(self, uid: int, forward: Forward) -> int:
        """Forward a random free external port and give it; see :meth:`Ports.add_random`."""
        return await self._ports.add_random(uid, forward)

    async def change_port(self, uid: int, external: int, changes: Mapping[str, Any]) -> None:
        """Set something else of a forward; see :meth:`Ports.change`."""
        await self._ports.change(uid, external, changes)

    async def remove_port(self, uid: int, external: int) -> None:
        """Stop forwarding an external port; ``NotFound`` if the webspace does not have it."""
        await self._ports.remove(uid, external)
