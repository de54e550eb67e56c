"""Settings of the services that webspaced asks: LXD and the IAM service."""

# ruff: noqa: RUF009 - attrs fields, declared by functions that ruff does not know

from __future__ import annotations

from pathlib import Path

import attrs

from webspaced.settings.fields import secret, section, setting
from webspaced.settings.kinds import FLAG, LXD_URL, NAME, PATH, PEM, SECRET, WEB_URL, choice, duration


@attrs.frozen(kw_only=True)
class Iam:
    """Who the members are."""

    provider: str = setting(
        choice("static", "iamd"),
        "Where members and their tokens come from: a file on this machine, or an iamd service.",
        default="static",
        computed="`iamd` when `iam.url` is set, else `static`",
    )
    users_file: Path = setting(
        PATH,
        "The members of the static provider; edited by `webspaced user`, and read again when it changes.",
        default=Path("/var/lib/webspaced/users.yaml"),
        computed="`users.yaml` in `data_dir`",
    )
    url: str | None = setting(
        WEB_URL, "Base URL of iamd.", default=None, example="https://iam.example.org/v1"
    )
    token: str | None = secret(
        SECRET,
        "webspaced's own admin token, with which it looks members up by their id; without one,"
        " renamed members are not followed.",
        live=True,
    )
    grace: float = setting(
        duration(),
        "How long a webspace is still served whose member IAM no longer knows; its data is kept. 0 sets no bound. An IAM"
        " that is only away counts for nothing.",
        default=5.0,
        computed="`168h` with `iamd`, which may be wrong for a while; `5s` with `static`, where an admin edits the file",
        unit="seconds",
        live=True,
    )
    allow_insecure: bool = setting(
        FLAG,
        "Do not verify iamd's TLS certificate; whoever is on the path can then be anybody.",
        default=False,
    )


@attrs.frozen(kw_only=True)
class LxdTls:
    """Both sides' identities when LXD is reached over https: PEM texts, but for the password."""

    ca: str | None = secret(PEM, "The CA to trust, when LXD runs in PKI mode.", shown=True, live=True)
    server_cert: str | None = secret(
        PEM, "The one server certificate to trust (pinned).", shown=True,
        live=True,
    )
    client_cert: str | None = secret(PEM, "The client certificate that LXD trusts.", shown=True, live=True)
    client_key: str | None = secret(PEM, "The private key of the client certificate.", live=True)
    trust_password: str | None = secret(
        SECRET,
        "Adds the client certificate to LXD at first contact: a trust password, or a trust token"
        " for versions after 5.x.",
    )
    allow_insecure: bool = setting(
        FLAG,
        "Do not verify LXD's certificate; whoever is on the path can then be LXD.",
        default=False,
    )


@attrs.frozen(kw_only=True)
class Lxd:
    """Where LXD (or Incus) is."""

    url: str = setting(
        LXD_URL,
        "`unix:///path/to/socket` or `https://host[:port]`; empty searches the local sockets.",
        default="",
    )
    project: str = setting(NAME, "The LXD project that holds the webspaces.", default="default")
    member: str | None = setting(
        NAME,
        "The cluster member on whose machine webspaced runs, where LXD is a cluster and each member has a bridge of its"
        " own: those of other members have the same addresses, and cannot be reached.",
        default=None,
        computed="the member that answers at a local socket, or at an address of this machine; elsewhere it is not known,"
        " and no webspace on such a bridge is served",
        example="node1",
    )
    tls: LxdTls = section(LxdTls)
