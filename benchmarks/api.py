"""What the API adds to the LXD calls that it makes, and how it bears many terminals: `python -m benchmarks.api`. Needs root.

Definitions, all for running tiny webspaces on a private LXD, measured from this one process:

overhead
    One API request, from connect to last byte, minus the LXD requests that the endpoint makes, asked directly one after the
    other over LXD's Unix socket, in the same round; what comes first alternates. `overhead_ms_p50` has the median of
    these differences for each endpoint. Both sides connect anew for each request. For `exec` the same command is run
    directly through LXD's WebSockets. Endpoints that wait by design (starts, stops, and whatever answers only when
    visitors see its effect) are not among them.
terminals
    So many WebSockets at once, to eight webspaces, each with a `cat` in a pty. Each is typed a line every `PAUSE` seconds
    for `SECONDS`; an echo is the time until the line was shown by the terminal and by `cat`. Beside it `GET /live`,
    asked again every 20 ms: the longest is how long webspaced did nothing else. An error is a terminal that did not end
    with code 1000 and reason 0.

`BENCH_ROUNDS` (200), `BENCH_TERMINALS` (200) and `BENCH_SECONDS` (10) change the sizes.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from attrs import Factory, define, frozen

from benchmarks.interrupts import become_interruptible
from benchmarks.report import conclude, median, milliseconds, percentile, versions
from benchmarks.sizes import size
from benchmarks.stack import Stack, stack
from benchmarks.terminals import Terminal, run_directly
from harness.saying import CannotGoOn, run_program, say

PAUSE = 0.5
AT_ONCE = 8
"""Terminals that are opened at the same time: LXD starts a process of its own for each."""
LIVE_INTERVAL = 0.02
COMMAND = "true"
WEBSPACES = 8
"""As one may have 32 terminals."""


@frozen(kw_only=True)
class Endpoint:
    """A method and path below the webspace's, its body, and the LXD requests that it makes."""

    method: str
    path: str
    direct: tuple[str, ...]
    body: Mapping[str, Any] | None = None


INSTANCE = "/1.0/instances/{name}"
STATE = f"{INSTANCE}/state"
ENDPOINTS: Mapping[str, Endpoint] = {
    "images": Endpoint(method="GET", path="/v1/images", direct=("/1.0/images?recursion=1",)),
    "webspace": Endpoint(method="GET", path="/v1/webspace/{member}", direct=(INSTANCE,)),
    "state": Endpoint(method="GET", path="/v1/webspace/{member}/state", direct=(INSTANCE, STATE)),
    "config": Endpoint(method="GET", path="/v1/webspace/{member}/config", direct=(INSTANCE,)),
    "domains": Endpoint(method="GET", path="/v1/webspace/{member}/domains", direct=(INSTANCE,)),
    "ports": Endpoint(method="GET", path="/v1/webspace/{member}/ports", direct=(INSTANCE,)),
    "resync": Endpoint(method="PATCH", path="/v1/webspace/{member}/state", direct=(INSTANCE, INSTANCE, STATE)),
    "exec": Endpoint(
        method="POST", path="/v1/webspace/{member}/exec", direct=(INSTANCE, "exec"), body={"command": COMMAND}
    ),
}


@define
class Terminals:
    """Samples, in seconds, and the number of terminals that went wrong."""

    echoes: list[float] = Factory(list)
    live: list[float] = Factory(list)
    opening: float = 0.0
    errors: int = 0


class Benchmark:
    """Measures one stack, whose first member's webspace runs."""

    def __init__(self, target: Stack) -> None:
        self._target = target
        self._member = target.members[0]
        self._name = target.instance(self._member)
        address = target.settings.http.listen_address
        self._api = (address.host, address.port)

    # --- endpoints

    async def overhead(self, endpoint: Endpoint, rounds: int) -> list[float]:
        """Give the differences of so many rounds, in seconds."""
        differences = []
        for number in range(rounds):
            sides: list[Callable[[], Awaitable[None]]] = [lambda: self._ours(endpoint), lambda: self._direct(endpoint)]
            took = [0.0, 0.0]
            for side in (0, 1) if number % 2 else (1, 0):
                began = time.monotonic()
                await sides[side]()
                took[side] = time.monotonic() - began
            differences.append(took[0] - took[1])
        return differences

    async def _ours(self, endpoint: Endpoint) -> None:
        status = await self._ask(endpoint.method, endpoint.path.format(member=self._member), endpoint.body)
        if status >= 300:
            raise CannotGoOn(f"{endpoint.method} {endpoint.path} ended with status {status}")

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> int:
        content = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: benchmark\r\nAuthorization: Bearer {self._target.token}\r\n"
            f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection(*self._api)
        try:
            writer.write(head.encode() + content)
            return int((await reader.read()).split(b" ", 2)[1])
        finally:
            writer.close()

    async def _direct(self, endpoint: Endpoint) -> None:
        for path in endpoint.direct:
            if path == "exec":
                await run_directly(self._target.lxd, self._name, ["sh", "-c", COMMAND])
            else:
                await self._target.lxd.get(path.format(name=self._name))

    # --- terminals

    async def terminals(self, count: int, seconds: float) -> Terminals:
        """Open so many, type at them for so many seconds, and end them."""
        found = Terminals()
        members = self._target.members
        paths = [f"/v1/webspace/{members[number % len(members)]}/exec" for number in range(count)]
        opened = [Terminal(self._api, path, self._target.token) for path in paths]
        began = time.monotonic()
        places = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(self._open(each, places) for each in opened))
        found.opening = time.monotonic() - began
        say(f"{count} terminals are open after {found.opening:.1f} s")
        probing = asyncio.create_task(self._probe(found))
        until = time.monotonic() + seconds
        await asyncio.gather(*(self._type(each, number, until, found) for number, each in enumerate(opened)))
        probing.cancel()
        await asyncio.gather(*(each.close() for each in opened))
        found.errors = sum(each.ended != (1000, "0") for each in opened)
        return found

    async def _open(self, terminal: Terminal, places: asyncio.Semaphore) -> None:
        async with places:
            await terminal.open(["cat"])
            await terminal.echoes(b"open")

    async def _type(self, terminal: Terminal, number: int, until: float, found: Terminals) -> None:
        # Not all at the same moment.
        await asyncio.sleep(PAUSE * (number % 50) / 50)
        while time.monotonic() < until:
            found.echoes.append(await terminal.echoes(b"line %d" % number))
            await asyncio.sleep(PAUSE)

    async def _probe(self, found: Terminals) -> None:
        while True:
            began = time.monotonic()
            await self._ask("GET", "/live")
            found.live.append(time.monotonic() - began)
            await asyncio.sleep(LIVE_INTERVAL)


async def _measure(target: Stack, rounds: int, count: int, seconds: float) -> dict[str, Any]:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    await target.prepare()
    for member in target.members:
        await target.first_visit(member)
    measured = Benchmark(target)
    samples = {}
    for name, endpoint in ENDPOINTS.items():
        samples[name] = await measured.overhead(endpoint, rounds)
        say(f"{name}: {median(samples[name]) * 1000:.2f} ms above LXD's own")
    found = await measured.terminals(count, seconds)
    server = (await target.lxd.get("/1.0"))["environment"]
    return {
        "benchmark": "api",
        "overhead_ms_p50": {name: round(median(each) * 1000, 2) for name, each in samples.items()},
        "overhead_ms_p95": {name: milliseconds(percentile(each, 0.95)) for name, each in samples.items()},
        "terminals": {
            "count": count,
            "errors": found.errors,
            "opening_s": round(found.opening, 1),
            "echo_ms_p50": milliseconds(median(found.echoes)),
            "echo_ms_p99": milliseconds(percentile(found.echoes, 0.99)),
            "echoes": len(found.echoes),
            "live_ms_p50": milliseconds(median(found.live)),
            "longest_stall_ms": milliseconds(max(found.live)),
        },
        "rounds": rounds,
        "cpus": os.cpu_count(),
        "versions": {**versions("webspaced", "twisted", "wsproto"), server["server"]: server["server_version"]},
    }


def main() -> int:
    """Run it; the status of an interrupted run is 130."""
    become_interruptible()
    sizes = size("ROUNDS", 200), size("TERMINALS", 200), size("SECONDS", 10)
    try:
        with stack(WEBSPACES) as target:
            result = asyncio.run(_measure(target, *sizes))
    except KeyboardInterrupt:
        return 130
    conclude(result)
    return 0


if __name__ == "__main__":
    run_program(main)
