"""How long a daemon with many webspaces takes until it serves: `make bench BENCH=start`.

The whole daemon, a process, beside a simulated LXD with 10,000 sleeping webspaces and an IAM that takes 100 ms for each
answer, each a process of its own. Nothing is published before, so that it has everything to write.

start
    From the start of the process until a visitor of a sleeping webspace, who asks again every 20 ms at its boot port, has
    its page. The container's own start is in it.
names
    From the same moment until IAM was asked for everybody's name: nobody waits for that.

The medians of `BENCH_STARTS` (3). `BENCH_SIMULATED` (10000) and `BENCH_IAM_MS` (100) change the amounts, and not the names
of figures.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from benchmarks.clients import ask
from benchmarks.interrupts import become_interruptible
from benchmarks.report import conclude, median
from benchmarks.simulated_lxd import simulated
from benchmarks.webspaces import FIRST_BOOT_PORT, serve, settings_for
from harness import ports
from harness.saying import CannotGoOn, run_program, say, tail
from webspaced.testing.iamd import Iamd
from webspaced.testing.lxd.simulator import LOOPBACK_PORTS

COUNT = int(os.environ.get("BENCH_SIMULATED", "10000"))
IAM_MS = int(os.environ.get("BENCH_IAM_MS", "100"))
STARTS = int(os.environ.get("BENCH_STARTS", "3"))
LONGEST = 600.0
OWN_ID = 1_000_000


class _Slow(Resource):
    """Gives every answer of another resource later."""

    isLeaf = True

    def __init__(self, reactor: Any, iamd: Iamd) -> None:
        super().__init__()
        self._reactor = reactor
        self._inner = iamd.resource()
        self._asked: set[bytes] = set()
        self._all = len(iamd.accounts) - 1

    def render(self, request: Request) -> Any:
        """Answer in a while, and say when everybody was asked for."""
        self._asked.add(request.uri)
        if len(self._asked) == self._all:
            sys.stdout.write("everybody\n")
            sys.stdout.flush()
        deferLater(self._reactor, IAM_MS / 1000, self._answer, request)
        return NOT_DONE_YET

    def _answer(self, request: Request) -> None:
        body = self._inner.render(request)
        if body != NOT_DONE_YET:
            request.write(body)
            request.finish()


def _serve_iam(reactor: Any, count: str) -> Deferred[None]:
    iamd = Iamd()
    iamd.add(OWN_ID, "webspaced", is_admin=True)
    for uid in range(1, int(count) + 1):
        iamd.add(uid, f"m{uid}")
    listening = reactor.listenTCP(0, Site(_Slow(reactor, iamd)), interface="127.0.0.1")
    sys.stdout.write(f"http://127.0.0.1:{listening.getHost().port}/v1 {iamd.token(OWN_ID)}\n")
    sys.stdout.flush()
    return Deferred()


@contextmanager
def _child(*arguments: str, output: Any = subprocess.DEVNULL, errors: Any = None) -> Iterator[subprocess.Popen[str]]:
    """Run a part of this program, for as long as the context lasts."""
    command = [sys.executable, "-m", "benchmarks.start", *arguments]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, text=True)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(60)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


async def _first_page(port: int) -> float:
    """Ask until there is a page; gives the moment of its last byte."""
    async with asyncio.timeout(LONGEST):
        while True:
            visit = await ask(("127.0.0.1", port), "example.org")
            if visit.status == 200:
                return visit.ended
            await asyncio.sleep(0.02)


def _start_once(folder: Path, socket: Path, number: int) -> Sequence[float]:
    """Give the seconds until the first page, and until everybody's name was asked for."""
    with ExitStack() as cleaning:
        iam = cleaning.enter_context(_child("iamd", str(COUNT), output=subprocess.PIPE))
        url, token = (iam.stdout.readline() if iam.stdout else "").split()
        document = settings_for(folder, socket, COUNT)
        # The same installation each time: another one waits until the lease of the one before is over. Its routes are gone.
        data = folder / "data"
        shutil.rmtree(data / "traefik", ignore_errors=True)
        document["data_dir"] = str(data)
        document["iam"] = {"url": url, "token": token}
        document["timeouts"] = {"startup": "300s"}
        api, inside = ports.by_chance(), ports.by_chance()
        document["http"] = {"listen_address": f"127.0.0.1:{api}", "internal_address": f"127.0.0.1:{inside}"}
        document["traefik"] = {"provider": "file"}
        path, log = folder / "webspaced.yaml", folder / "log"
        path.write_text(json.dumps(document))
        output = cleaning.enter_context(log.open("ab"))
        began = time.monotonic()
        cleaning.enter_context(_child("serve", str(path), output=output, errors=output))
        try:
            # One that sleeps still: each start visits another.
            page = asyncio.run(_first_page(FIRST_BOOT_PORT + COUNT // 2 + number)) - began
        except TimeoutError as error:
            raise CannotGoOn(f"nobody was served within {LONGEST:g} s\nthe last words:\n{tail(log)}") from error
        say(f"  served after {page:.2f} s")
        if iam.stdout is None or iam.stdout.readline() != "everybody\n":
            raise CannotGoOn("the names were not asked for")
        return page, time.monotonic() - began


def _run() -> dict[str, Any]:
    say(f"from the start to the first visitor, with {COUNT} webspaces and an IAM of {IAM_MS} ms ...")
    with tempfile.TemporaryDirectory(prefix="webspaced-start-") as name, ExitStack() as cleaning:
        folder = Path(name)
        socket = cleaning.enter_context(simulated(folder, COUNT, http_port=LOOPBACK_PORTS.web))
        starts = [_start_once(folder, socket, number) for number in range(STARTS)]
    pages, names = zip(*starts, strict=True)
    return {"benchmark": "start", "start_10000_s": round(median(pages), 2), "names_10000_s": round(median(names), 2)}


def main() -> int:
    """Run it; the status of an interrupted run is 130."""
    parts = {"serve": serve, "iamd": _serve_iam}
    if sys.argv[1:2] and sys.argv[1] in parts:
        react(parts[sys.argv[1]], sys.argv[2:])
    become_interruptible()
    try:
        figures = _run()
    except KeyboardInterrupt:
        return 130
    conclude(figures)
    return 0


if __name__ == "__main__":
    run_program(main)
