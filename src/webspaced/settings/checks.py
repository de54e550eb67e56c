"""What must hold between settings that are right each by itself."""

from __future__ import annotations

from functools import partial
from itertools import combinations
from typing import Final

from webspaced.settings.declared import Check, Values
from webspaced.settings.values import MAX_PORT, Address

_FORWARDS = "webspaces.ports"
_BOOTS = "webspaces.boot_ports"
# Below are the ports that web servers usually have, ours too.
_LOWEST, _FEW = 9000, 1000
_LISTENERS = (
    "http.listen_address",
    "http.internal_address",
    "traefik.http_address",
    "traefik.https_address",
    "metrics.listen_address",
)


def _bounds(name: str) -> tuple[str, str]:
    return f"{name}.start", f"{name}.end"


def _order(low: str, high: str, values: Values) -> str | None:
    if values[low] <= values[high]:
        return None
    return f"{low} ({values[low]:g}) must not be above {high} ({values[high]:g})"


def _apart(values: Values) -> str | None:
    (first, last), (boot_first, boot_last) = (
        [values[key] for key in _bounds(name)] for name in (_FORWARDS, _BOOTS)
    )
    if last < boot_first or boot_last < first:
        return None
    return (
        f"{_FORWARDS} ({first} to {last}) and {_BOOTS} ({boot_first} to {boot_last})"
        f" must not have ports in common: {_hint(first, last, boot_last - boot_first + 1)}"
    )


def _hint(first: int, last: int, wanted: int) -> str:
    """Say where there is room for boot ports, of which each webspace needs one."""
    above, below = MAX_PORT - last, first - _LOWEST
    room = max(above, below)
    if room < min(wanted, _FEW):
        return f"each webspace needs a boot port of its own, so end {_FORWARDS} earlier or begin it later"
    start = last + 1 if above >= below else max(_LOWEST, first - wanted)
    end = min(MAX_PORT, start + wanted - 1) if above >= below else first - 1
    return f"each webspace needs a boot port of its own, for which {_BOOTS}.start: {start} and .end: {end} are free"


def _in_use(listener: str, values: Values) -> bool:
    if values[listener] is None:
        return False
    return listener.startswith(("http.", "metrics.")) or values["traefik.embedded"]


def _outside(listener: str, name: str, values: Values) -> str | None:
    first, last = (values[key] for key in _bounds(name))
    if not _in_use(listener, values) or not first <= (port := values[listener].port) <= last:
        return None
    return f"the port of {listener} ({port}) must not be among {name} ({first} to {last})"


def _no_clash(one: str, other: str, values: Values) -> str | None:
    if not (_in_use(one, values) and _in_use(other, values)):
        return None
    if not _same_place(values[one], values[other]):
        return None
    return f"{one} ({values[one]}) and {other} ({values[other]}) must not be the same address"


def _same_place(one: Address, other: Address) -> bool:
    everywhere = {"", "0.0.0.0", "::"}  # noqa: S104 - compared, not bound
    shared = one.host == other.host or bool(everywhere & {one.host, other.host})
    return shared and one.port == other.port != 0


def _iamd_has_url(values: Values) -> str | None:
    if values["iam.provider"] != "iamd" or values["iam.url"]:
        return None
    return "iam.provider is iamd, which needs iam.url"


def _embedded_reads(values: Values) -> str | None:
    if not values["traefik.embedded"] or values["traefik.provider"] != "kubernetes":
        return None
    return (
        "traefik.embedded is for the providers file, http and redis: with traefik.provider kubernetes,"
        " Traefik runs in the cluster"
    )


def _kubernetes_names(values: Values) -> str | None:
    prefix = values["webspaces.instance_prefix"]
    if values["traefik.provider"] != "kubernetes" or prefix == prefix.lower():
        return None
    return f"webspaces.instance_prefix ({prefix}) must be in lower case with traefik.provider kubernetes"


def _together(one: str, other: str, values: Values) -> str | None:
    if bool(values[one]) == bool(values[other]):
        return None
    return f"{one} and {other} must be given together"


def _not_together(one: str, other: str, values: Values) -> str | None:
    return f"{one} and {other} must not be given together" if values[one] and values[other] else None


def _is_of_use(enabled: str, key: str, values: Values) -> str | None:
    return f"{key} means nothing unless {enabled} is true" if values[key] and not values[enabled] else None


def _issued(values: Values) -> str | None:
    domain = values["webspaces.domain"]
    if values["traefik.acme.email"] is None or ("." in domain and not domain.endswith(".localhost")):
        return None
    return f"traefik.acme.email is set, but nobody issues certificates for webspaces.domain, {domain}"


def _ordered(low: str, high: str) -> Check:
    return Check((low, high), partial(_order, low, high))


CHECKS: Final = (
    _ordered(*_bounds(_FORWARDS)),
    _ordered(*_bounds(_BOOTS)),
    Check((*_bounds(_FORWARDS), *_bounds(_BOOTS)), _apart),
    *(
        Check((listener, *_bounds(name), "traefik.embedded"), partial(_outside, listener, name))
        for listener in _LISTENERS
        for name in (_FORWARDS, _BOOTS)
    ),
    *(
        Check((one, other, "traefik.embedded"), partial(_no_clash, one, other))
        for one, other in combinations(_LISTENERS, 2)
    ),
    _ordered("webspaces.config_defaults.startup_delay", "webspaces.max_startup_delay"),
    _ordered("webspaces.max_held_per_webspace", "webspaces.max_held"),
    _ordered("webspaces.sleep.memory_low", "webspaces.sleep.memory_high"),
    Check(("iam.provider", "iam.url"), _iamd_has_url),
    Check(("traefik.embedded", "traefik.provider"), _embedded_reads),
    Check(("webspaces.instance_prefix", "traefik.provider"), _kubernetes_names),
    *(
        Check(pair, partial(_together, *pair))
        for pair in (
            ("lxd.tls.client_cert", "lxd.tls.client_key"),
            ("traefik.redis.tls.cert", "traefik.redis.tls.key"),
            ("traefik.redis.sentinel.master_name", "traefik.redis.sentinel.addresses"),
        )
    ),
    *(
        Check(pair, partial(_not_together, *pair))
        for pair in (
            ("traefik.redis.socket", "traefik.redis.tls.enabled"),
            ("traefik.redis.socket", "traefik.redis.sentinel.master_name"),
        )
    ),
    *(
        Check((key, enabled), partial(_is_of_use, enabled, key))
        for enabled, key in (
            ("traefik.redis.tls.enabled", "traefik.redis.tls.ca"),
            ("traefik.redis.tls.enabled", "traefik.redis.tls.cert"),
            ("traefik.redis.tls.enabled", "traefik.redis.tls.insecure_skip_verify"),
            ("traefik.embedded", "traefik.acme.email"),
        )
    ),
    Check(("traefik.acme.email", "webspaces.domain"), _issued),
)
"""The rules, in the order in which their problems are told."""
