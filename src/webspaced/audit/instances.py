"""What LXD is asked for, told of in the audit log with its cause: the one place through which all of it goes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.python.components import proxyForInterface

from webspaced.audit.trail import CANCELLED, FAILED, OK, Trail
from webspaced.core.creation import Progress
from webspaced.core.instance import NewInstance
from webspaced.core.names import uid_of_instance
from webspaced.interfaces import IInstances

_Proxy: Any = proxyForInterface(IInstances, "inner")


def audited(inner: IInstances, trail: Trail, prefix: str) -> IInstances:
    """Give the same instances; where there is an audit log, their changes are told of.

    :param prefix: with which the names of webspaces begin.
    """
    found: IInstances = AuditedInstances(inner, trail, partial(uid_of_instance, prefix)) if trail.is_on else inner
    return found


class AuditedInstances(_Proxy):  # type: ignore[misc]
    """Instances whose changes are told of; all else is asked of the inner ones."""

    inner: Any

    def __init__(self, inner: IInstances, trail: Trail, uid_of: Callable[[str], int | None]) -> None:
        """:param uid_of: gives the id of a webspace's user by the instance's name."""
        super().__init__(inner)
        self._trail = trail
        self._uid_of = uid_of

    async def create(self, new: NewInstance, told: Callable[[Progress], None] | None = None) -> None:
        """See :meth:`IInstances.create`."""
        await self._telling("instance.create", new.name, self.inner.create(new, told))

    async def start(self, name: str) -> None:
        """See :meth:`IInstances.start`."""
        await self._telling("instance.start", name, self.inner.start(name))

    async def stop(self, name: str, timeout: float, *, force: bool) -> None:
        """See :meth:`IInstances.stop`."""
        await self._telling("instance.stop", name, self.inner.stop(name, timeout, force=force), force=force)

    async def freeze(self, name: str) -> None:
        """See :meth:`IInstances.freeze`."""
        await self._telling("instance.freeze", name, self.inner.freeze(name))

    async def resume(self, name: str) -> None:
        """See :meth:`IInstances.resume`."""
        await self._telling("instance.thaw", name, self.inner.resume(name))

    async def delete(self, name: str) -> None:
        """See :meth:`IInstances.delete`."""
        await self._telling("instance.delete", name, self.inner.delete(name))

    async def configure(self, name: str, changes: Mapping[str, str], etag: str) -> None:
        """See :meth:`IInstances.configure`."""
        work = self.inner.configure(name, changes, etag)
        await self._telling("instance.configure", name, work, keys=sorted(changes))

    async def give_devices(self, name: str, devices: Mapping[str, Mapping[str, str]], etag: str) -> None:
        """See :meth:`IInstances.give_devices`."""
        work = self.inner.give_devices(name, devices, etag)
        await self._telling("instance.give-devices", name, work, devices=sorted(devices))

    async def _telling(self, action: str, name: str, work: Coroutine[Any, Any, None], **params: Any) -> None:
        began = self._trail.clock.seconds()
        told: dict[str, Any] = {"outcome": OK}
        try:
            await work
        except (CancelledError, GeneratorExit):
            told = {"outcome": CANCELLED}
            raise
        except Exception as error:
            told = {"outcome": FAILED, "reason": str(error)}
            raise
        finally:
            seconds = round(self._trail.clock.seconds() - began, 6)
            if params:
                told["params"] = params
            self._trail.note(action, webspace=self._uid_of(name), target={"instance": name}, seconds=seconds, **told)
