"""The settings of the container network; those of kubelan, whose place it takes, are here with their names."""

# ruff: noqa: RUF009 - attrs fields, declared by functions that ruff does not know

from __future__ import annotations

from ipaddress import ip_address, ip_interface
from pathlib import Path
from typing import Any, Final

import attrs

from webspaced.lan.overlay import IPInterface, Overlay
from webspaced.settings import Address, Schema
from webspaced.settings.declared import SYSTEM_FOLDERS, Computed
from webspaced.settings.derive import address_towards
from webspaced.settings.fields import section, setting
from webspaced.settings.kinds import ADDRESS, FLAG, HOST, IP, Kind, duration, integer, listing, matching
from webspaced.settings.service import ServiceSettings
from webspaced.settings.values import IPAddress

FORMER_FILE: Final = "kubelan.yaml"
ANYWHERE: Final = "192.0.2.1"
"""An address that no route but the default one leads to (RFC 5737). Nothing is sent."""
MOST_VNI: Final = 2**24 - 1
FOLLOWS: Final = -1


def _interface(value: object) -> IPInterface:
    if not isinstance(value, str) or "/" not in value:
        raise ValueError("must be an address with the length of its network, such as 172.24.0.1/16")
    try:
        return ip_interface(value)
    except ValueError:
        raise ValueError("must be an address with the length of its network, such as 172.24.0.1/16") from None


DEVICE = matching("device", r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}", "the name of a device, of 15 characters at most")
SERVICE = matching(
    "service", r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?/)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "[namespace/]name of a Service"
)
NAMESPACE = matching("name", r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "the name of a namespace")
SELECTOR = matching("selector", r"[A-Za-z0-9_./=!,() -]{1,500}", "a label selector such as app=lxd")
WORD: Kind[str] = matching("text", r"[^\0]+", "text")
LAN_ADDRESS: Kind[IPInterface] = Kind("address/length", _interface, str)


@attrs.frozen(kw_only=True)
class Vxlan:
    """The device."""

    interface: str = setting(DEVICE, "Its name.", default="kubelan")
    vni: int = setting(integer(1, MOST_VNI), "The number of the network; all ends have the same.", default=6969)
    port: int = setting(
        integer(1, 65535), "The UDP port; another one where the cluster's own network has this.", default=4789
    )
    mtu: int = setting(
        integer(FOLLOWS, 65535),
        "Of the device; -1 is that of the network below less 50 over IPv4, and less 70 over IPv6.",
        default=FOLLOWS, unit="bytes",
    )  # fmt: skip


@attrs.frozen(kw_only=True)
class Hooks:
    """Programs that are run, each a list of its words."""

    up: tuple[str, ...] = setting(
        listing(WORD), "Once the device is there; the variable `IFACE` names it.", default=(), example=["ip", "link"]
    )
    change: tuple[str, ...] = setting(
        listing(WORD),
        "When peers of a service come or go; variables `IFACE`, `SERVICE`, `IPS` (blanks between), `DELETED`.",
        default=(), example=["logger", "peers"],
    )  # fmt: skip


@attrs.frozen(kw_only=True)
class Settings(ServiceSettings):
    """The settings of webspaced-lan."""

    http_address: Address = setting(
        ADDRESS, "Where `/health`, `/config`, `/live`, `/ready` and `/metrics` are.", default=Address("", 8181)
    )
    ip: IPAddress = setting(
        IP, "The address of this end on the network below, a pod's own.", default=ip_address("127.0.0.1"),
        computed="the address of the default route",
    )  # fmt: skip
    namespace: str | None = setting(
        NAMESPACE, "Of services without one, and of `pods`; by default that of our own pod.", default=None, example="hosting"
    )
    services: tuple[str, ...] = setting(
        listing(SERVICE), "Every pod behind one of them is a peer, ready or not.", default=(), example=["lxd", "other/web"]
    )
    pods: str | None = setting(
        SELECTOR, "Every pod with these labels is a peer, too; it is seen before it is behind a Service.", default=None,
        example="webspaced.lan=yes",
    )  # fmt: skip
    names: tuple[str, ...] = setting(
        listing(HOST), "Every address of these names is a peer, too.", default=(), example=["lxd.example.org"]
    )
    peers: tuple[IPAddress, ...] = setting(listing(IP), "Peers that are always there.", default=(), example=["10.0.0.2"])
    existing: bool = setting(
        FLAG, "Others make the device (Multus, a VLAN, OVN): only its bridge and addresses are seen to.", default=False
    )
    bridge: str | None = setting(DEVICE, "The bridge of which the device is a port.", default=None, example="lxdbr0")
    addresses: tuple[IPInterface, ...] = setting(
        listing(LAN_ADDRESS),
        "Our addresses on the LAN: on the bridge, or on the device where there is none. The device's hardware address"
        " follows from the first one.",
        default=(), example=["172.24.0.1/16"],
    )  # fmt: skip
    guard: bool = setting(
        FLAG, "Drop what does not come from a peer, by nftables: VXLAN itself knows no strangers.", default=True
    )
    required_peers: int = setting(integer(0), "So many peers make it ready.", default=0)
    look: float = setting(
        duration(0.1), "Between looks at what the kernel has: what others change is put right.", default=5.0, unit="seconds"
    )
    vxlan: Vxlan = section(Vxlan)
    hooks: Hooks = section(Hooks)

    @property
    def overlay(self) -> Overlay:
        """What is wanted of the device."""
        vxlan = self.vxlan
        return Overlay(
            interface=vxlan.interface, vni=vxlan.vni, port=vxlan.port, local=self.ip, bridge=self.bridge,
            mtu=None if vxlan.mtu <= 0 else vxlan.mtu, addresses=self.addresses,
        )  # fmt: skip


def _ip(_values: Any) -> IPAddress:
    return address_towards(ANYWHERE, 9)


SCHEMA: Final = Schema(Settings, name="webspaced-lan", prefix="KL_", computed=(Computed("ip", (), _ip),))


def former_file(cwd: Path) -> Path | None:
    """Give the file of kubelan, where there is one and none of ours."""
    folders = (cwd, *SYSTEM_FOLDERS)
    if any((folder / SCHEMA.file).exists() for folder in folders):
        return None
    return next((path for folder in folders if (path := folder / FORMER_FILE).exists()), None)
