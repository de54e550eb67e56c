"""What a port is asked before visitors are led to it, and what its answer says (design decision 3)."""

from __future__ import annotations

import enum

from webspaced.core.config import Config
from webspaced.core.protocol import Protocol


class Ask(enum.Enum):
    """What has to happen for a port to count as ready, beside that it accepts a connection."""

    CONNECTION = "connection"
    """Nothing more."""
    DATA = "data"
    """Its server says something by itself, as those of SSH and SMTP do."""
    HTTP = "http"
    """``HEAD /`` is answered, and better than by 502, 503 or 504."""
    HTTPS = "https"
    """The same within TLS, whoever the certificate names."""
    H2C = "h2c"
    """A connection of HTTP/2 without TLS is taken up."""
    TLS = "tls"
    """A handshake is taken up."""

    @property
    def waits_for_data(self) -> bool:
        """Whether silence means that it is not ready."""
        return self is Ask.DATA


_ASKS = {Protocol.HTTP: Ask.HTTP, Protocol.H2C: Ask.H2C, Protocol.HTTPS: Ask.HTTPS}


def web_asks(config: Config) -> Ask:
    """Give what the web port of a webspace is asked."""
    # Whatever is behind TLS that passes through need not be a web server.
    return Ask.TLS if config.sni_passthrough else _ASKS[config.protocol]


class Answer(enum.Enum):
    """What was heard."""

    GOOD = "good"
    NOT_YET = "not yet"
    """It hung up without a byte, reset the connection, or said that what is behind it is not there."""
    REFUSED = "refused"
    """It takes no connection any more."""
    SILENT = "silent"
    """Nothing that says anything, in time."""


NOT_THERE = frozenset({502, 503, 504})
"""Statuses by which a web server says that what is behind it is not there (RFC 9110, section 15.6)."""


def judged(status: int) -> Answer:
    """Give what the status of an answer in HTTP says."""
    return Answer.NOT_YET if status in NOT_THERE else Answer.GOOD
