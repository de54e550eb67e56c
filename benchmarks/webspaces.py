"""Webspaces as LXD remembers them, made without webspaced, and a webspaced that serves them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.python.log import startLogging

from harness import places
from webspaced.assembly.build import build, this_host
from webspaced.core.config import Config
from webspaced.core.webspace import BOOT_PORT_KEY, KEY, USERNAME_KEY, Webspace
from webspaced.lib.clocks import go_by_monotonic_time
from webspaced.reload.live import Live
from webspaced.settings import load

FIRST_BOOT_PORT = 20000


def serve(reactor: Any, path: str) -> Deferred[None]:
    """Be the daemon of a settings file, as assembled for an LXD whose containers have loopback addresses."""
    go_by_monotonic_time(reactor)
    startLogging(sys.stderr, setStdout=False)
    live = Live(load(Path(path), {}))
    daemon = build(reactor, live, evolve(this_host(reactor, live), loopback_containers=True))
    daemon.privilegedStartService()
    daemon.startService()
    return Deferred()


def config_of(uid: int, http_port: int = 80) -> Mapping[str, str]:
    """Give the configuration keys of a webspace that nothing needs to be added to."""
    webspace = Webspace(user=uid, config=Config(startup_delay=3.0, http_port=http_port, sni_passthrough=False))
    return {
        KEY: webspace.dump(),
        USERNAME_KEY: f"m{uid}",
        BOOT_PORT_KEY: str(FIRST_BOOT_PORT + uid - 1),
    }


def settings_for(folder: Path, socket: Path, count: int) -> dict[str, Any]:
    """Give settings for that many webspaces of an LXD, without addresses; writes the users' file."""
    users = folder / "users.yaml"
    places.write_private(users, json.dumps({"users": [{"id": uid, "username": f"m{uid}"} for uid in range(1, count + 1)]}))
    return {
        "data_dir": str(folder / "data"),
        "log_level": "warn",
        "iam": {"users_file": str(users)},
        "lxd": {"url": f"unix://{socket}"},
        "metrics": {"listen_address": "off"},
        "webspaces": {
            "domain": "example.org",
            "boot_ports": {"start": FIRST_BOOT_PORT, "end": FIRST_BOOT_PORT + count - 1},
            "resync_interval": "1h",
        },
    }
