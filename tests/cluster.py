"""An LXD cluster of two members on this machine: two daemons with directories of their own, on the bridge of the run's LXD.

As in a deployment, the LAN is not LXD's: the profile names a bridge that no member manages, and the addresses come from a
DHCP server beside (here the dnsmasq of the run's LXD).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from harness import tiny_image
from harness.private_lxd import PROFILE, PrivateLxd
from harness.rest import Rest

PASSWORD = "joining"
POOL = "default"


class Cluster:
    """Members ``one`` and ``two``; the API of either is the whole cluster's."""

    def __init__(self, lxd: PrivateLxd, free_port: Any) -> None:
        self.bridge, self.subnet = lxd.bridge, lxd.subnet
        self.directory = Path(tempfile.mkdtemp(prefix="webspaced-cluster-"))
        self.directory.chmod(0o711)
        self.addresses = {name: f"127.0.0.1:{free_port()}" for name in ("one", "two")}
        # No bridge of theirs: the sweep at the end must leave the LAN alone.
        self.members = {name: PrivateLxd(self.directory / name, f"wsdnone{name}", "") for name in self.addresses}

    @property
    def rest(self) -> Rest:
        """The cluster's API, asked of member one."""
        return self.members["one"].rest

    def up(self) -> None:
        """Start both and join them."""
        for member in self.members.values():
            member.prepare_directory()
            member.start()
        settings = {
            "core.https_address": self.addresses["one"],
            "core.trust_password": PASSWORD,
            "images.auto_update_interval": "0",
        }
        self.rest.ask("PATCH", "/1.0", {"config": settings})
        self.rest.ask("POST", "/1.0/storage-pools", {"name": POOL, "driver": "dir"})
        self.rest.ask("PUT", "/1.0/cluster", {"server_name": "one", "enabled": True})
        self.members["two"].rest.ask("PUT", "/1.0/cluster", self._join())
        nic = {"type": "nic", "name": "eth0", "nictype": "bridged", "parent": self.bridge}
        devices = {"eth0": nic, "root": {"type": "disk", "path": "/", "pool": POOL}}
        self.rest.ask("POST", "/1.0/profiles", {"name": PROFILE, "config": {"boot.autostart": "false"}, "devices": devices})
        tiny_image.import_image(self.rest, "fast", "fast")

    def _join(self) -> dict[str, Any]:
        return {
            "server_name": "two",
            "enabled": True,
            "server_address": self.addresses["two"],
            "cluster_address": self.addresses["one"],
            "cluster_certificate": (self.members["one"].directory / "cluster.crt").read_text(),
            "cluster_password": PASSWORD,
            "member_config": [{"entity": "storage-pool", "name": POOL, "key": "source", "value": ""}],
        }

    def delete(self) -> None:
        """Stop everything and remove it."""
        for member in reversed(self.members.values()):
            member.delete()
        self.directory.rmdir()
