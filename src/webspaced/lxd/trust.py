"""First contact: what LXD can do, and making it trust our certificate.

Sources: ``GET /1.0`` and ``POST /1.0/certificates`` of LXD's and Incus's API documents.
"""

from __future__ import annotations

import base64
from collections.abc import Collection

from attrs import frozen
from twisted.logger import Logger

from webspaced.core.json_text import parse as parse_json
from webspaced.errors import Distrusted, Invalid, RemoteError
from webspaced.lxd.client import LxdClient

log = Logger()

NEEDED = ("instances", "projects", "event_lifecycle")
"""API extensions without which webspaced cannot work; LXD 4.0 has them all."""
TOKEN = "explicit_trust_token"  # noqa: S105  (an API extension's name)


@frozen(kw_only=True)
class Server:
    """Who answers. ``extensions`` tell what it can do; its version is for people only."""

    trusted: bool
    extensions: frozenset[str]
    product: str
    version: str


async def introduce(client: LxdClient, trust_secret: str | None) -> Server:
    """Ask LXD who it is, and have it trust our client certificate if it does not yet.

    :param trust_secret: a trust password, or a trust token.
    :raises Distrusted: LXD does not trust us; the text tells an operator what to do.
    :raises Invalid: this LXD is too old.
    """
    server = await _ask(client)
    if not server.trusted:
        await _ask_for_trust(client, trust_secret, server.extensions)
        server = await _ask(client)
        if not server.trusted:
            message = "LXD took our certificate, and still does not trust it"
            raise Distrusted(message)
        log.info(
            "LXD trusts our certificate from now on; lxd.tls.trust_password is not needed any more", event="lxd.trusted"
        )
    _check_abilities(server)
    log.info("{product} {version} answers", event="lxd.found", product=server.product, version=server.version)
    return server


async def _ask(client: LxdClient) -> Server:
    document = (await client.get("")).metadata
    environment = document.get("environment") or {}
    return Server(
        trusted=document.get("auth") == "trusted",
        extensions=frozenset(document.get("api_extensions") or ()),
        product=environment.get("server") or "LXD",
        version=environment.get("server_version") or "of unknown version",
    )


async def _ask_for_trust(client: LxdClient, secret: str | None, extensions: Collection[str]) -> None:
    if secret is None:
        message = (
            "LXD does not trust webspaced's client certificate: add it there (lxc config trust add FILE, or incus config"
            " trust add-certificate FILE), or set lxd.tls.client_cert and client_key, or lxd.tls.trust_password"
        )
        raise Distrusted(message)
    try:
        await client.send("POST", "/certificates", {"type": "client", **_credential(secret, extensions)})
    except RemoteError as error:
        message = "LXD does not accept lxd.tls.trust_password (a token can be used once, and may have expired)"
        raise Distrusted(message) from error


def _credential(secret: str, extensions: Collection[str]) -> dict[str, str]:
    """Give the member of ``POST /1.0/certificates`` that a secret belongs to."""
    if not _is_token(secret):
        return {"password": secret}
    # Before there was a member of its own for tokens, they went where passwords go. Incus reads that member only, and has
    # no extension that would tell (seen on 6.0.4): who says nothing gets both, and reads the one that it knows.
    return {"trust_token": secret, **({} if TOKEN in extensions else {"password": secret})}


def _is_token(secret: str) -> bool:
    """Whether a secret is a token, which is base64 of a JSON object with a secret of its own in it."""
    try:
        return "secret" in parse_json(base64.b64decode(secret, validate=True))
    except (ValueError, TypeError):
        return False


def _check_abilities(server: Server) -> None:
    missing = [name for name in NEEDED if name not in server.extensions]
    if missing:
        message = f"this LXD ({server.version}) is too old: it lacks {', '.join(missing)}"
        raise Invalid(message)
