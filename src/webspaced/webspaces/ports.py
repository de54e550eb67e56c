"""Forwards: external TCP ports of this machine that lead to ports of webspaces."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from attrs import evolve

from webspaced.core.forward import Forward
from webspaced.core.webspace import KEY, Webspace
from webspaced.errors import Conflict, Invalid, NotFound
from webspaced.interfaces import IForwards
from webspaced.webspaces.allocator import Allocator
from webspaced.webspaces.documents import Documents
from webspaced.webspaces.observed import Observed

NO_KEYS: Mapping[str, str] = MappingProxyType({})


class Ports:
    """Adds and removes them. ``most`` counts forwards per webspace. Every method raises ``NotFound`` without a webspace."""

    def __init__(self, documents: Documents, allocator: Allocator, forwards: IForwards, most: int) -> None:
        self._documents = documents
        self._allocator = allocator
        self._forwards = forwards
        self.most = most

    async def add(self, uid: int, external: int, forward: Forward) -> None:
        """Forward an external port; ``Invalid`` outside the range or past the bound, ``Conflict`` if it is taken."""
        if external not in self._allocator.external:
            ports = self._allocator.external
            message = f"external ports are {ports.start} to {ports.stop - 1}"
            raise Invalid(message)
        await self._documents.present(uid)
        await self._add(uid, external, forward, NO_KEYS)

    async def add_random(self, uid: int, forward: Forward) -> int:
        """Forward a random free external port and give it; it is bound before it is written to LXD."""
        await self._documents.present(uid)
        return await self._add_random(uid, forward, NO_KEYS)

    def check_room(self) -> None:
        """Say early whether a new webspace can have a forward at all; see :meth:`add_first`."""
        if self.most < 1:
            message = "SSH needs a forwarded port, and webspaces have none here"
            raise Invalid(message)
        self._documents.check_all_seen()
        if next(self._allocator.free_external_ports(), None) is None:
            raise _none_free()

    async def add_first(self, uid: int, internal: int, keys: Mapping[str, str]) -> int:
        """Forward a random port to a webspace that is being created, and set keys by the same write."""
        return await self._add_random(uid, Forward(internal), keys)

    async def _add_random(self, uid: int, forward: Forward, keys: Mapping[str, str]) -> int:
        for external in self._allocator.free_external_ports():
            try:
                await self._add(uid, external, forward, keys)
            except Conflict:
                # Somebody on this machine has that port: the next one.
                continue
            return external
        raise _none_free()

    async def _add(self, uid: int, external: int, forward: Forward, keys: Mapping[str, str]) -> None:
        def changed(observed: Observed) -> Mapping[str, str]:
            return {KEY: self._with_port(observed.webspace, external, forward).dump(), **keys}

        self._documents.check_all_seen()
        with self._allocator.external_port(external, uid):
            self._forwards.reserve(external)
            try:
                await self._documents.change_keys(uid, changed, unfinished=bool(keys))
            finally:
                # Does nothing where the webspace has it now.
                self._forwards.unreserve(external)

    def _with_port(self, webspace: Webspace, external: int, forward: Forward) -> Webspace:
        if len(webspace.ports) >= self.most:
            message = f"a webspace has at most {self.most} forwarded ports"
            raise Invalid(message)
        return webspace.with_forward(external, forward, self._allocator.granting())

    async def change(self, uid: int, external: int, changes: Mapping[str, Any]) -> None:
        """Set something else of a forward, for later visitors; ``NotFound`` if the webspace does not have it.

        :param changes: see :func:`webspaced.core.forward.parse_changes`.
        """

        def changed(webspace: Webspace) -> Webspace:
            _check_forwarded(webspace, external)
            return webspace.with_changed_forward(external, evolve(webspace.forwards[external], **changes))

        await self._documents.change(uid, changed)

    async def remove(self, uid: int, external: int) -> None:
        """Stop forwarding an external port; ``NotFound`` if the webspace does not have it."""

        def changed(webspace: Webspace) -> Webspace:
            _check_forwarded(webspace, external)
            return webspace.without_forward(external)

        await self._documents.change(uid, changed)


def _check_forwarded(webspace: Webspace, external: int) -> None:
    if external not in webspace.ports:
        message = f"port {external} is not forwarded to this webspace"
        raise NotFound(message)


def _none_free() -> Conflict:
    return Conflict("no external port is free")
