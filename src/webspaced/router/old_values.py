"""The values of the chart that this router takes the place of (kuberouter's ``dnsmasq`` 0.1.5), as settings of ours.

One table says what becomes of each; the page for operators is printed from it, and ``webspaced-router convert`` goes by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Interface, IPv4Network
from typing import Any, Final

from attrs import frozen

from webspaced.errors import Invalid

Found = dict[str, Any]
"""Settings by dotted key; a list is added to."""


@frozen
class Value:
    """One value of the old chart: what it becomes, for people, and how. ``None``: it has no counterpart."""

    name: str
    meaning: str
    convert: Callable[[Any], Found] | None = None


def _same(key: str) -> Callable[[Any], Found]:
    return lambda value: {key: value}


def _range(value: Any) -> Found:
    words = str(value).split(",")
    if len(words) < 2:  # noqa: PLR2004
        raise Invalid(f"dhcp-range {value!r} has no first and last address")
    lease = next((word for word in words[2:] if word[-1:] in "smh" and word[:-1].isdigit()), None)
    return {"dhcp.plan": f"{words[0]}-{words[1]}", **({} if lease is None else {"dhcp.lease": lease})}


def _option(value: Any) -> Found:
    text = str(value)
    # The router's own address is told as both in any case.
    own = text.startswith(("option:router,", "option:dns-server,", "3,", "6,"))
    return {} if own else {"dhcp.options": [text]}


def _network(value: Any) -> Found:
    # The network of `router.address` is what is translated; a deployment without this value translated nothing.
    IPv4Network(str(value))
    return {}


def _server(value: Any) -> Found:
    return {"dns.upstreams": [str(value)]}


def _debug(value: Any) -> Found:
    return {"log_level": "debug"} if str(value).lower() not in ("no", "", "false") else {}


def _ignored(_value: Any) -> Found:
    return {}


VALUES: Final = (
    Value("staticIP", "`router.address`", _same("router.address")),
    Value("routerNetwork", "the network of `router.address`, which is what is translated", _network),
    Value("upstreamDNS", "`dns.upstreams`", lambda value: {"dns.upstreams": [str(each) for each in value]}),
    Value("service.port", "`dns.port`, 0 as well", _same("dns.port")),
    Value("service.type", "not needed: names are answered on the containers' network", _ignored),
    Value("debug", "`log_level: debug`, if it is neither empty nor `no`", _debug),
    Value("config", "option by option, see below"),
    Value("persistence.*", "not needed: who has which address is kept in LXD", _ignored),
    Value("global.kubelan.vxlan.interface", "`router.interface`", _same("router.interface")),
    Value("global.kubelan.*", "values of the container network's own chart", _ignored),
)
"""What becomes of the chart's values; the first name that fits counts."""

OPTIONS: Final = (
    Value("domain", "`dns.domain`", _same("dns.domain")),
    Value("dhcp-range", "`dhcp.plan`, and `dhcp.lease`", _range),
    Value("dhcp-option", "`dhcp.options`; router and dns-server are the router's address in any case", _option),
    Value("dhcp-authoritative", "always so", _ignored),
    Value("dhcp-lease-max", "as many as there are addresses", _ignored),
    Value("no-ping", "always so", _ignored),
    Value("server", "`dns.upstreams`", _server),
    Value("stop-dns-rebind", "always so, unless `dns.rebinding` is set", _ignored),
    Value("log-queries", "none; names that members ask for are not logged", _ignored),
    Value("log-dhcp", "`log_level: debug`", _debug),
)
"""What becomes of dnsmasq's options in the groups of ``config``."""


def convert(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Give our settings as nested sections, and a line for each value that has no counterpart.

    :raises Invalid: a value is not what the chart takes.
    """
    found: Found = {}
    strange: list[str] = []
    for path, value in _flat(values):
        of_dnsmasq = path.startswith("config.")
        name = path.rpartition(".")[2] if of_dnsmasq else path
        about = _about(OPTIONS if of_dnsmasq else VALUES, name)
        if about is None or about.convert is None:
            strange.append(f"{name}: there is no counterpart")
        elif value is not False and value is not None:
            _merge(found, _converted(about, value))
    strange += [] if "lxd.network" in found else ["lxd.network is required, and no old value tells it"]
    return _nested(found), strange


def _converted(about: Value, value: Any) -> Found:
    assert about.convert is not None  # noqa: S101  (asked for one that has it)
    try:
        converted = about.convert(value)
        IPv4Interface(converted.get("router.address", "0.0.0.0/0"))
    except (ValueError, TypeError) as error:
        message = f"{about.name}: {error}"
        raise Invalid(message) from error
    return converted


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _about(known: tuple[Value, ...], name: str) -> Value | None:
    return next((each for each in known if each.name == name or _below(each, name)), None)


def _below(about: Value, name: str) -> bool:
    return about.name.endswith(".*") and name.startswith(about.name[:-1])


def _merge(found: Found, more: Found) -> None:
    for key, value in more.items():
        found[key] = [*found.get(key, ()), *value] if isinstance(value, list) else value


def _nested(found: Found) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for key, value in found.items():
        section, _, last = key.rpartition(".")
        (whole.setdefault(section, {}) if section else whole)[last] = value
    return whole


def table(values: tuple[Value, ...]) -> str:
    """Give a table for the page."""
    return "\n".join(("| old | new |", "|---|---|", *(f"| `{each.name}` | {each.meaning} |" for each in values)))
