"""Defaults that follow from other settings or from the machine."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import attrs

from webspaced.settings.declared import ENVIRON, Computed, Values
from webspaced.settings.kinds import PATH
from webspaced.settings.values import Address, IPAddress

POD_IP_VARIABLES: Final = ("POD_IP", "WSD_POD_IP")


def default_data_dir() -> Path:
    """Give where files are kept unless `data_dir` says otherwise."""
    return PATH.parse("/var/lib/webspaced" if os.geteuid() == 0 else "~/.local/state/webspaced")


def _provider(values: Values) -> str:
    return "iamd" if values["iam.url"] else "static"


def _grace(values: Values) -> float:
    # Not at once: a file that is being written may lack its second half for a moment.
    return 5.0 if values["iam.provider"] == "static" else 7 * 86400.0


def _users_file(values: Values) -> Path:
    return Path(values["data_dir"], "users.yaml")


def _traefik_file(values: Values) -> Path:
    return Path(values["data_dir"], "traefik", "dynamic", "webspaced.yml")


def _cert_resolver(values: Values) -> object:
    return "default" if values["traefik.acme.email"] else None


def _redis_cert_resolver(values: Values) -> object:
    return values["traefik.cert_resolver"]


def _lease(values: Values) -> str:
    return "kubernetes" if values["traefik.provider"] == "kubernetes" else "lxd"


def _boot_address(values: Values) -> IPAddress:
    environ: Mapping[str, str] = values[ENVIRON]
    server = environ.get("KUBERNETES_SERVICE_HOST")
    if not server or values["traefik.embedded"]:
        return ipaddress.IPv4Address("127.0.0.1")
    given = next((environ[name] for name in POD_IP_VARIABLES if environ.get(name)), None)
    if given is not None:
        return ipaddress.ip_address(given)
    return address_towards(server, int(environ.get("KUBERNETES_SERVICE_PORT") or 443))


def address_towards(host: str, port: int) -> IPAddress:
    """Give the address of this machine from which another one is reached. Nothing is sent.

    :raises ValueError: there is no way to it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as trial:
        try:
            trial.connect((host, port))
        except OSError as error:
            raise ValueError(f"cannot be found out: the API server ({host}) is not reached: {error}") from None
        return ipaddress.ip_address(trial.getsockname()[0])


_SETTLE_TIMES: Final = {"http": (7.5, 0.7), "redis": (3.0, 0.8)}
"""Seconds, of an operator's own Traefik and of the embedded one, where it is not what suits the others.

The embedded Traefik is started with a throttle that is far shorter than the usual 2 s, and polls ten times a second instead
of every 5 s. More than 95 of 100 changes among 1,000 webspaces take with it (`make bench BENCH=routes`: 422 ms by `file`,
545 ms by `http`, 576 ms by `redis`).
"""


ASKED: Final = 10.0
"""Seconds, where Traefik is asked: no change waits for them unless it takes as long, on a machine that is busy."""


def _settle_time(values: Values) -> float:
    if values["traefik.probe_url"] is not None:
        return ASKED
    own, embedded = _SETTLE_TIMES.get(values["traefik.provider"], (2.5, 0.5))
    return embedded if values["traefik.embedded"] else own


def _probe_url(values: Values) -> str | None:
    if not values["traefik.embedded"]:
        return None
    address: Address = values["traefik.http_address"]
    # What listens everywhere listens on loopback, too.
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104  (compared)
    return f"http://{attrs.evolve(address, host=host)}" if address.port else None


def _max_wait(values: Values) -> float:
    # Whoever waits for a slow application has waited for its boot before.
    return max(300.0, float(values["webspaces.max_startup_delay"]) + 60.0)


METRICS: Final = Address("127.0.0.1", 9094)
_TAKEN: Final = ("http.listen_address", "http.internal_address", "traefik.http_address", "traefik.https_address")
_RANGES: Final = ("webspaces.ports", "webspaces.boot_ports")


def _metrics(values: Values) -> Address | None:
    """Give the usual address, unless somebody else has its port: what has served so far goes on as it was."""
    ranges = (range(values[f"{name}.start"], values[f"{name}.end"] + 1) for name in _RANGES)
    taken = any(METRICS.port in each for each in ranges) or any(values[key].port == METRICS.port for key in _TAKEN)
    return None if taken else METRICS


COMPUTED: Final = (
    Computed("data_dir", (), lambda _values: default_data_dir()),
    Computed("iam.provider", ("iam.url",), _provider),
    Computed("iam.grace", ("iam.provider",), _grace),
    Computed("iam.users_file", ("data_dir",), _users_file),
    Computed("traefik.file.path", ("data_dir",), _traefik_file),
    Computed(
        "metrics.listen_address", (*_TAKEN, *(f"{name}.{end}" for name in _RANGES for end in ("start", "end"))), _metrics
    ),
    Computed("leadership.lease", ("traefik.provider",), _lease),
    Computed("traefik.cert_resolver", ("traefik.acme.email",), _cert_resolver),
    Computed("traefik.redis.cert_resolver", ("traefik.cert_resolver",), _redis_cert_resolver),
    Computed("traefik.probe_url", ("traefik.embedded", "traefik.http_address"), _probe_url),
    Computed("traefik.boot_address", ("traefik.embedded",), _boot_address),
    Computed("webspaces.max_wait", ("webspaces.max_startup_delay",), _max_wait),
    Computed("traefik.settle_time", ("traefik.embedded", "traefik.provider", "traefik.probe_url"), _settle_time),
)
"""In an order in which each finds what it needs."""
