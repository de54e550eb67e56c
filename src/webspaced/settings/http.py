"""Settings of webspaced's own HTTP: where it listens, for whom, and how much of it."""

# ruff: noqa: RUF009 - attrs fields, declared by functions that ruff does not know

from __future__ import annotations

from ipaddress import ip_network

import attrs

from webspaced.settings.fields import section, setting
from webspaced.settings.kinds import ADDRESS, NETWORK, ORIGIN, integer, listing, number
from webspaced.settings.values import Address, IPNetwork

LOOPBACK: tuple[IPNetwork, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@attrs.frozen(kw_only=True)
class Cors:
    """Which web pages may call the API from a browser."""

    allowed_origins: tuple[str, ...] = setting(
        listing(ORIGIN),
        "Origins such as `https://example.org`; `*` is any, without credentials. A browser's WebSocket must come from one"
        " of them, too.",
        default=("*",),
        live=True,
    )


@attrs.frozen(kw_only=True)
class Limits:
    """How much one client or member may ask for; 0 turns a rate or bound off."""

    per_address: float = setting(
        number(0),
        "Requests of one client address (IPv6: one /64 network), also without a token, in the long run; beyond it the answer"
        " is 429. A token that IAM refuses counts as much as a second of this.",
        default=200.0,
        unit="requests per second",
        live=True,
    )
    per_address_burst: int = setting(
        integer(1), "Requests of one client address at once, after a rest.", default=2000,
        live=True,
    )
    per_user: float = setting(
        number(0),
        "Requests of one member in the long run, wherever they come from; beyond it the answer is 429.",
        default=100.0,
        unit="requests per second",
        live=True,
    )
    per_user_burst: int = setting(
        integer(1), "Requests of one member at once, after a rest.", default=1000,
        live=True,
    )
    connections_per_address: int = setting(
        integer(0),
        "Open connections of one client address (IPv6: one /64 network); further ones are closed at once. Trusted proxies"
        " may have any number. In all there may be as many as descriptors allow; then those that are idle for longest are"
        " closed, of the address that has the most.",
        default=512,
        live=True,
    )
    concurrent_per_user: int = setting(
        integer(0),
        "Requests of one member that are being answered at once, streams of events included and terminals not; beyond it"
        " the answer is 429. Admins have no such bound.",
        default=32,
        live=True,
    )


@attrs.frozen(kw_only=True)
class Http:
    """Where webspaced's own HTTP listens, and for whom."""

    listen_address: Address = setting(ADDRESS, "The public API.", default=Address("", 80))
    internal_address: Address = setting(
        ADDRESS,
        "The health pages for the operator's own machines, the routes for the provider `http`, none"
        " of which asks for a token; and `/internal` for old Traefiks.",
        default=Address("127.0.0.1", 8001),
    )
    trusted_proxies: tuple[IPNetwork, ...] = setting(
        listing(NETWORK),
        "Networks of reverse proxies before the API, and of Traefiks before webspaces: only what these say in"
        " `X-Forwarded-For` counts as the client's address.",
        default=LOOPBACK,
        live=True,
    )
    cors: Cors = section(Cors)
    limits: Limits = section(Limits)
