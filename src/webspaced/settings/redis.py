"""Settings of the Redis from which Traefik reads the routes; they are named as those of Traefik's own provider `redis`."""

# ruff: noqa: RUF009 - attrs fields, declared by functions that ruff does not know

from __future__ import annotations

from pathlib import Path

import attrs

from webspaced.settings.fields import secret, section, setting
from webspaced.settings.kinds import ADDRESS, FLAG, NAME, PATH, PEM, SECRET, integer, listing, matching
from webspaced.settings.values import Address


@attrs.frozen(kw_only=True)
class TraefikRedisTls:
    """Both sides' identities when Redis (and its sentinels) are reached over TLS: PEM texts."""

    enabled: bool = setting(FLAG, "Use TLS; the certificate must bear the host of the address.", default=False)
    ca: str | None = secret(PEM, "The CA to trust; without one, those of the system.", shown=True)
    cert: str | None = secret(
        PEM, "Our own certificate: Redis asks for one unless its `tls-auth-clients` is `no`.", shown=True
    )
    key: str | None = secret(PEM, "The private key of our own certificate.")
    insecure_skip_verify: bool = setting(
        FLAG, "Do not verify the certificate; whoever is on the path can then be Redis.", default=False
    )


@attrs.frozen(kw_only=True)
class TraefikRedisSentinel:
    """A Redis that is found through sentinels, which change the master when it is away."""

    master_name: str | None = setting(NAME, "The name of the master.", default=None, example="mymaster")
    addresses: tuple[Address, ...] = setting(
        listing(ADDRESS), "Where the sentinels are.", default=(), example=(Address("127.0.0.1", 26379),)
    )
    username: str | None = setting(NAME, "The user that the sentinels know us as.", default=None, example="webspaced")
    password: str | None = secret(SECRET, "The password for the sentinels, if they want one.")


@attrs.frozen(kw_only=True)
class TraefikRedis:
    """The provider `redis`: keys in a Redis that Traefik watches."""

    addr: Address = setting(ADDRESS, "Where Redis is.", default=Address("127.0.0.1", 6379))
    socket: Path | None = setting(
        PATH, "The unix socket of Redis, instead of `addr`.", default=None, example=Path("/run/redis/redis-server.sock")
    )
    db: int = setting(integer(0), "The number of the Redis database.", default=0)
    username: str | None = setting(
        NAME, "The user that Redis knows us as (ACL); without one, the default user.", default=None, example="webspaced"
    )
    password: str | None = secret(SECRET, "The password for Redis, if it wants one.")
    root_key: str = setting(
        matching("text", r"[A-Za-z0-9_.:-]+(?:/[A-Za-z0-9_.:-]+)*", "letters, digits, _.:- and single slashes inside"),
        "What all keys begin with: `rootKey` of Traefik's provider.",
        default="traefik",
    )
    cert_resolver: str | None = setting(
        NAME,
        "Traefik's certificate resolver for members' own domains, if it is another one here.",
        default=None,
        computed="`traefik.cert_resolver`",
        example="letsencrypt",
    )
    tls: TraefikRedisTls = section(TraefikRedisTls)
    sentinel: TraefikRedisSentinel = section(TraefikRedisSentinel)
