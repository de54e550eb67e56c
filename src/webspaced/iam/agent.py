"""Connections to iamd: over HTTPS verified by the system's roots, unless the operator says otherwise."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.logger import Logger
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool
from twisted.web.iweb import IAgent, IPolicyForHTTPS
from zope.interface import implementer

from webspaced.lib.unverified_tls import UnverifiedConnections

CONNECT_TIMEOUT = 3.0
log = Logger()


@implementer(IPolicyForHTTPS)
class UnverifiedHTTPS:
    """Encrypts, but anybody may be at the other end (``iam.allow_insecure``)."""

    def creatorForNetloc(self, hostname: bytes, port: int) -> IOpenSSLClientConnectionCreator:
        """See :class:`twisted.web.iweb.IPolicyForHTTPS`."""
        creator: IOpenSSLClientConnectionCreator = UnverifiedConnections(hostname)
        return creator


def iamd_agent(reactor: Any, *, insecure: bool) -> IAgent:
    """Give an agent that keeps its connections; ``insecure`` ones do not ask who answers."""
    policy: IPolicyForHTTPS = UnverifiedHTTPS() if insecure else BrowserLikePolicyForHTTPS()
    if insecure:
        log.warn(
            "iam.allow_insecure is set: IAM's certificate is not verified, so whoever is on the path to it"
            " can read every token and be any member or admin. Never set it outside of a trial",
            event="iam.unverified",
        )
    pool = HTTPConnectionPool(reactor, persistent=True)
    pool.maxPersistentPerHost = 8
    agent: IAgent = Agent(reactor, contextFactory=policy, connectTimeout=CONNECT_TIMEOUT, pool=pool)
    return agent
