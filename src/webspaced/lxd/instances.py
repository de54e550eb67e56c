"""LXD in the terms of webspaces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from zope.interface import implementer

from webspaced.core.brief import shown
from webspaced.core.creation import Progress, progress_of
from webspaced.core.instance import Image, Instance, InstanceState, NewInstance
from webspaced.core.room import Memory
from webspaced.core.sleep import Usage
from webspaced.core.usage import Sums, pieces
from webspaced.errors import NotFound, RemoteError
from webspaced.interfaces import IInstances
from webspaced.lib.gently import Gently
from webspaced.lxd import parse
from webspaced.lxd.client import LxdClient
from webspaced.lxd.read import read
from webspaced.webspaces.patience import insist

CREATE_TIMEOUT = 600.0
"""Seconds: an image may have to be unpacked on a slow disk."""
STATE_TIMEOUT = 60.0
SESSIONS = frozenset({"Executing command", "Showing console"})
"""Operations, as LXD describes them, for it has no code for what one is: they keep nobody from anything."""
LARGEST_METRICS = 256 * 1024 * 1024
"""Bytes: about 4 KB for each container, and 200 more for each processor."""
LARGEST_STATE = 512 * 1024
"""Bytes: a container's root decides how many interfaces and addresses it has, and all of them are told."""
"""Seconds: a start whose init is missing fails only after 5."""


@implementer(IInstances)
class LxdInstances:
    """See :class:`webspaced.interfaces.IInstances`."""

    def __init__(self, client: LxdClient) -> None:
        self._client = client

    async def list_all(self) -> Sequence[Instance]:
        listed: list[Instance] = []
        await self.go_through(listed.append)
        return listed

    async def go_through(self, told: Callable[[Instance], None]) -> None:
        await self._client.each("/instances", lambda each: told(read(lambda: parse.instance(each))), recursion="1")

    async def go_through_others(self, told: Callable[[Instance], None]) -> None:
        names = [path.rpartition("/")[2] for path in (await self._client.get("/projects")).metadata]
        for project in names:
            if project == self._client.project:
                continue
            try:
                await self._client.each(
                    "/instances", lambda each: told(read(lambda: parse.instance(each))), recursion="1", project=project
                )
            except (NotFound, RemoteError):
                # Gone meanwhile, or not for our certificate to see.
                continue

    async def others_work(self, name: str, *, sessions: bool = False) -> str:
        for each in await self._operations():
            said = str(each.get("description") or "an operation")
            if _is_about(each, name) and not self._client.began(str(each.get("id"))) and (sessions or said not in SESSIONS):
                return shown(said)
        return ""

    async def _operations(self) -> Sequence[Mapping[str, Any]]:
        operations = (await self._client.get("/operations", recursion="1")).metadata
        return [each for kind in ("pending", "running") for each in operations.get(kind) or ()]

    async def has_snapshots(self, name: str) -> bool:
        return bool((await self._client.get(f"/instances/{name}/snapshots")).metadata)

    async def get(self, name: str) -> Instance:
        reply = await self._client.get(f"/instances/{name}")
        return read(lambda: parse.instance(reply.metadata, reply.etag))

    async def state(self, name: str, project: str = "") -> InstanceState:
        where = {"project": project} if project else {}
        reply = await self._client.get(f"/instances/{name}/state", largest=LARGEST_STATE, **where)
        return read(lambda: parse.state(reply.metadata))

    async def images(self) -> Sequence[Image]:
        reply = await self._client.get("/images", recursion="1")
        return read(lambda: [parse.image(each) for each in reply.metadata if each.get("type") != "virtual-machine"])

    async def create(self, new: NewInstance, told: Callable[[Progress], None] | None = None) -> None:
        def heard(metadata: object) -> None:
            progress = progress_of(metadata)
            if progress is not None and told is not None:
                told(progress)

        body = {
            "name": new.name,
            "type": "container",
            "source": {"type": "image", "fingerprint": new.fingerprint},
            "profiles": [new.profile],
            "config": dict(new.config),
            **({"devices": {name: dict(device) for name, device in new.devices.items()}} if new.devices else {}),
        }
        await self._client.operate("POST", "/instances", body, timeout=CREATE_TIMEOUT, told=heard if told else None)

    async def start(self, name: str) -> None:
        await self._put_state(name, "start", STATE_TIMEOUT)

    async def stop(self, name: str, timeout: float, *, force: bool) -> None:
        # LXD's own bound ends a graceful stop; ours is later, so that LXD's answer is the one that counts.
        await self._put_state(name, "stop", timeout + STATE_TIMEOUT, timeout=round(timeout), force=force)

    async def freeze(self, name: str) -> None:
        await self._put_state(name, "freeze", STATE_TIMEOUT)

    async def resume(self, name: str) -> None:
        await self._put_state(name, "unfreeze", STATE_TIMEOUT)

    async def usages(self, nic: str) -> Mapping[str, Usage]:
        text, sums = await self._client.fetch("/metrics", LARGEST_METRICS), Sums(self._client.project, nic)
        await Gently(self._client.clock).each(pieces(text), lambda piece: sums.take(*piece))
        return sums.usages()

    async def memory(self, location: str) -> Memory:
        where: dict[str, Any] = {} if location == "none" else {"target": location}
        told = (await self._client.get("/resources", **where)).metadata
        return read(lambda: Memory(total=told["memory"]["total"], used=told["memory"]["used"]))

    async def delete(self, name: str) -> None:
        await self._client.operate("DELETE", f"/instances/{name}", timeout=CREATE_TIMEOUT)

    async def configure(self, name: str, changes: Mapping[str, str], etag: str) -> None:
        await self._patch(name, {"config": dict(changes)}, etag)

    async def give_devices(self, name: str, devices: Mapping[str, Mapping[str, str]], etag: str) -> None:
        await self._patch(name, {"devices": {each: dict(device) for each, device in devices.items()}}, etag)

    async def _patch(self, name: str, body: Mapping[str, Any], etag: str) -> None:
        async def patch() -> None:
            await self._client.send("PATCH", f"/instances/{name}", body, etag=etag)

        # Refused, too, until LXD is done with a stop.
        await insist(self._client.clock, patch)

    async def _put_state(self, name: str, action: str, deadline: float, **more: object) -> None:
        body = {"action": action, "timeout": round(deadline), "force": False, "stateful": False, **more}
        await self._client.operate("PUT", f"/instances/{name}/state", body, timeout=deadline)


def _is_about(operation: Mapping[str, Any], name: str) -> bool:
    """Whether an operation is about an instance of our project: others carry theirs as ``?project=``."""
    paths = (operation.get("resources") or {}).values()
    return any(path.partition("?")[0].rpartition("/")[2] == name for each in paths for path in each or ())
