"""LXD asked directly, without webspaced, by as little code as possible."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

# Stops are no part of any measurement; more at once only makes LXD slower.
PARALLEL_CHANGES = 8
LONGEST_START = 60.0
ADDRESS_POLL = 0.05


class LxdFailed(Exception):
    """LXD refused something, or an operation of its failed; the text is what it said."""


async def in_parallel(limit: int, work: Callable[[str], Awaitable[Any]], names: Iterable[str]) -> None:
    """Do something for each name, at most so many at the same time; the first failure ends it all."""
    places = asyncio.Semaphore(limit)

    async def one(name: str) -> None:
        async with places:
            await work(name)

    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(one(name))


class DirectLxd:
    """One LXD behind a Unix socket."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    async def ask(self, method: str, url: str, body: object = None) -> dict[str, Any]:
        """One request on a connection of its own; gives LXD's whole answer."""
        content = b"" if body is None else json.dumps(body).encode()
        # HTTP/1.0: the answer comes in one piece, and its end is the connection's.
        head = f"{method} {url} HTTP/1.0\r\nHost: lxd\r\nContent-Length: {len(content)}\r\n\r\n"
        reader, writer = await asyncio.open_unix_connection(self.path)
        try:
            writer.write(head.encode() + content)
            text = await reader.read()
        finally:
            writer.close()
        answer: dict[str, Any] = json.loads(text.partition(b"\r\n\r\n")[2])
        if answer.get("type") == "error":
            raise LxdFailed(f"{method} {url}: {answer.get('error')}")
        return answer

    async def get(self, url: str) -> Any:
        """The metadata of what is at the URL."""
        return (await self.ask("GET", url))["metadata"]

    async def ended(self, accepted: dict[str, Any]) -> None:
        """Wait for the operation of an accepted request."""
        operation = await self.get(f"{accepted['operation'].partition('?')[0]}/wait")
        if operation["status_code"] >= 400:
            raise LxdFailed(operation["err"])

    async def ask_start(self, name: str) -> dict[str, Any]:
        """Have a container started; LXD has only accepted that when this returns."""
        return await self.ask("PUT", f"/1.0/instances/{name}/state", {"action": "start", "timeout": 60})

    async def start(self, name: str) -> None:
        """Start a container; done when the operation is, its ports may open later."""
        await self.ended(await self.ask_start(name))

    async def create(self, name: str, image: str, profile: str) -> None:
        """Create a stopped container of an image's alias."""
        source = {"type": "image", "alias": image}
        body = {"name": name, "type": "container", "source": source, "profiles": [profile]}
        await self.ended(await self.ask("POST", "/1.0/instances", body))

    async def address(self, name: str) -> str:
        """Wait for a running container's IPv4 address on eth0, as the former daemon did."""
        deadline = time.monotonic() + LONGEST_START
        while time.monotonic() < deadline:
            state = await self.get(f"/1.0/instances/{name}/state")
            for entry in (state["network"] or {}).get("eth0", {}).get("addresses", ()):
                if entry["family"] == "inet" and entry["scope"] == "global":
                    return str(entry["address"])
            await asyncio.sleep(ADDRESS_POLL)
        raise LxdFailed(f"{name} has no address after {LONGEST_START:g} s")

    async def running(self) -> list[str]:
        """The names of all containers that run."""
        return [one["name"] for one in await self.get("/1.0/instances?recursion=1") if one["status_code"] != 102]

    async def status(self, name: str) -> str:
        """What LXD says that an instance does, such as `Frozen`."""
        return str((await self.get(f"/1.0/instances/{name}"))["status"])

    async def stop_all(self) -> None:
        """Stop by force whatever runs."""
        await in_parallel(PARALLEL_CHANGES, self.stop, await self.running())

    async def stop(self, name: str) -> None:
        """Stop a container by force."""
        body = {"action": "stop", "timeout": 30, "force": True}
        await self.ended(await self.ask("PUT", f"/1.0/instances/{name}/state", body))
