"""What a benchmark measures: a private LXD, webspaced with an embedded Traefik in front of it, and containers.

All of it lies in one folder of the checkout and listens on loopback and on a bridge of its own; it is removed at the end
however that comes. What a killed run left behind is removed by the next one.
"""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen

from benchmarks.clients import ask
from benchmarks.lxd import PARALLEL_CHANGES, DirectLxd, in_parallel
from harness import daemon, lock, own_lxd, packages, places, processes, settings_file, tiny_image
from harness import ports as port_choice
from harness.private_lxd import PROFILE
from harness.saying import CannotGoOn, say, tail
from webspaced.settings import Settings, load
from webspaced.traefik.render import read

IMAGE = "tiny"
ADMIN = "benchmark"
READY_SECONDS = 60
LONGEST_CHANGE = 30.0
"""Seconds that webspaced may take to see what was done to containers."""
STOP_WINDOW = 1.5
"""Seconds after LXD said "stopped" within which it may still refuse a start, with a margin."""
# A full pass in the middle of a round would be measured, too; nothing here needs one.
# Rates: one admin asks for everybody here, and fast.
EXTRA_SETTINGS = {
    "WSD_WEBSPACES_RESYNC_INTERVAL": "1h",
    "WSD_HTTP_LIMITS_PER_ADDRESS": "0",
    "WSD_HTTP_LIMITS_PER_USER": "0",
    "WSD_HTTP_LIMITS_CONNECTIONS_PER_ADDRESS": "0",
    # All visitors have one address here.
    "WSD_WEBSPACES_WAKE_PER_ADDRESS": "0",
    "WSD_WEBSPACES_MAX_PER_ADDRESS": "0",
}


@frozen(kw_only=True)
class Stack:
    """Everything, up: `members` have sleeping webspaces; `plain` containers are the same without webspaced."""

    lxd: DirectLxd
    settings: Settings
    token: str
    bridge: str
    members: Sequence[str]
    plain: Sequence[str]

    @property
    def front(self) -> tuple[str, int]:
        """Where visitors find Traefik."""
        address = self.settings.traefik.http_address
        return address.host, address.port

    def host(self, member: str) -> str:
        """The name of a member's webspace."""
        return f"{member}.{self.settings.webspaces.domain}"

    def instance(self, member: str) -> str:
        """The container of a member's webspace, which is also what its web page says."""
        return f"{self.settings.webspaces.instance_prefix}u{self.members.index(member) + 1}"

    async def prepare(self) -> Mapping[str, str]:
        """Create all containers and wake each once, so that none is measured at its very first start.

        Gives the addresses of the plain ones, which they keep.
        """
        say(f"creating {len(self.members)} webspaces through the API ...")
        await in_parallel(PARALLEL_CHANGES, self.create_webspace, self.members)
        say(f"creating {len(self.plain)} containers directly ...")
        await in_parallel(PARALLEL_CHANGES, lambda name: self.lxd.create(name, IMAGE, PROFILE), self.plain)
        addresses: dict[str, str] = {}

        async def first_start(name: str) -> None:
            await self.lxd.start(name)
            addresses[name] = await self.lxd.address(name)

        say("starting each once ...")
        parallel = self.settings.webspaces.max_concurrent_boots
        await in_parallel(parallel, first_start, self.plain)
        await in_parallel(parallel, self.first_visit, self.members)
        await self.rest()
        return addresses

    async def rest(self) -> None:
        """Stop all containers directly, wait until webspaced has seen it, and until LXD would start them again."""
        await self.lxd.stop_all()
        await self._until(lambda: len(self._asleep()) == len(self.members), "webspaced routes to stopped containers")
        await asyncio.sleep(STOP_WINDOW)

    async def routed(self, member: str) -> None:
        """Wait until a running webspace's route leads to its container: then nothing of its start is left to be done."""
        name = self.instance(member)
        await self._until(lambda: name not in self._asleep(), f"{member}'s webspace runs and has no route of its own")

    async def led_away(self, members: Collection[str]) -> None:
        """Wait until the routes of webspaces lead to webspaced itself."""
        names = {self.instance(member) for member in members}
        await self._until(lambda: names <= self._asleep(), "webspaced does not lead visitors to itself")

    async def dozing(self, members: Collection[str]) -> None:
        """Wait until webspaced has put webspaces to sleep that nobody uses."""
        deadline = time.monotonic() + LONGEST_CHANGE + len(members)
        for member in members:
            while await self.lxd.status(self.instance(member)) != "Frozen":
                if time.monotonic() > deadline:
                    raise CannotGoOn(f"{member}'s webspace does not doze")
                await asyncio.sleep(0.1)
        await self.led_away(members)

    async def _until(self, condition: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + LONGEST_CHANGE
        while not condition():
            if time.monotonic() > deadline:
                raise CannotGoOn(f"{otherwise} after {LONGEST_CHANGE:g} s")
            await asyncio.sleep(0.05)

    def _asleep(self) -> set[str]:
        """The instances whose routes name webspaced itself."""
        path = self.settings.traefik.file.path
        return {name for each in path.parent.glob(f"{path.stem}*{path.suffix}") for name in self._asleep_by(each)}

    def _asleep_by(self, path: Path) -> Iterator[str]:
        """The same by one file: of many routes there are several."""
        for name, route in read(json.loads(path.read_text())).items():
            if route.backend.host == self.settings.traefik.boot_address:
                yield name

    async def create_webspace(self, member: str, image: str = IMAGE) -> None:
        """Create one through the API."""
        await asyncio.to_thread(self._post_webspace, member, image)

    def _post_webspace(self, member: str, image: str) -> None:
        address = self.settings.http.listen_address
        connection = http.client.HTTPConnection(address.host, address.port, timeout=120)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            connection.request("POST", f"/v1/webspace/{member}", json.dumps({"image": image}), headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status != http.client.CREATED:
            raise CannotGoOn(f"webspaced did not create {member}'s webspace: {answer.status} {text.decode()}")

    async def first_visit(self, member: str) -> None:
        """Wake a member's webspace."""
        visit = await ask(self.front, self.host(member))
        if visit.status != http.client.OK:
            raise CannotGoOn(f"{member}'s webspace did not wake: {visit.status} {visit.body!r}")


@contextmanager
def stack(count: int, *, plain: int | None = None, variables: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """Bring up everything but the containers: so many webspaces, and plain containers, by default as many.

    :param variables: settings of webspaced beside the usual ones, as environment variables.
    """
    if not packages.is_root():
        raise CannotGoOn("a private LXD needs root")
    folder = places.private_folder(places.RUN_TEST) / "bench"
    places.private_folder(folder)
    with ExitStack() as cleaning:
        _lock(cleaning, folder)
        _remove(folder)
        cleaning.callback(_remove, folder)
        yield _bring_up(cleaning, folder, (count, count if plain is None else plain), variables or {})


def _lock(cleaning: ExitStack, folder: Path) -> None:
    try:
        cleaning.enter_context(lock.held(folder.with_suffix(".lock")))
    except CannotGoOn as error:
        raise CannotGoOn("a benchmark runs in this checkout already") from error


def _remove(folder: Path) -> None:
    """Remove whatever there is of a run, alive or not."""
    daemon.end_stale(folder / "webspaced.yaml")
    own_lxd.delete(folder / "lxd")
    shutil.rmtree(folder, ignore_errors=True)


def _bring_up(cleaning: ExitStack, folder: Path, counts: tuple[int, int], variables: Mapping[str, str]) -> Stack:
    places.private_folder(folder)
    lxd = own_lxd.ensured(folder / "lxd")
    tiny_image.import_image(lxd.rest, "fast", IMAGE)
    ports = port_choice.remembered(folder / "ports.json")
    path = settings_file.write_settings(folder, settings_file.Server(lxd.socket, "default"), ports)
    members = [f"m{number}" for number in range(1, counts[0] + 1)]
    token = secrets.token_urlsafe(32)
    _write_users(folder / "users.yaml", members, token)
    environment = {**os.environ, **EXTRA_SETTINGS, **variables}
    settings = load(path, environment)
    cleaning.enter_context(_webspaced(folder, path, environment, ports.api))
    return Stack(
        lxd=DirectLxd(lxd.socket), settings=settings, token=token, bridge=lxd.bridge,
        members=members, plain=[f"plain-{number}" for number in range(1, counts[1] + 1)],
    )  # fmt: skip


def _write_users(path: Path, members: Sequence[str], token: str) -> None:
    """Write the static users: the members, who never log in, and an admin who acts for them."""
    users: list[dict[str, Any]] = [{"id": uid, "username": name} for uid, name in enumerate(members, 1)]
    digest = hashlib.sha256(token.encode()).hexdigest()
    users.append({"id": len(members) + 1, "username": ADMIN, "is_admin": True, "token_sha256": digest})
    places.write_private(path, json.dumps({"users": users}))


@contextmanager
def _webspaced(folder: Path, settings: Path, environment: Mapping[str, str], api_port: int) -> Iterator[None]:
    """Run this environment's webspaced, ready; its log goes to a file, whose end is told with an error."""
    log = folder / "webspaced.log"
    program = Path(sys.executable).parent / "twistd"
    say("starting webspaced ...")
    with log.open("ab") as output:
        child = subprocess.Popen(
            [program, "-n", "--pidfile=", "webspaced", "--config", settings], cwd=folder, env=environment,
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        _wait_ready(child, api_port)
        yield
    except Exception as error:
        raise CannotGoOn(f"{error}\nwebspaced's last words:\n{tail(log)}") from error
    finally:
        _end(child)


def _wait_ready(child: subprocess.Popen[bytes], api_port: int) -> None:
    processes.wait_until(lambda: _ready(api_port) or child.poll() is not None, READY_SECONDS)
    if not _ready(api_port):
        raise CannotGoOn(f"webspaced ended, or was not ready within {READY_SECONDS} s")


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(daemon.STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection(port_choice.LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status < 300
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
