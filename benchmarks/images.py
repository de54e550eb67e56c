"""What the image server's documents cost with many images: `make bench BENCH=images`.

A server beside a release API with 1,000 images, each a release of its own, both in this process; their files are known
already. Figures: how long `index.json` and `images.json` take from the request to the last byte by loopback (medians and
worst of `BENCH_GETS`, 200), how long a look takes at which nothing has changed, and how many requests it makes.

`BENCH_IMAGES` (1000) changes the amount. The goals are 50 ms for the index, and one request for each look.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from attrs import evolve
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import react
from twisted.internet.threads import deferToThread
from twisted.web.server import Site

from benchmarks.interrupts import be_bounded
from benchmarks.report import conclude, median, milliseconds
from benchmarks.sizes import size
from harness import ports
from harness.saying import say
from webspaced.images.core.facts import Metadata
from webspaced.images.server import Server, build_server
from webspaced.images.settings import SCHEMA
from webspaced.settings import load_for
from webspaced.testing.releases import FakeReleases

GOAL_MS = 50
REPOSITORY = "bench/images"


def _api(reactor: Any, count: int) -> FakeReleases:
    port = ports.by_chance()
    api = FakeReleases(f"http://127.0.0.1:{port}")
    reactor.listenTCP(port, Site(api, reactor=reactor), interface="127.0.0.1")
    for number in range(count):
        files = {"lxd.amd64.tar.xz": b"metadata %d" % number, "rootfs.amd64.squashfs": b"root %d" % number}
        api.add(REPOSITORY, f"image{number}/v1.0.0", files)
    return api


async def _served(reactor: Any, api: FakeReleases, folder: Path, port: int) -> Server:
    settings = load_for(SCHEMA, None, {
        "WSI_DATA_DIR": str(folder),
        "WSI_DIRECTORIES": "{}",
        "WSI_HTTP_LISTEN_ADDRESS": f"127.0.0.1:{port}",
        "WSI_OPERATORS_ADDRESS": f"127.0.0.1:{ports.by_chance()}",
        "WSI_RELEASES_API": api.base,
        "WSI_RELEASES_REPOSITORIES": REPOSITORY,
    })  # fmt: skip
    server = build_server(reactor, settings)
    (stream,) = server.streams.all()
    # As after a restart: what the files hold was read before.
    for release in await stream.source.releases():
        metadata, root = (evolve(asset) for asset in release.assets)
        for asset in (metadata, root):
            stream._ledger.note("sha256", asset.id, asset.digest)  # noqa: SLF001
        stream._ledger.note("metadata", metadata.id, Metadata(created=1_700_000_000.0))  # noqa: SLF001
        combined = hashlib.sha256(asset.id.encode()).hexdigest()
        stream._ledger.note("combined", (metadata.id, root.id), combined)  # noqa: SLF001
    for service in server.services:
        service.startService()
    await stream.look()
    return server


def _gets(port: int, document: str, count: int) -> dict[str, float]:
    url = f"http://127.0.0.1:{port}/{REPOSITORY}/streams/v1/{document}.json"
    lasted: list[float] = []
    length = 0
    for _ in range(count):
        began = time.monotonic()
        with urlopen(Request(url, headers={"Accept-Encoding": "gzip"})) as answer:
            length = len(answer.read())
        lasted.append(time.monotonic() - began)
    return {
        f"{document}_ms": milliseconds(median(lasted)), f"{document}_worst_ms": milliseconds(max(lasted)),
        f"{document}_kb": round(length / 1000, 1),
    }  # fmt: skip


async def _looks(server: Server, api: FakeReleases, count: int) -> dict[str, float]:
    (stream,) = server.streams.all()
    lasted: list[float] = []
    requests: list[float] = []
    for _ in range(count):
        api.asked.clear()
        began = time.monotonic()
        await stream.look()
        lasted.append(time.monotonic() - began)
        requests.append(len(api.asked))
    return {"look_ms": milliseconds(median(lasted)), "look_requests": median(requests), "most_requests": max(requests)}


async def _main(reactor: Any) -> None:
    count, port = size("IMAGES", 1000), ports.by_chance()
    with tempfile.TemporaryDirectory(prefix="webspaced-images-") as folder:
        api = _api(reactor, count)
        began = time.monotonic()
        server = await _served(reactor, api, Path(folder), port)
        figures: dict[str, float] = {"images": count, "start_ms": milliseconds(time.monotonic() - began)}
        say(f"{count} images are listed after {figures['start_ms']} ms")
        for document in ("index", "images"):
            figures |= await deferToThread(_gets, port, document, size("GETS", 200))
        figures |= await _looks(server, api, size("LOOKS", 24))
        for service in server.services:
            await maybeDeferred(service.stopService)
    say(f"goals: index_ms <= {GOAL_MS}: {figures['index_ms']}; look_requests = 1: {figures['look_requests']}")
    conclude({"benchmark": "images", "goal_ms": GOAL_MS, **figures})


def main(reactor: Any) -> Deferred[None]:
    """Run it alone."""
    be_bounded()
    return Deferred.fromCoroutine(_main(reactor))


if __name__ == "__main__":
    react(main)
