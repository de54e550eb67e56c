"""``twistd -n webspaced --simulate``: the daemon with a simulated LXD beneath it, to try it out where there is none.

Its "containers" are listeners on loopback addresses, its commands a fixed table. Whoever may use the API of a simulation
can do no more than that, but nothing of it is meant for others than the one who started it: it listens on loopback only,
takes no configuration of a real service, and does not run as root unless it is told to.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.application.service import IService
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from webspaced.assembly.build import build, this_host
from webspaced.errors import Invalid
from webspaced.reload.live import Live
from webspaced.settings import Settings, load
from webspaced.testing.lxd.simulator import LOOPBACK_PORTS, SimulatedLxd

log = Logger()


class _Beneath(SimulatedLxd):
    """The simulated LXD, whose socket is in a directory of its own."""

    def __init__(self, reactor: Any, directory: Path) -> None:
        super().__init__(reactor, directory)
        self._directory = directory

    def startService(self) -> None:
        log.warn(
            "LXD is SIMULATED: webspaces are listeners of this process, and are gone when it ends", event="lxd.simulated"
        )
        super().startService()

    def stopService(self) -> Deferred[None]:
        return super().stopService().addCallback(lambda _: shutil.rmtree(self._directory, ignore_errors=True))


def simulate(reactor: Any, environ: Mapping[str, str], *, as_root: bool) -> tuple[Live, Sequence[IService]]:
    """Give the settings of a simulation, and its services in the order in which they start.

    :raises Invalid: it would run as root, or listen to others than this machine.
    """
    if os.geteuid() == 0 and not as_root:
        message = "--simulate is not for root: run it as somebody else, or add --as-root"
        raise Invalid(message)
    own = load(None, environ)
    _check_loopback(own)
    # A short path: a UNIX socket's may have no more than 107 characters.
    directory = Path(tempfile.mkdtemp(prefix="webspaced-"))
    live = Live(_settings(own, environ, directory), lambda: _settings(load(None, environ), environ, directory))
    lxd = _Beneath(reactor, directory)
    host = evolve(this_host(reactor, live), loopback_containers=True)
    return live, (lxd, build(reactor, live, host))


def _settings(own: Settings, environ: Mapping[str, str], directory: Path) -> Settings:
    """Give the settings of a machine by itself, changed as a simulation needs it; variables count, files do not."""
    changed = {
        # Routes of the real service are not to be touched.
        "WSD_DATA_DIR": str(own.data_dir / "simulation"),
        "WSD_TRAEFIK_FILE_PATH": str(own.data_dir / "simulation" / "traefik" / "dynamic" / "webspaced.yml"),
        "WSD_IAM_USERS_FILE": str(own.iam.users_file),
        "WSD_LXD_URL": f"unix://{directory}/unix.socket",
        "WSD_WEBSPACES_CONFIG_DEFAULTS_HTTP_PORT": str(LOOPBACK_PORTS.web),
    }
    return load(None, {**environ, **changed})


def _check_loopback(settings: Settings) -> None:
    http, traefik = settings.http, settings.traefik
    hosts = {
        "http.listen_address": http.listen_address.host,
        "http.internal_address": http.internal_address.host,
        "traefik.http_address": traefik.http_address.host,
        "traefik.https_address": traefik.https_address.host,
        "traefik.boot_address": str(traefik.boot_address),
        "webspaces.ports.listen_address": settings.webspaces.ports.listen_address,
    }
    if settings.metrics.listen_address is not None:
        hosts["metrics.listen_address"] = settings.metrics.listen_address.host
    others = [key for key, host in hosts.items() if not _is_loopback(host)]
    if others:
        message = f"--simulate listens on loopback addresses only: change {', '.join(others)}"
        raise Invalid(message)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
