"""What the objects of all webspaces have in common: their labels, their names, and what is set for all."""

from __future__ import annotations

import hashlib

from attrs import frozen

from webspaced.traefik.render import EntryPoints

MANAGED_BY, INSTANCE = "app.kubernetes.io/managed-by", "app.kubernetes.io/instance"
WEBSPACE = "webspaced/webspace"
OURS = "webspaced"
UPLOADED = "uploaded-"
"""What the names of Secrets with members' own certificates begin with, and those of their IngressRoutes."""
LONGEST_LABEL = 63


@frozen(kw_only=True)
class Cluster:
    """What is the same for all webspaces. ``instance`` tells services of one namespace apart."""

    instance: str
    entry_points: EntryPoints
    default_secret: str | None = None
    """The Secret with the certificate of the default domains."""
    cluster_issuer: str | None = None
    """Who issues certificates for members' own domains."""
    is_asked: bool = False
    """Whether Traefik is asked what it has taken up: then there is a route of webspaced's own, written at each change."""

    @property
    def labels(self) -> dict[str, str]:
        """Give what all of this service's objects are labelled with."""
        return {MANAGED_BY: OURS, INSTANCE: self.instance}

    @property
    def selector(self) -> str:
        """Give what finds them."""
        return ",".join(f"{name}={value}" for name, value in self.labels.items())

    @property
    def transport(self) -> str:
        """Give the name of the two objects that say how backends are dialled."""
        return f"{OURS}-{digest(self.instance, 8)}"

    @property
    def unjudged(self) -> str:
        """Give the name of the object that says how those are dialled who end TLS themselves."""
        return f"{self.transport}-unjudged"

    @property
    def redirect(self) -> str:
        """Give the name of the middleware that sends from plain HTTP to HTTPS."""
        return f"{self.transport}-redirect"

    @property
    def misdirected(self) -> str:
        """Give the name of the middleware that answers 421."""
        return f"{self.transport}-misdirected"

    def is_own(self, host: str) -> bool:
        """Whether a host is a member's own domain, for which a certificate has to be made."""
        points = self.entry_points
        return (self.cluster_issuer or points.resolver) is not None and not host.endswith(f".{points.domain}")


def instance_of(domain: str) -> str:
    """Give what a service is called in labels: its domain, or what a longer one comes to."""
    return domain if len(domain) <= LONGEST_LABEL else f"{domain[:40].rstrip('.-')}-{digest(domain, 10)}"


def digest(text: str, length: int) -> str:
    """Give what tells a text from others in a name."""
    return hashlib.sha256(text.encode()).hexdigest()[:length]
