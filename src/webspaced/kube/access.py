"""Where the cluster is, and who we are there: by the files of a pod, or by a kubeconfig.

Sources: https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/ and
https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import yaml
from attrs import field, frozen
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.threads import deferToThreadPool

from webspaced.errors import Invalid, Unavailable
from webspaced.lib.extras import extra

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
DEFAULT_NAMESPACE = "default"
TOKEN_LIFETIME = 60.0
"""Seconds after which a token is looked up again: those of pods are replaced long before they end."""


class Token(Protocol):
    """Gives the bearer token to send, or ``None`` where a client certificate or nobody's word is enough."""

    def __call__(self, *, renew: bool = False) -> Deferred[str | None]:
        """Give it; with ``renew`` the last one was refused."""


@frozen(kw_only=True)
class Access:
    """The way to one cluster. ``ca``, ``certificate`` and ``key`` are PEM texts; without a CA the system's roots count.

    ``namespace`` is where our own pod is, or what the kubeconfig names. ``server_name`` is the name on the server's
    certificate, if it is not the URL's.
    """

    url: str
    namespace: str
    token: Token = field(repr=False)
    ca: str | None = None
    certificate: str | None = None
    key: str | None = field(default=None, repr=False)
    server_name: str | None = None


class TokenFile:
    """A token that somebody else keeps fresh in a file."""

    def __init__(self, clock: IReactorTime, path: Path) -> None:
        self._clock = clock
        self._path = path
        self._token: str | None = None
        self._read_at = 0.0

    def __call__(self, *, renew: bool = False) -> Deferred[str | None]:
        """Give the token, read again each minute."""
        now = self._clock.seconds()
        if self._token is None or renew or not 0 <= now - self._read_at < TOKEN_LIFETIME:
            self._token, self._read_at = _read(self._path).strip(), now
        return succeed(self._token)


def fixed_token(token: str | None) -> Token:
    """Give a token that stays the same."""

    def give(*, renew: bool = False) -> Deferred[str | None]:  # noqa: ARG001  (a Token's)
        return succeed(token)

    return give


def find_access(reactor: Any, environment: Mapping[str, str] = os.environ, account: Path = SERVICE_ACCOUNT) -> Access:
    """Give the cluster that a kubeconfig names (``KUBECONFIG``), else that of our pod, else that of ``~/.kube/config``.

    :raises Unavailable: there is none of these.
    :raises Invalid: the kubeconfig cannot be used.
    """
    if environment.get("KUBECONFIG"):
        return by_kubeconfig(reactor, environment["KUBECONFIG"])
    if environment.get("KUBERNETES_SERVICE_HOST") and (account / "token").exists():
        return in_pod(reactor, environment, account)
    usual = Path(environment.get("HOME", "~")).expanduser() / ".kube" / "config"
    if usual.exists():
        return by_kubeconfig(reactor, str(usual))
    message = f"no Kubernetes found: this is no pod with a service account, and neither KUBECONFIG nor {usual} is there"
    raise Unavailable(message)


def in_pod(clock: IReactorTime, environment: Mapping[str, str], account: Path = SERVICE_ACCOUNT) -> Access:
    """Give the cluster of the pod that we run in."""
    host = environment["KUBERNETES_SERVICE_HOST"]
    bracketed = f"[{host}]" if ":" in host else host
    return Access(
        url=f"https://{bracketed}:{environment.get('KUBERNETES_SERVICE_PORT', '443')}",
        namespace=_read(account / "namespace").strip(),
        token=TokenFile(clock, account / "token"),
        ca=_read(account / "ca.crt"),
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise Unavailable(message) from error


def by_kubeconfig(reactor: Any, path: str) -> Access:
    """Give the cluster of a kubeconfig's current context; ``path`` may be several, separated by colons.

    Its user's exec plugin runs here, once, and later in a thread.
    """
    found = _load(path)
    if not found.verify_ssl:
        message = f"{path}: insecure-skip-tls-verify is not supported: name the certificate authority"
        raise Invalid(message)
    if getattr(found, "proxy", None):
        message = f"{path}: proxy-url is not supported"
        raise Invalid(message)
    return Access(
        url=found.host.rstrip("/"),
        namespace=_namespace(path),
        token=_PluginToken(reactor, path, found),
        ca=_text(found.ssl_ca_cert),
        certificate=_text(found.cert_file),
        key=_text(found.key_file),
        server_name=getattr(found, "tls_server_name", None),
    )


def _load(path: str) -> Any:
    # Half a second of imports that nobody needs in a pod or without Kubernetes.
    with extra("kubernetes", "kubernetes", "a kubeconfig (there are no files of a pod)"):
        from kubernetes import client, config  # noqa: PLC0415

    # What it makes of a file that is no kubeconfig at all.
    nonsense = (OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError)
    configuration = client.Configuration()
    # The environment's is for programs that browse.
    configuration.proxy = None
    try:
        config.load_kube_config(path, client_configuration=configuration, persist_config=False)
    except (config.ConfigException, *nonsense) as error:
        message = f"the kubeconfig {path} cannot be used: {error}"
        raise Invalid(message) from error
    return configuration


def _namespace(path: str) -> str:
    from kubernetes import config  # noqa: PLC0415

    _, active = config.list_kube_config_contexts(path)
    namespace: str = active["context"].get("namespace") or DEFAULT_NAMESPACE
    return namespace


def _text(path: str | None) -> str | None:
    return None if path is None else _read(Path(path))


class _PluginToken:
    """The token of a kubeconfig's user: asked in a thread, as a plugin that is run for it may take its time."""

    def __init__(self, reactor: Any, path: str, configuration: Any) -> None:
        self._reactor = reactor
        self._path = path
        self._configuration = configuration
        self._token: str | None = _bearer(configuration)
        self._read_at = reactor.seconds()

    def __call__(self, *, renew: bool = False) -> Deferred[str | None]:
        """Give the token; one that has ended is made anew, and so is one that was refused."""
        fresh = 0 <= self._reactor.seconds() - self._read_at < TOKEN_LIFETIME
        if not renew and (fresh or self._token is None):
            return succeed(self._token)
        look: Callable[[], str | None] = self._anew if renew else (lambda: _bearer(self._configuration))
        asked: Deferred[str | None] = deferToThreadPool(self._reactor, self._reactor.getThreadPool(), look)
        return asked.addCallback(self._keep)

    def _anew(self) -> str | None:
        self._configuration = _load(self._path)
        return _bearer(self._configuration)

    def _keep(self, token: str | None) -> str | None:
        self._token, self._read_at = token, self._reactor.seconds()
        return token


def _bearer(configuration: Any) -> str | None:
    said = configuration.auth_settings().get("BearerToken", {}).get("value")
    return None if said is None else str(said).removeprefix("Bearer ")
