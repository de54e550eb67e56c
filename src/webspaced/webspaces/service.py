"""What a member may do with a webspace: the rules behind the HTTP API, free of HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen
from twisted.logger import Logger
from twisted.python.failure import Failure

from webspaced.core.instance import Image, InstanceState, NewInstance
from webspaced.core.user import User
from webspaced.core.webspace import BOOT_PORT_KEY, KEY, USERNAME_KEY, Config, Webspace
from webspaced.errors import Conflict, Invalid, NotFound, RemoteError, Unavailable, WebspacedError
from webspaced.interfaces import IForwards, IInstances, IRoutes
from webspaced.lib.deferreds import shield
from webspaced.lib.keyed import KeyedLock
from webspaced.webspaces.allocator import Allocator
from webspaced.webspaces.documents import Documents
from webspaced.webspaces.power import Power
from webspaced.webspaces.registry import Observed, Registry


@frozen(kw_only=True)
class Rules:
    """What the operator set. ``max_startup_delay`` is in seconds; ``max_ports`` counts forwards per webspace."""

    profile: str
    defaults: Config
    max_startup_delay: float
    max_ports: int


class WebspaceService:
    """Webspaces by user id. Every method raises ``NotFound`` where there is no webspace."""

    log = Logger()

    def __init__(
        self,
        registry: Registry,
        instances: IInstances,
        documents: Documents,
        power: Power,
        allocator: Allocator,
        forwards: IForwards,
        routes: IRoutes,
        rules: Rules,
    ) -> None:
        self.power = power
        self._registry = registry
        self._instances = instances
        self._documents = documents
        self._allocator = allocator
        self._forwards = forwards
        self._routes = routes
        self._rules = rules
        self._existence: KeyedLock[int] = KeyedLock()
        self._leftovers: dict[int, int] = {}
        registry.subscribe(self._sweep)

    async def images(self) -> Sequence[Image]:
        """Give what webspaces can be made of."""
        return await self._instances.images()

    async def read(self, uid: int) -> Webspace:
        """Give a webspace's document."""
        return (await self._documents.present(uid)).webspace

    async def create(self, user: User, image: str) -> Webspace:
        """Create a stopped webspace from an image's alias or fingerprint; ``Conflict`` if the user has one.

        When this fails, nothing of it is left.
        """
        self._documents.check_complete()
        async with self._existence(user.id):
            fingerprint = _find_image(await self._instances.images(), image)
            if await self._exists(user.id):
                message = "the webspace exists already"
                raise Conflict(message)
            with self._allocator.boot_port() as boot_port:
                webspace = Webspace(user=user.id, config=self._rules.defaults)
                await self._create(user, fingerprint, webspace, boot_port)
            # Whoever opens the page upon our answer shall not be told that there is none.
            await self._routes.settled(user.id)
            return webspace

    async def _exists(self, uid: int) -> bool:
        if uid in self._registry.away:
            return True
        try:
            # Asked by name: an instance that is there but cannot be read as a webspace is in the way, too.
            await self._instances.get(self._registry.name_of(uid))
        except NotFound:
            return False
        return True

    async def _create(self, user: User, fingerprint: str, webspace: Webspace, boot_port: int) -> None:
        new = NewInstance(
            name=self._registry.name_of(user.id),
            fingerprint=fingerprint,
            profile=self._rules.profile,
            config={KEY: webspace.dump(), USERNAME_KEY: user.username, BOOT_PORT_KEY: str(boot_port)},
        )
        try:
            await self._instances.create(new)
        except Exception:
            await self._undo_creation(user.id, boot_port)
            raise
        if await self._registry.look(user.id) is None:
            message = "LXD created the webspace, and it is gone again"
            raise RemoteError(message, 404)

    async def _undo_creation(self, uid: int, boot_port: int) -> None:
        """Remove what a failed creation left, known as this creation's by its boot port, which is nobody else's."""
        try:
            left = await self._registry.look(uid)
            if left is not None and left.boot_port == boot_port:
                await self._instances.delete(left.name)
                await self._registry.look(uid)
        except WebspacedError:
            # The first failure is the one to report. What is left is removed when LXD shows it again.
            self._leftovers[uid] = boot_port
            seen = self._registry.get(uid)
            if seen is not None and seen.boot_port == boot_port:
                # An event told of it before LXD went away: nothing would be new of it then.
                self._registry.forget(uid)

    def _sweep(self, uid: int) -> None:
        observed = self._registry.get(uid)
        if uid in self._leftovers and observed is not None and self._leftovers[uid] == observed.boot_port:
            del self._leftovers[uid]
            # Not from within the registry's own notice.
            shield(self._remove_leftover(uid)).addErrback(self._not_removed, uid)

    async def _remove_leftover(self, uid: int) -> None:
        self.log.info("webspace {uid} is what a failed creation left, and is removed", uid=uid)
        await self.delete(uid)

    def _not_removed(self, failure: Failure, uid: int) -> None:
        self.log.warn("webspace {uid} could not be removed: {error}", uid=uid, error=failure.getErrorMessage())

    async def delete(self, uid: int) -> None:
        """Delete a webspace, whether it runs or not: visitors first, then the container."""
        async with self._existence(uid), self.power.for_deletion(uid) as observed:
            await self.power.remove(observed)
            await self._registry.look(uid)

    async def state(self, uid: int) -> tuple[Observed, InstanceState]:
        """Give a webspace and its run state as LXD tells it now."""
        observed = await self._documents.present(uid)
        try:
            return observed, await self._instances.state(observed.name)
        except RemoteError as error:
            # As Incus does until it is done with a container's end.
            message = f"LXD cannot tell the webspace's state now: {error}"
            raise Unavailable(message) from error

    async def set_config(self, uid: int, patch: Mapping[str, object]) -> Config:
        """Change some of the Config and give the **old** one, once visitors are served by the new one.

        ``Invalid`` names what is wrong.
        """
        bound = self._rules.max_startup_delay

        def changed(webspace: Webspace) -> Webspace:
            config = webspace.config.patched(patch, max_startup_delay=bound)
            return webspace.with_config(config)

        old = (await self._documents.change(uid, changed)).config
        await self._routes.settled(uid)
        return old

    async def add_port(self, uid: int, external: int, internal: int) -> None:
        """Forward an external port; ``Invalid`` outside the range or past the bound, ``Conflict`` if it is taken."""
        if external not in self._allocator.external:
            ports = self._allocator.external
            message = f"external ports are {ports.start} to {ports.stop - 1}"
            raise Invalid(message)
        await self._documents.present(uid)
        self._documents.check_all_seen()
        with self._allocator.external_port(external, uid):
            await self._forward(uid, external, internal)

    async def add_random_port(self, uid: int, internal: int) -> int:
        """Forward a random free external port and give it; it is bound before it is written to LXD."""
        await self._documents.present(uid)
        for external in self._allocator.free_external_ports():
            try:
                await self.add_port(uid, external, internal)
            except Conflict:
                # Somebody on this machine has that port: the next one.
                continue
            return external
        message = "no external port is free"
        raise Conflict(message)

    async def _forward(self, uid: int, external: int, internal: int) -> None:
        self._forwards.reserve(external)
        try:
            await self._documents.change(uid, lambda webspace: self._with_port(webspace, external, internal))
        finally:
            # Does nothing where the webspace has it now.
            self._forwards.unreserve(external)

    def _with_port(self, webspace: Webspace, external: int, internal: int) -> Webspace:
        if len(webspace.ports) >= self._rules.max_ports:
            message = f"a webspace has at most {self._rules.max_ports} forwarded ports"
            raise Invalid(message)
        return webspace.with_port(external, internal)

    async def remove_port(self, uid: int, external: int) -> None:
        """Stop forwarding an external port; ``NotFound`` if the webspace does not have it."""

        def changed(webspace: Webspace) -> Webspace:
            if external not in webspace.ports:
                message = f"port {external} is not forwarded to this webspace"
                raise NotFound(message)
            return webspace.without_port(external)

        await self._documents.change(uid, changed)


def _find_image(images: Sequence[Image], wanted: str) -> str:
    for image in images:
        if wanted == image.fingerprint or any(wanted == name for name, _ in image.aliases):
            return image.fingerprint
    message = f"there is no image {wanted!r}"
    raise NotFound(message)
