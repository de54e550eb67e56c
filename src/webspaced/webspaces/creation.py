"""Creating webspaces: made by LXD, set up inside if that is wanted, and only then there for anybody.

From its first moment a new instance has a marker in LXD (``CREATING_KEY``), which goes with the last write. What has it is
not served, not woken and not to be changed; what has it and is created by nobody, after a restart of LXD or of webspaced,
is removed. So nothing half-made ever looks finished, and no other memory of creations is needed.

A snapshot that was taken within a creation has the marker, too, and restored it would look unfinished: what has snapshots,
or a marker of long ago, is never removed unasked. It is not served either, and has a condition.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from attrs import evolve, frozen
from twisted.logger import Logger
from twisted.python.failure import Failure

from webspaced.core import ssh
from webspaced.core.config import Config
from webspaced.core.creation import Step, Wishes, is_recent, marker
from webspaced.core.instance import Image, NewInstance
from webspaced.core.user import User
from webspaced.core.webspace import BOOT_PORT_KEY, CREATING_KEY, KEY, USERNAME_KEY, Webspace
from webspaced.errors import Conflict, NotFound, RemoteError, WebspacedError
from webspaced.interfaces import IInstances, IRoutes
from webspaced.lib.deferreds import shield
from webspaced.lib.keyed import KeyedLock
from webspaced.lib.semaphore import Semaphore
from webspaced.webspaces.allocator import Allocator
from webspaced.webspaces.booter import Booter
from webspaced.webspaces.conditions import Conditions, Kind
from webspaced.webspaces.documents import Documents
from webspaced.webspaces.housing import Devices, Housing
from webspaced.webspaces.images import Images
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.ports import Ports
from webspaced.webspaces.power import Power
from webspaced.webspaces.progress import Creation, Creations
from webspaced.webspaces.provision import Provision
from webspaced.webspaces.registry import Registry

HOUSING_TRIES = 3
"""Addresses that are tried for a new webspace, where others take them in the same moment."""
RESTORED = (
    f"it has the marker of a creation, and snapshots, or the creation was long ago: it may have been restored, and is"
    f" neither served nor removed. Unset {CREATING_KEY} if it is finished, else delete it"
)
BEING_CREATED = "the webspace is being created"


@frozen(kw_only=True)
class Workshop:
    """What creations are carried out with."""

    registry: Registry
    instances: IInstances
    documents: Documents
    power: Power
    booter: Booter
    allocator: Allocator
    housing: Housing
    ports: Ports
    routes: IRoutes
    provision: Provision
    creations: Creations
    images: Images
    max_concurrent: int
    """How many LXD makes at the same time: unpacking takes as much of the machine as starting does."""
    conditions: Conditions
    now: Callable[[], float] = time.time
    """Gives seconds since the epoch."""
    may_write: Callable[[], bool] = lambda: True
    """Whether no other daemon can be at work: what another one creates looks like what one of ours left."""


class Creator:
    """Creates webspaces, and removes what is left of creations that nobody finishes."""

    log = Logger()

    def __init__(self, workshop: Workshop, profile: str, defaults: Config) -> None:
        self.creations = workshop.creations
        self.images = workshop.images
        self.existence: KeyedLock[int] = KeyedLock()
        """Held while a webspace comes into being or goes."""
        self._with = workshop
        self._profile = profile
        self._defaults = defaults
        self._removing: set[int] = set()
        self._failed: dict[int, int] = {}
        """Boot ports of creations that failed, and could not be undone: LXD may have carried the last write through."""
        workshop.registry.subscribe(self._noticed)
        self._sweeps = False
        # Nobody has more than one creation, so first come, first served is fair. Not the places of boots: a creation that is
        # set up boots, too, and must not wait for itself.
        self._places = Semaphore(workshop.max_concurrent)

    def bound(self, max_concurrent: int, install_timeout: float) -> None:
        """Let LXD make so many at the same time, and package managers take so many seconds, from now on."""
        self._with = evolve(self._with, max_concurrent=max_concurrent)
        self._places.resize(max_concurrent)
        self._with.provision.bound(install_timeout)

    def check_idle(self, uid: int) -> None:
        """``Conflict`` while a webspace is being created."""
        if uid in self.creations:
            raise Conflict(BEING_CREATED)

    async def create(self, user: User, wishes: Wishes) -> Webspace:
        """Create a stopped webspace; ``Conflict`` if the user has one. When this fails, nothing of it is left."""
        self._with.documents.check_complete()
        self.check_idle(user.id)
        with self.creations.begin(user.id, _steps(wishes)) as creation:
            async with self.existence(user.id):
                image = await self._checked(user.id, wishes)
                creation.begun = True
                self._failed.pop(user.id, None)
                webspace = await self._create(user, image, wishes, creation)
                # Whoever opens the page upon our answer shall not be told that there is none.
                await self._with.routes.settled(user.id)
                return webspace

    async def _checked(self, uid: int, wishes: Wishes) -> Image:
        """Find out early what would fail."""
        image = await self._with.images.find(wishes.image)
        if wishes.key is not None:
            self._with.ports.check_room()
        if await self._exists(uid):
            message = "the webspace exists already"
            raise Conflict(message)
        return image

    async def _exists(self, uid: int) -> bool:
        registry = self._with.registry
        if uid in registry.away:
            return True
        left = await registry.look(uid)
        if left is not None and self._is_left(left) and await self._is_removable(left):
            await self._remove(left)
        try:
            # Asked by name: an instance that is there but cannot be read as a webspace is in the way, too.
            await self._with.instances.get(registry.name_of(uid))
        except NotFound:
            return False
        return True

    async def _create(self, user: User, image: Image, wishes: Wishes, creation: Creation) -> Webspace:
        with self._with.allocator.boot_port(user.id) as boot_port:
            try:
                await self._unpack(user, image, boot_port, creation)
                if wishes.inside:
                    await self._set_up(await self._seen(user.id), image, wishes, creation)
                creation.at(Step.FINISH)
                return await self._finish(user.id, wishes)
            except Exception:
                await self._undo(user.id, boot_port)
                raise

    async def _unpack(self, user: User, image: Image, boot_port: int, creation: Creation) -> None:
        """Let LXD make it, as one of few; who waits for that says so, and may be cancelled."""
        if not self._places.tokens:
            creation.at(Step.WAIT)
        await self._places.acquire()
        try:
            creation.at(Step.UNPACK)
            await self._make(user, image, boot_port, creation)
        finally:
            self._places.release()

    async def _make(self, user: User, image: Image, boot_port: int, creation: Creation) -> None:
        """Have LXD create it, with an address of its own: another one where somebody else had it sooner."""
        housing = self._with.housing
        for left in reversed(range(HOUSING_TRIES)):
            await housing.look()
            with housing.devices() as devices:
                try:
                    await self._with.instances.create(self._new(user, image, boot_port, devices), creation.tell)
                except RemoteError:
                    await housing.look()
                    if not left or not housing.is_taken(devices):
                        raise
                else:
                    return

    def _new(self, user: User, image: Image, boot_port: int, devices: Devices) -> NewInstance:
        granted = self._with.allocator.granting()
        webspace = Webspace(user=user.id, config=self._defaults).with_name_granted(granted)
        webspace = webspace.with_boot_port_granted(boot_port, granted)
        name = self._with.registry.name_of(user.id)
        mark = marker(name, self._with.now())
        keys = {KEY: webspace.dump(), USERNAME_KEY: user.username, BOOT_PORT_KEY: str(boot_port), CREATING_KEY: mark}
        return NewInstance(
            name=name, fingerprint=image.fingerprint, profile=self._profile, config=keys, devices=devices
        )

    async def _seen(self, uid: int) -> Observed:
        observed = await self._with.registry.look(uid)
        if observed is None:
            message = "LXD created the webspace, and it is gone again"
            raise RemoteError(message, 404)
        return observed

    async def _set_up(self, new: Observed, image: Image, wishes: Wishes, creation: Creation) -> None:
        """Do inside what is wanted, and stop it again."""
        name, provision = new.name, self._with.provision
        creation.at(Step.BOOT)
        running = await self._with.booter.boot_unfinished(new.uid)
        if wishes.password is not None:
            creation.at(Step.PASSWORD)
            await provision.set_password(name, wishes.password)
        if wishes.key is not None:
            creation.at(Step.PACKAGES)
            server = await provision.install_ssh(name, image.properties.get("os", ""))
            creation.at(Step.SSH)
            await provision.enable_ssh(name, server, wishes.key)
        creation.at(Step.STOP)
        await self._with.power.halt(running)

    async def _finish(self, uid: int, wishes: Wishes) -> Webspace:
        """Open it to everybody, by one write: with its forward, and without the marker."""
        finished = {CREATING_KEY: ""}
        if wishes.key is not None:
            await self._with.ports.add_first(uid, ssh.PORT, finished)
        else:
            await self._with.documents.change_keys(uid, lambda _: finished, unfinished=True)
        return (await self._seen(uid)).webspace

    # --- what must not stay

    async def _undo(self, uid: int, boot_port: int) -> None:
        """Remove what a failed creation left, known as this creation's by its boot port, which is nobody else's."""
        try:
            left = await self._with.registry.look(uid)
            if left is not None and left.boot_port == boot_port:
                await self._remove(left)
        except WebspacedError as error:
            # The first failure is the one to report. What is left is removed when LXD shows it again.
            self._failed[uid] = boot_port
            self.log.warn(
                "what is left of webspace {webspace} is removed later: {error}",
                event="creation.rest-stays", webspace=uid, error=str(error),
            )

    async def _remove(self, left: Observed) -> None:
        # Stopped by force if it runs.
        await self._with.power.remove(left)
        self._failed.pop(left.uid, None)
        await self._with.registry.look(left.uid)

    def _is_left(self, observed: Observed) -> bool:
        """Whether it is of a creation that nobody finishes, where none is under way."""
        return observed.unfinished or self._failed.get(observed.uid, 0) == observed.boot_port

    async def _is_removable(self, left: Observed) -> bool:
        """Whether nobody's data can be in it. What seems unfinished may be a finished one that was restored."""
        if not left.unfinished:
            # Our own, which LXD finished although it told us that it failed.
            return True
        recent = is_recent(left.instance.config.get(CREATING_KEY, ""), self._with.now())
        detail = None if recent and not await self._with.instances.has_snapshots(left.name) else RESTORED
        self._with.conditions.note(left.uid, Kind.UNFINISHED, detail)
        return detail is None

    def _noticed(self, uid: int) -> None:
        observed = self._with.registry.get(uid)
        if observed is None or not observed.unfinished:
            self._with.conditions.note(uid, Kind.UNFINISHED, None)
        if observed is not None and self._is_left(observed) and self._sweeps:
            self._consider(uid)

    def sweep(self) -> None:
        """Remove what creations left, and from now on as soon as it is noticed: this daemon may change something."""
        self._sweeps = True
        for observed in self._with.registry:
            if self._is_left(observed):
                self._consider(observed.uid)

    def _consider(self, uid: int) -> None:
        if uid in self._removing:
            return
        self._removing.add(uid)
        # Not from within the registry's own notice; who creates it holds the lock, and there is nothing to do afterwards.
        shield(self._remove_leftover(uid)).addErrback(self._not_removed, uid)

    async def _remove_leftover(self, uid: int) -> None:
        try:
            async with self.existence(uid):
                left = await self._with.registry.look(uid)
                if left is None or not self._is_left(left) or not self._with.may_write():
                    return
                if await self._is_removable(left) and self._with.may_write():
                    self.log.info(
                        "webspace {webspace} is what a failed creation left, and is removed",
                        event="creation.rest-found", webspace=uid,
                    )
                    await self._remove(left)
        finally:
            self._removing.discard(uid)

    def _not_removed(self, failure: Failure, uid: int) -> None:
        # The next full pass, or event, tries again.
        self.log.warn(
            "webspace {webspace} could not be removed: {error}",
            event="creation.rest-failed", webspace=uid, error=failure.getErrorMessage(),
        )


def _steps(wishes: Wishes) -> Sequence[Step]:
    """Give the steps of a creation; a wait or a download comes only where there is one."""
    password = [Step.PASSWORD] if wishes.password is not None else []
    server = [Step.PACKAGES, Step.SSH] if wishes.key is not None else []
    inside = [Step.BOOT, *password, *server, Step.STOP] if wishes.inside else []
    return [Step.UNPACK, *inside, Step.FINISH]
