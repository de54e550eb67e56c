"""The whole of the settings, and an index of them by dotted key."""

# ruff: noqa: RUF009 - attrs fields, declared by functions that ruff does not know

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from webspaced.settings.backends import Iam, Lxd
from webspaced.settings.fields import SECTION, SETTING, Setting, section, setting
from webspaced.settings.http import Http
from webspaced.settings.kinds import PATH, STREAM, choice, duration, level
from webspaced.settings.leadership import Leadership
from webspaced.settings.metrics import Metrics
from webspaced.settings.tracing import Tracing
from webspaced.settings.traefik import Traefik
from webspaced.settings.webspaces import Webspaces

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Timeouts:
    """Bounds on the daemon's own start and stop."""

    startup: float = setting(duration(), "Bound on the first sync.", default=30.0, unit="seconds")
    shutdown: float = setting(duration(), "Bound on an orderly stop.", default=30.0, unit="seconds", live=True)


@attrs.frozen(kw_only=True)
class Settings:
    """The settings of webspaced."""

    log_level: str = setting(
        level("trace", "debug", "info", "warn", "error", "fatal", "panic", warning="warn"),
        "The least weighty messages to log; in any case, and `warning` is `warn`.",
        default="info",
        live=True,
    )
    log_format: str = setting(
        choice("text", "json"),
        "Lines for people, or one JSON object per line for machines.",
        default="text",
    )
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


def _walk(cls: type[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for field in attrs.fields(cls):
        key = prefix + field.name
        inner = field.metadata.get(SECTION)
        yield key, inner or field.metadata[SETTING]
        if inner:
            yield from _walk(inner, key + ".")


_INDEX: Final = dict(_walk(Settings))

SECTIONS: Final[Mapping[str, type[Any]]] = MappingProxyType(
    {key: found for key, found in _INDEX.items() if not isinstance(found, Setting)}
)
"""Every section by its dotted key, outer ones first."""

SETTINGS: Final[Mapping[str, Setting]] = MappingProxyType(
    {key: found for key, found in _INDEX.items() if isinstance(found, Setting)}
)
"""Every setting by its dotted key, in the order of declaration."""

FILE_SUFFIX: Final = "_file"

TWINS: Final[Mapping[str, str]] = MappingProxyType(
    {key + FILE_SUFFIX: key for key, about in SETTINGS.items() if about.from_file}
)
"""The keys that name a file, and the settings whose values those files hold."""

VARIABLES: Final[Mapping[str, str]] = MappingProxyType(
    {"WSD_" + key.replace(".", "_").upper(): key for key in (*SETTINGS, *TWINS)}
)
"""Every environment variable and the key that it sets."""


def build(cls: type[T], values: Mapping[str, object], prefix: str = "") -> T:
    """Put values by dotted key into a section and those within it; the rest keeps its defaults."""
    given: dict[str, object] = {}
    for field in attrs.fields(cls):  # type: ignore[arg-type]
        key = prefix + field.name
        if key in SECTIONS:
            given[field.name] = build(SECTIONS[key], values, key + ".")
        elif key in values:
            given[field.name] = values[key]
    return cls(**given)
