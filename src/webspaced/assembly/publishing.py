"""Which store of routes, which Traefik and which load balancer the settings ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from twisted.logger import Logger

from webspaced.assembly.cluster import Kubernetes
from webspaced.errors import Invalid
from webspaced.forward.front import Door, Front
from webspaced.forward.lines import ILines
from webspaced.forward.means import Means
from webspaced.forward.refusals import Refusals
from webspaced.interfaces import IExposure, IRouteStore, ITraefik
from webspaced.kube.exposure import ServicePorts
from webspaced.lib.extras import extra
from webspaced.lib.periodic import Periodic
from webspaced.lib.places import Places
from webspaced.lib.threads import Threads
from webspaced.reconcile.unexposed import Unexposed
from webspaced.settings import Address, Settings, TraefikRedis, resolver_of
from webspaced.traefik.embedded import Acme, EmbeddedTraefik, Embedding, find_traefik
from webspaced.traefik.entry_point import EntryPoint
from webspaced.traefik.file import FileStore
from webspaced.traefik.gate import TraefikGate
from webspaced.traefik.keys import Keyspace
from webspaced.traefik.kube_cluster import Cluster, instance_of
from webspaced.traefik.kubernetes import KubernetesStore
from webspaced.traefik.render import EntryPoints
from webspaced.traefik.served import ServedStore
from webspaced.traefik.silence import LOOK as SILENCE_LOOK
from webspaced.traefik.silence import SilenceWatch
from webspaced.traefik.sockets import Sockets
from webspaced.traefik.watch import LOOK, TraefikWatch
from webspaced.webspaces.conditions import Conditions

log = Logger()


def route_store(reactor: Any, settings: Settings, kubernetes: Kubernetes | None) -> IRouteStore:
    """Give the store that Traefik's provider reads; nothing is connected yet.

    :raises WebspacedError: no cluster is found, or what is set cannot be written to one.
    """
    traefik = settings.traefik
    if traefik.provider == "redis":
        return _redis_store(reactor, settings)
    if traefik.provider == "kubernetes" and kubernetes is not None:
        return _kubernetes_store(reactor, settings, kubernetes)
    if traefik.provider == "http":
        copy = settings.data_dir / "traefik" / "fetched.yml"
        served: IRouteStore = ServedStore(reactor, copy, entry_points(settings), traefik.settle_time)
        return served
    file: IRouteStore = FileStore(traefik.file.path, entry_points(settings), reactor, traefik.settle_time)
    return file


def route_token(settings: Settings) -> str | None:
    """Give what has to be said to fetch the routes. An embedded Traefik is told anew at each start."""
    traefik = settings.traefik
    made = token_urlsafe() if traefik.embedded and traefik.provider == "http" else None
    return traefik.http.token or made


def asked_traefik(reactor: Any, settings: Settings, embedded: EmbeddedTraefik | None) -> ITraefik | None:
    """Give where Traefik is asked whether a change is in effect, if that is known."""
    # An embedded one itself: where visitors come to, they wait until it has its routes.
    url = settings.traefik.probe_url if embedded is None else embedded.asked_at
    if url is None:
        return None
    asked: ITraefik = EntryPoint(reactor, url)
    return asked


def traefik_watch(
    reactor: Any, settings: Settings, conditions: Conditions, now: Callable[[], float], embedded: EmbeddedTraefik | None
) -> TraefikWatch | None:
    """Give who looks whether Traefik has routes at all, if it can be asked."""
    asked = asked_traefik(reactor, settings, embedded)
    if asked is None:
        return None
    watch = TraefikWatch(reactor, asked, settings.traefik.settle_time, conditions, now)
    watch.own = embedded
    return watch


def traefik_looks(reactor: Any, settings: Settings, watch: TraefikWatch | None) -> Iterator[Periodic]:
    """Give the looks at Traefik, where it is known where it is."""
    url = settings.traefik.probe_url
    if watch is not None:
        yield Periodic(reactor, LOOK, "the look at Traefik", watch.look)
    if url is not None and not settings.traefik.embedded:
        silence = SilenceWatch(reactor, EntryPoint(reactor, url).bare, url)
        yield Periodic(reactor, SILENCE_LOOK, "the look at Traefik's patience", silence.look)


def _redis_store(reactor: Any, settings: Settings) -> IRouteStore:
    # Who has no Redis need not have its client's memory either.
    with extra("redis", "redis", "traefik.provider: redis"):
        from webspaced.traefik.redis import RedisStore  # noqa: PLC0415
        from webspaced.traefik.redis_server import RedisServer  # noqa: PLC0415

    redis = settings.traefik.redis
    if redis.tls.enabled and redis.tls.insecure_skip_verify:
        log.warn(
            "Redis' certificate is NOT verified (insecure_skip_verify): whoever is on the way can be Redis",
            event="redis.unverified",
        )
    keyspace = Keyspace(redis.root_key, settings.webspaces.instance_prefix)
    server = RedisServer(redis_address(redis), redis.root_key, keyspace.mark)
    # One that writes, and one that listens.
    threads = Threads(reactor, 2, "redis")
    store: IRouteStore = RedisStore(reactor, server, threads, keyspace, entry_points(settings))
    return store


def redis_address(redis: TraefikRedis) -> Any:
    """Give where Redis is, as the settings say: a ``RedisAddress``."""
    from webspaced.traefik.redis_server import RedisAddress, RedisTls  # noqa: PLC0415

    tls = RedisTls(ca=redis.tls.ca, client=redis.tls.cert, client_key=redis.tls.key, insecure=redis.tls.insecure_skip_verify)
    return RedisAddress(
        host=redis.addr.host or "127.0.0.1",
        port=redis.addr.port,
        socket=redis.socket,
        sentinels=tuple((each.host, each.port) for each in redis.sentinel.addresses),
        master=redis.sentinel.master_name or "",
        sentinel_username=redis.sentinel.username,
        sentinel_password=redis.sentinel.password,
        database=redis.db,
        username=redis.username,
        password=redis.password,
        tls=tls if redis.tls.enabled else None,
    )


def redis_provider(redis: TraefikRedis) -> Mapping[str, Any]:
    """Give the same as options of Traefik's own provider (docs: install-configuration/providers/kv/redis)."""
    tls = {
        "ca": redis.tls.ca,
        "cert": redis.tls.cert,
        "key": redis.tls.key,
        "insecureSkipVerify": redis.tls.insecure_skip_verify,
    }
    sentinel = {
        "masterName": redis.sentinel.master_name,
        "username": redis.sentinel.username,
        "password": redis.sentinel.password,
    }
    options = {
        "endpoints": [str(each) for each in redis.sentinel.addresses] or [str(redis.socket or redis.addr)],
        "rootKey": redis.root_key,
        "db": redis.db,
        "username": redis.username,
        "password": redis.password,
        "tls": _given(tls) if redis.tls.enabled else None,
        "sentinel": _given(sentinel) if redis.sentinel.addresses else None,
    }
    return {"redis": _given(options)}


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _kubernetes_store(reactor: Any, settings: Settings, kubernetes: Kubernetes) -> IRouteStore:
    address, chosen = settings.traefik.boot_address, settings.traefik.kubernetes
    if address.is_loopback or address.is_link_local or address.is_unspecified:
        message = (
            f"traefik.boot_address ({address}) must be one that Traefik's pods reach, as this pod's own (status.podIP):"
            " Kubernetes refuses it as a backend"
        )
        raise Invalid(message)
    cluster = Cluster(
        instance=instance_of(settings.webspaces.domain),
        entry_points=entry_points(settings),
        default_secret=chosen.default_secret,
        cluster_issuer=chosen.cluster_issuer,
        is_asked=settings.traefik.probe_url is not None,
    )
    namespace = chosen.namespace or kubernetes.namespace
    store: IRouteStore = KubernetesStore(kubernetes.client, reactor, namespace, cluster, kubernetes.close)
    return store


def entry_points(settings: Settings) -> EntryPoints:
    """Give Traefik's entry points and certificate resolver, as routes name them."""
    traefik = settings.traefik
    return EntryPoints(
        http=traefik.http_entrypoint,
        https=traefik.https_entrypoint,
        domain=settings.webspaces.domain,
        resolver=resolver_of(traefik),
        default_sans=traefik.default_sans,
        each=traefik.acme.email is not None,
        asked_over_tls=(traefik.probe_url or "").startswith("https:"),
    )


def embedded_traefik(reactor: Any, settings: Settings, token: str | None = None) -> EmbeddedTraefik | None:
    """Give the Traefik to run as a child, if one is wanted; `Unavailable` if this machine has none.

    :param token: what it says to fetch the routes.
    """
    if not settings.traefik.embedded:
        return None
    program, sockets = find_traefik(), Sockets.on_loopback(lambda port: _is_ours(settings, port))
    http, https = sockets.addresses
    embedding = Embedding(
        directory=settings.data_dir / "traefik",
        routes=_routes(settings),
        entry_points=entry_points(settings),
        http=http,
        https=https,
        acme=_acme(settings),
        token=token,
        sockets=sockets,
    )
    return EmbeddedTraefik(reactor, program, embedding)


def _is_ours(settings: Settings, port: int) -> bool:
    """Whether a port is for somebody else by the settings."""
    webspaces, http, traefik = settings.webspaces, settings.http, settings.traefik
    metrics = settings.metrics.listen_address
    listeners = [http.listen_address, http.internal_address, traefik.http_address, traefik.https_address]
    listeners += [] if metrics is None else [metrics]
    ranges = (webspaces.ports, webspaces.boot_ports)
    return any(port == each.port for each in listeners) or any(each.start <= port <= each.end for each in ranges)


def front_of(reactor: Any, settings: Settings, lines: ILines, seats: Places, traefik: EmbeddedTraefik) -> Front:
    """Give what visitors come to before the embedded Traefik."""
    means = Means(
        clock=reactor,
        gate=TraefikGate(traefik),
        lines=lines,
        # Who waits for Traefik has a seat already.
        places=Places(seats.most, seats.most),
        seats=seats,
        refusals=Refusals(reactor, "the way to Traefik"),
        by_visitor=True,
    )
    return Front(means, _doors(settings, traefik), settings.traefik.header_timeout)


def _doors(settings: Settings, traefik: EmbeddedTraefik) -> Sequence[Door]:
    inner_http, inner_https = traefik.addresses
    http, https = settings.traefik.http_address, settings.traefik.https_address
    return (
        Door(http.port, http.host, inner_http.port, is_secure=False, setting="traefik.http_address"),
        Door(https.port, https.host, inner_https.port, is_secure=True, setting="traefik.https_address"),
    )


def _routes(settings: Settings) -> Path | Address | Mapping[str, Any]:
    if settings.traefik.provider == "redis":
        return redis_provider(settings.traefik.redis)
    return settings.http.internal_address if settings.traefik.provider == "http" else settings.traefik.file.path


def _acme(settings: Settings) -> Acme | None:
    acme = settings.traefik.acme
    if acme.email is None:
        return None
    return Acme(email=acme.email, server=acme.server, ca=acme.ca, by_http=acme.challenge == "http")


def exposure_for(reactor: Any, settings: Settings, cluster: Kubernetes | None, leads: Callable[[], bool]) -> IExposure:
    """Give what keeps a load balancer's ports, if there is one."""
    name = settings.webspaces.ports.kubernetes_service
    if name is None or cluster is None:
        unexposed: IExposure = Unexposed()
        return unexposed
    ports: IExposure = ServicePorts(cluster.client, reactor, cluster.namespace, name, leads)
    return ports
