"""When the certificates end with which webspaced and LXD know each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import frozen
from cryptography import x509

from webspaced.base.families import Reading
from webspaced.settings import LxdTls


@frozen
class Ends:
    """Ends in seconds since the epoch, by kind."""

    by_kind: Mapping[str, float]

    def readings(self, now: float) -> Iterator[Reading]:
        """Give how many there are, and how long each lasts; ``now`` in seconds since the epoch."""
        yield Reading("webspaced_certificates", {(kind,): 1 for kind in self.by_kind})
        yield Reading("webspaced_certificate_left_seconds", {(kind,): end - now for kind, end in self.by_kind.items()})


def ends_of(tls: LxdTls) -> Ends:
    """Give the ends of the certificates in the settings: ours, and LXD's where it is pinned."""
    given = {"lxd_client": tls.client_cert, "lxd_server": tls.server_cert}
    return Ends({kind: _end(text) for kind, text in given.items() if text})


def _end(text: str) -> float:
    # What cannot be read has ended the start before.
    return x509.load_pem_x509_certificate(text.encode()).not_valid_after_utc.timestamp()
