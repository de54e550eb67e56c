"""What the agent writes to this network namespace: the device, nftables, frames."""

from __future__ import annotations

import subprocess
from collections.abc import Collection

from attrs import frozen

from webspaced.errors import Unavailable
from webspaced.lan import announce, device
from webspaced.lan.device import Applied
from webspaced.lan.guard import removal, ruleset
from webspaced.lan.overlay import IPAddress, Overlay

NFT = "nft"
PATIENCE = 30
"""Seconds."""


@frozen
class NetworkNamespace:
    """That of this process. ``existing``: the device is one that others make."""

    existing: bool = False

    def apply(self, overlay: Overlay, peers: Collection[IPAddress], *, only_adds: bool) -> Applied:
        """See :func:`webspaced.lan.device.apply`."""
        return device.apply(overlay, peers, adopts=self.existing, only_adds=only_adds)

    def guard(self, overlay: Overlay, peers: Collection[IPAddress]) -> None:
        """Let only these in, by one transaction."""
        load(ruleset(overlay, peers))

    def announce(self, interface: str, address: IPAddress) -> None:
        """Say once that an address is here."""
        announce.announce(interface, address)


def load(rules: str) -> None:
    """Have nft(8) carry rules out, all of them or none.

    :raises Unavailable: there is no nft, or it refuses.
    """
    try:
        done = subprocess.run([NFT, "-f", "-"], input=rules, capture_output=True, text=True, check=False, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        message = f"nftables cannot be set, so strangers are not kept out: {error}"
        raise Unavailable(message) from error
    if done.returncode:
        message = f"nftables cannot be set, so strangers are not kept out: {done.stderr.strip()[:500]}"
        raise Unavailable(message)


def open_to_all(overlay: Overlay) -> None:
    """Take our guard away."""
    load(removal(overlay))
