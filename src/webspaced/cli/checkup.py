"""What ``webspaced check`` looks at: each check tells what it found, and what to do about it."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

from attrs import frozen
from cryptography import x509
from twisted.internet.threads import deferToThread

from webspaced.assembly.addresses import ground_of
from webspaced.assembly.cluster import cluster_for
from webspaced.assembly.publishing import redis_address
from webspaced.cli.daemon import beside
from webspaced.cli.rights import lacking_rights
from webspaced.errors import NotFound, Unavailable, WebspacedError
from webspaced.iam.choice import identity_for
from webspaced.lib.addresses import can_bind
from webspaced.lib.deferreds import bounded
from webspaced.lib.descriptors import RESERVED, raise_descriptor_limit
from webspaced.lib.ephemeral import collision_advice, ephemeral_ports, reserved_ports
from webspaced.lib.trusted import strange_above
from webspaced.lxd.agent import Connections, endpoints_for
from webspaced.lxd.client import LxdClient
from webspaced.lxd.network import NetworkLeases, profile_network
from webspaced.lxd.tls import Identities
from webspaced.lxd.trust import introduce
from webspaced.reload.live import Live
from webspaced.settings import Address, Settings, exposed_files
from webspaced.traefik.embedded import find_traefik
from webspaced.traefik.entry_point import EntryPoint

FINE, WARNING, FAULT = "fine", "warning", "FAULT"
LIMIT = 20.0
"""Seconds for each check."""
DAYS_LEFT = 30
"""Of a certificate, below which it is warned of."""
NOBODY = 10**18 - 1
"""A user id that no IAM has given: whoever knows nobody by it has answered."""


@frozen(kw_only=True)
class Finding:
    """What was found: ``level`` is one of the three words, ``remedy`` what to do (empty where all is well)."""

    what: str
    level: str
    told: str
    remedy: str = ""


Check = Callable[[Any, Settings, Path | None], AsyncIterator[Finding]]


async def examine(reactor: Any, settings: Settings, path: Path | None) -> Sequence[Finding]:
    """Make all checks, one after the other; none ends the others.

    :param path: the file with the settings.
    """
    found: list[Finding] = []
    for what, check in CHECKS.items():
        try:
            found += await bounded(reactor, LIMIT, _all(check(reactor, settings, path)), f"the look at {what}")
        except WebspacedError as error:
            found.append(Finding(what=what, level=FAULT, told=str(error), remedy=REMEDIES[what]))
        except Exception as error:  # noqa: BLE001  (the others are looked at all the same)
            told = f"the check failed: {type(error).__name__}: {error}"
            found.append(Finding(what=what, level=FAULT, told=told, remedy=REMEDIES[what]))
    return found


async def _all(findings: AsyncIterator[Finding]) -> list[Finding]:
    return [each async for each in findings]


async def _files(_reactor: Any, settings: Settings, path: Path | None) -> AsyncIterator[Finding]:
    strange = strange_above(settings.data_dir)
    for each in strange:
        told = f"data_dir can be replaced by others: {each}"
        yield Finding(what="files", level=WARNING, told=told, remedy=REMEDIES["files"])
    exposed = exposed_files(path, os.environ)
    for file in exposed:
        told = f"{file} has a secret that others may read"
        yield Finding(what="files", level=WARNING, told=told, remedy=f"chmod 600 {file}")
    if not strange and not exposed:
        yield Finding(what="files", level=FINE, told=f"{settings.data_dir} is kept from others")


async def _lxd(reactor: Any, settings: Settings, _path: Path | None) -> AsyncIterator[Finding]:
    identities = Identities.by(settings.lxd.tls)
    connections = Connections(reactor, endpoints_for(reactor, settings.lxd.url, identities))
    client = LxdClient(connections.agent, reactor, settings.lxd.project, suspect=lambda: connections.suspect)
    # Without the trust password: a check changes nothing.
    server = await introduce(client, None)
    yield Finding(what="lxd", level=FINE, told=f"{settings.lxd.url} answers (version {server.version})")
    network = await profile_network(client, settings.webspaces.lxd_profile)
    yield Finding(what="lxd", level=FINE, told=f"the profile {network.profile.name} has the network {network.name}")
    leases = NetworkLeases(client, network.name)
    for advice in ground_of(reactor, settings, network, leases, loopback=False).advice:
        yield Finding(what="profile", level=WARNING, told=advice, remedy="see the manual, Addresses and hostile roots")


async def _certificates(_reactor: Any, settings: Settings, _path: Path | None) -> AsyncIterator[Finding]:
    tls = settings.lxd.tls
    for name, pem in (("lxd.tls.client_cert", tls.client_cert), ("lxd.tls.server_cert", tls.server_cert)):
        if pem:
            yield _dated(name, x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc)


def _dated(name: str, end: datetime) -> Finding:
    left = (end - datetime.now(UTC)).days
    told = f"{name} ends on {end:%Y-%m-%d}, in {left} days"
    if left >= DAYS_LEFT:
        return Finding(what="certificates", level=FINE, told=told)
    return Finding(
        what="certificates", level=WARNING if left >= 0 else FAULT, told=told, remedy="make a new one: webspaced make-cert"
    )


async def _iam(reactor: Any, settings: Settings, _path: Path | None) -> AsyncIterator[Finding]:
    try:
        await identity_for(reactor, Live(settings)).by_id(NOBODY)
    except NotFound:
        where = settings.iam.users_file if settings.iam.provider == "static" else settings.iam.url
        yield Finding(what="iam", level=FINE, told=f"{settings.iam.provider} answers ({where})")


async def _dns(_reactor: Any, settings: Settings, _path: Path | None) -> AsyncIterator[Finding]:
    name = f"webspaced-check.{settings.webspaces.domain}"
    try:
        found = await deferToThread(socket.getaddrinfo, name, None)
    except OSError:
        told = f"{name} has no address, so members' default domains have none"
        yield Finding(what="dns", level=WARNING, told=told, remedy=REMEDIES["dns"])
        return
    addresses = sorted({str(each[4][0]) for each in found})
    yield Finding(what="dns", level=FINE, told=f"*.{settings.webspaces.domain} is {', '.join(addresses)}")


async def _traefik(reactor: Any, settings: Settings, _path: Path | None) -> AsyncIterator[Finding]:
    traefik = settings.traefik
    if traefik.embedded:
        yield Finding(what="traefik", level=FINE, told=f"of webspaced's own: {find_traefik()}")
    elif traefik.probe_url is None:
        told = "Traefik's address is not known, so nobody can tell whether it has webspaced's routes"
        yield Finding(what="traefik", level=WARNING, told=told, remedy="set traefik.probe_url to its entry point")
    else:
        has = await EntryPoint(reactor, traefik.probe_url).has_any()
        told = {True: "has webspaced's routes", False: "answers, and has no routes of webspaced", None: "does not tell"}[has]
        level, remedy = (FAULT, REMEDIES["traefik"]) if has is False else (FINE, "")
        yield Finding(what="traefik", level=level, told=f"{traefik.probe_url} {told}", remedy=remedy)


async def _store(reactor: Any, settings: Settings, _path: Path | None) -> AsyncIterator[Finding]:
    provider = settings.traefik.provider
    if provider == "redis":
        from webspaced.traefik.redis_server import RedisServer  # noqa: PLC0415  (its client is an extra's)

        server = RedisServer(redis_address(settings.traefik.redis), settings.traefik.redis.root_key, "")
        try:
            keys = await deferToThread(server.read, lambda _key: True)
        finally:
            server.close()
        yield Finding(what="store", level=FINE, told=f"Redis answers, with {len(keys)} keys below its root")
    elif (cluster := cluster_for(reactor, settings)) is not None:
        try:
            lacking = await lacking_rights(cluster, settings)
        finally:
            await cluster.close()
        if lacking:
            told = f"in {cluster.namespace} webspaced may not {'; '.join(lacking)}"
            yield Finding(what="store", level=FAULT, told=told, remedy=RIGHTS)
        else:
            told = f"Kubernetes answers, and webspaced has its rights in the namespace {cluster.namespace}"
            yield Finding(what="store", level=FINE, told=told)
    else:
        yield Finding(what="store", level=FINE, told=f"routes are told by {provider}")


async def _ports(_reactor: Any, settings: Settings, _path: Path | None) -> AsyncIterator[Finding]:
    for what, ours in _ranges(settings):
        advice = collision_advice(ours, ephemeral_ports(), reserved_ports())
        if advice is not None:
            told = f"outgoing connections can take ports of {what}"
            yield Finding(what="ports", level=WARNING, told=told, remedy=advice)
    if await _runs(settings):
        yield Finding(what="ports", level=FINE, told="webspaced runs, and has its ports")
        return
    taken = [each for host, each in _listeners(settings) if not can_bind(host, each.port)]
    for each in taken:
        told = f"{each} is taken by another program"
        yield Finding(what="ports", level=FAULT, told=told, remedy="end that, or see http and metrics in the settings")
    busy = [port for port in _ranges(settings)[1][1] if not can_bind(settings.traefik.boot_address, port)]
    if busy:
        told = f"{len(busy)} boot ports are taken by other programs, {busy[0]} first"
        yield Finding(what="ports", level=WARNING, told=told, remedy="end those, or move webspaces.boot_ports")
    elif not taken:
        yield Finding(what="ports", level=FINE, told="the ports of the API and boot ports are free")


def _listeners(settings: Settings) -> Iterator[tuple[IPv4Address | IPv6Address, Address]]:
    http = settings.http
    for each in (http.listen_address, http.internal_address, settings.metrics.listen_address):
        # Whether a name's address is this machine's is not asked for here.
        with suppress(ValueError):
            if each is not None and each.port:
                yield ip_address(each.host or "0.0.0.0"), each  # noqa: S104  (every interface, as it is listened on)


def _ranges(settings: Settings) -> Sequence[tuple[str, range]]:
    external, boot = settings.webspaces.ports, settings.webspaces.boot_ports
    return (
        ("webspaces.ports", range(external.start, external.end + 1)),
        ("webspaces.boot_ports", range(boot.start, boot.end + 1)),
    )


async def _runs(settings: Settings) -> bool:
    try:
        await deferToThread(beside(settings.data_dir).ask, "GET", "/status")
    except Unavailable:
        return False
    except WebspacedError:
        # It does not answer us, or says no: it is there.
        return True
    return True


async def _descriptors(_reactor: Any, _settings: Settings, _path: Path | None) -> AsyncIterator[Finding]:
    limit = raise_descriptor_limit()
    told = f"{limit} files and sockets may be open where this check runs; a unit has a limit of its own"
    if limit >= 4 * RESERVED:
        yield Finding(what="descriptors", level=FINE, told=told)
    else:
        yield Finding(what="descriptors", level=WARNING, told=told, remedy=REMEDIES["descriptors"])


async def _daemon(_reactor: Any, settings: Settings, _path: Path | None) -> AsyncIterator[Finding]:
    try:
        told = await deferToThread(beside(settings.data_dir).ask, "GET", "/status")
    except Unavailable:
        yield Finding(what="daemon", level=WARNING, told="webspaced does not run here", remedy="twistd -n webspaced")
        return
    for finding in _standing(told):
        yield finding


def _standing(told: Any) -> Iterator[Finding]:
    if told["trouble"]:
        yield Finding(what="daemon", level=FAULT, told=told["trouble"], remedy="webspaced status, and its log")
    if not told["lxd"]:
        yield Finding(what="daemon", level=FAULT, told="webspaced hears nothing of LXD", remedy=REMEDIES["lxd"])
    if not told["ready"]:
        yield Finding(what="daemon", level=FAULT, told="webspaced runs, and is not ready", remedy="see its log")
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(told["conditions"].items()))
    if kinds:
        remedy = "webspaced list --troubled"
        yield Finding(what="daemon", level=WARNING, told=f"webspaces with conditions: {kinds}", remedy=remedy)
    elif told["ready"] and told["lxd"] and not told["trouble"]:
        yield Finding(what="daemon", level=FINE, told="webspaced runs, is ready, and no webspace has a condition")


CHECKS: dict[str, Check] = {
    "files": _files, "lxd": _lxd, "certificates": _certificates, "iam": _iam, "dns": _dns, "traefik": _traefik,
    "store": _store, "ports": _ports, "descriptors": _descriptors, "daemon": _daemon,
}  # fmt: skip
RIGHTS = "see the Role of deploy/rbac/webspaced.yaml, or of the chart, and its binding to webspaced's ServiceAccount"
REMEDIES = {
    "files": "let it, and the folders above, belong to root or webspaced's user, and nobody else write to them",
    "lxd": "see lxd.url, lxd.tls and lxd.project; whether LXD runs; and whether it trusts webspaced (webspaced make-cert)",
    "certificates": "see lxd.tls: the certificate cannot be read",
    "iam": "see iam.url and iam.token, or iam.users_file (webspaced user add NAME)",
    "dns": "have *.<webspaces.domain> lead to Traefik",
    "traefik": "see traefik.probe_url, and whether Traefik reads what traefik.provider says",
    "store": "see traefik.redis or the kubeconfig, and the rights that the manual lists",
    "ports": "see webspaces.ports and webspaces.boot_ports",
    "descriptors": "allow it more: LimitNOFILE= of its unit, or ulimit -n",
    "daemon": "see the log of webspaced",
}
