"""What a webspace's web port speaks."""

from __future__ import annotations

from enum import StrEnum


class Protocol(StrEnum):
    """As members write it, and as the schemes of Traefik's servers are called."""

    HTTP = "http"
    H2C = "h2c"
    """HTTP/2 without TLS (RFC 9113 section 3.3), as gRPC servers speak it."""
    HTTPS = "https"
    """The container ends TLS itself; nobody judges its certificate."""
