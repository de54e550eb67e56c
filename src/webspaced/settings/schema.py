"""The whole of webspaced's settings, and their index by dotted key."""

# ruff: noqa: RUF009 - attrs fields, declared by functions that ruff does not know

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import attrs

from webspaced.settings.backends import Iam, Lxd
from webspaced.settings.checks import CHECKS
from webspaced.settings.declared import Schema
from webspaced.settings.derive import COMPUTED
from webspaced.settings.fields import SECTION, section, setting
from webspaced.settings.http import Http
from webspaced.settings.kinds import PATH, STREAM, duration
from webspaced.settings.leadership import Leadership
from webspaced.settings.metrics import Metrics
from webspaced.settings.service import log_format, log_level
from webspaced.settings.tracing import Tracing
from webspaced.settings.traefik import Traefik
from webspaced.settings.webspaces import Webspaces

if TYPE_CHECKING:
    from collections.abc import Mapping

@attrs.frozen(kw_only=True)
class Timeouts:
    """Bounds on the daemon's own start and stop."""

    startup: float = setting(duration(), "Bound on the first sync.", default=30.0, unit="seconds")
    shutdown: float = setting(duration(), "Bound on an orderly stop.", default=30.0, unit="seconds", live=True)


@attrs.frozen(kw_only=True)
class Settings:
    """The settings of webspaced."""

    log_level: str = log_level(live=True)
    log_format: str = log_format()
    audit_log: str = setting(
        STREAM,
        "Where one line of JSON is written for each change: who, on whose behalf, what, from where, why, with which outcome."
        " Empty: nowhere.",
        default="",
    )
    data_dir: Path = setting(
        PATH,
        "Holds Traefik's files and the static users; all else is kept in LXD.",
        default=Path("/var/lib/webspaced"),
        computed="`/var/lib/webspaced` as root, else `~/.local/state/webspaced`",
    )
    timeouts: Timeouts = section(Timeouts)
    iam: Iam = section(Iam)
    lxd: Lxd = section(Lxd)
    webspaces: Webspaces = attrs.field(metadata={SECTION: Webspaces})
    http: Http = section(Http)
    traefik: Traefik = section(Traefik)
    leadership: Leadership = section(Leadership)
    metrics: Metrics = section(Metrics)
    tracing: Tracing = section(Tracing)


STANDALONE: Final[Mapping[str, object]] = MappingProxyType(
    {
        "webspaces.domain": "localhost",
        "webspaces.ports.listen_address": "127.0.0.1",
        "http.listen_address": "127.0.0.1:8000",
        "traefik.provider": "file",
        "traefik.embedded": True,
    }
)
"""Without a file webspaced serves one machine, on loopback only; these stand above the defaults."""

SCHEMA: Final = Schema(
    Settings,
    name="webspaced",
    prefix="WSD_",
    computed=COMPUTED,
    checks=CHECKS,
    fileless=STANDALONE,
    # It tells what a default follows from.
    of_the_platform=frozenset({"WSD_POD_IP"}),
)

SECTIONS: Final = SCHEMA.sections
SETTINGS: Final = SCHEMA.settings
TWINS: Final = SCHEMA.twins
VARIABLES: Final = SCHEMA.variables
