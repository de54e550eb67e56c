"""From LXD's event to the first request that is served by it; a part of `make bench BENCH=routes`.

The whole daemon, a process, with the provider `file` and its own Traefik, beside a simulated LXD, another process, that has
1,000 webspaces, of which one runs.

event to served
    The running webspace's domain is changed in LXD, behind webspaced's back. From the moment at which a listener of LXD's
    events hears of that, as webspaced does, to the first answer of the webspace under the new domain, through Traefik;
    it is asked again a millisecond after each answer. (A domain, since a request to a webspace that changes its backend
    would be answered by the same container before and after, through webspaced and directly.)

`BENCH_EVENTS` (20) and `BENCH_WEBSPACES` (1000) change the amounts.
"""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

from attrs import evolve
from wsproto.events import TextMessage

from benchmarks.clients import ask
from benchmarks.interrupts import become_interruptible
from benchmarks.lxd import DirectLxd
from benchmarks.report import conclude, median, milliseconds, percentile
from benchmarks.served import LONGEST, webspaced
from benchmarks.simulated_lxd import simulated
from benchmarks.terminals import stream
from benchmarks.webspaces import config_of, settings_for
from harness import ports
from harness.saying import run_program, say
from webspaced.core.config import Config
from webspaced.core.webspace import KEY, Webspace
from webspaced.testing.lxd.simulator import LOOPBACK_PORTS

NAME = "ws-u1"
CALM = (0.8, 1.0)
WEBSPACE = Webspace(user=1, config=Config(startup_delay=3.0, http_port=LOOPBACK_PORTS.web, sni_passthrough=False))


async def _served(front: tuple[str, int], host: str) -> float:
    """Ask until the webspace answers under a name; gives the moment of that answer."""
    async with asyncio.timeout(LONGEST):
        while True:
            visit = await ask(front, host)
            if visit.status == 200 and visit.body == f"{NAME}\n".encode():
                return visit.ended
            await asyncio.sleep(0.001)


async def _updates(lxd: DirectLxd) -> AsyncIterator[float]:
    """Give the moments at which LXD says that the webspace was changed."""
    reader, writer, connection = await stream(lxd, "/1.0/events?type=lifecycle")
    try:
        while data := await reader.read(65536):
            connection.receive_data(data)
            for event in connection.events():
                if isinstance(event, TextMessage) and "instance-updated" in event.data and NAME in event.data:
                    yield time.monotonic()
    finally:
        writer.close()


async def _change(lxd: DirectLxd, domain: str) -> None:
    changed = evolve(WEBSPACE, domains=(domain,))
    await lxd.ask("PATCH", f"/1.0/instances/{NAME}", {"config": {**config_of(1), KEY: changed.dump()}})


async def _measure(socket: Path, front: tuple[str, int], rounds: int) -> list[float]:
    lxd, lasted = DirectLxd(socket), []
    await _change(lxd, "d0.example.net")
    await lxd.start(NAME)
    await _served(front, "d0.example.net")
    updates = _updates(lxd)
    for number in range(1, rounds + 1):
        await asyncio.sleep(random.uniform(*CALM))  # noqa: S311
        domain = f"d{number}.example.net"
        heard = asyncio.ensure_future(anext(updates))
        # Listening and asking before anything changes.
        served = asyncio.ensure_future(_served(front, domain))
        await asyncio.sleep(0.05)
        await _change(lxd, domain)
        lasted.append(await served - await asyncio.wait_for(heard, LONGEST))
    await updates.aclose()  # type: ignore[attr-defined]
    return lasted


def _run() -> list[float]:
    rounds, count = int(os.environ.get("BENCH_EVENTS", "20")), int(os.environ.get("BENCH_WEBSPACES", "1000"))
    say(f"from LXD's event to the first request served, with {count} webspaces of a simulated LXD ...")
    with ExitStack() as cleaning:
        folder = Path(cleaning.enter_context(tempfile.TemporaryDirectory(prefix="webspaced-events-")))
        socket = cleaning.enter_context(simulated(folder, count))
        api, inside, front, other = (ports.by_chance() for _ in range(4))
        settings = settings_for(folder, socket, count)
        settings["http"] = {"listen_address": f"127.0.0.1:{api}", "internal_address": f"127.0.0.1:{inside}"}
        addresses = {"http_address": f"127.0.0.1:{front}", "https_address": f"127.0.0.1:{other}"}
        settings["traefik"] = {"provider": "file", "embedded": True, **addresses}
        cleaning.enter_context(webspaced(folder, settings))
        return asyncio.run(_measure(socket, ("127.0.0.1", front), rounds))


def main() -> int:
    """Run it alone; the status of an interrupted run is 130."""
    become_interruptible()
    try:
        lasted = _run()
    except KeyboardInterrupt:
        return 130
    figures = {"event_to_served_ms": median(lasted), "event_to_served_ms_p95": percentile(lasted, 0.95)}
    conclude({key: milliseconds(value) for key, value in figures.items()})
    return 0


if __name__ == "__main__":
    run_program(main)
