"""The device in the kernel: brought to what is wanted by the fewest writes, never taken down.

By netlink (rtnetlink(7)), with pyroute2. It blocks for some milliseconds: call it in a thread.
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_interface
from typing import Any

from attrs import define, field, frozen
from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from webspaced.errors import Conflict, Unavailable
from webspaced.lan.overlay import IPAddress, IPInterface, Overlay, mtu_above
from webspaced.lan.plan import FLOOD, Entry, difference

ETHERNET = 1500
PERMANENT = 0x80
"""``NUD_PERMANENT``: such an entry does not age."""


@frozen(kw_only=True)
class Applied:
    """What a pass did. ``announce``: addresses that others have to hear of, with the device on which they are."""

    writes: int = 0
    created: bool = False
    announce: tuple[IPInterface, ...] = ()
    on: str = ""
    peers: int = 0


@define
class _Pass:
    """One pass, with what it has written."""

    kernel: IPRoute
    overlay: Overlay
    writes: int = field(default=0, init=False)
    moved: bool = field(default=False, init=False)
    """Whether what has an address on the LAN is another device, or elsewhere, than before."""

    def apply(self, peers: Collection[IPAddress], *, adopts: bool, only_adds: bool) -> Applied:
        if adopts:
            index, created = self._index(self.overlay.interface), False
        else:
            index, created = self._device()
            self._settings(index)
        carrier, on = index, self.overlay.interface
        if self.overlay.bridge is not None:
            carrier, on = self._member_of_bridge(index, self.overlay.bridge), self.overlay.bridge
        added = self._addresses(carrier)
        entries = () if adopts else self._peers(index, peers, only_adds=only_adds)
        announce = self.overlay.addresses if created or self.moved else added
        return Applied(
            writes=self.writes, created=created, announce=announce, on=on, peers=len({each.peer for each in entries})
        )

    def _device(self) -> tuple[int, bool]:
        """Give the index of the device, made where there is none that fits."""
        there = self._link(self.overlay.interface)
        if there is not None:
            if self._fits(there):
                return there["index"], False
            self._write("link", "del", index=there["index"])
        local = "vxlan_local" if self.overlay.local.version == 4 else "vxlan_local6"  # noqa: PLR2004
        self._write(
            "link", "add", ifname=self.overlay.interface, kind="vxlan", vxlan_id=self.overlay.vni, vxlan_learning=True,
            vxlan_port=self.overlay.port, address=self.overlay.hardware_address, **{local: str(self.overlay.local)},
        )  # fmt: skip
        return self._index(self.overlay.interface), True

    def _fits(self, link: Any) -> bool:
        """Whether a device is the one that is wanted.

        :raises Conflict: it is of another kind, so that it is somebody else's.
        """
        about = link.get_attr("IFLA_LINKINFO")
        kind = None if about is None else about.get_attr("IFLA_INFO_KIND")
        if kind != "vxlan":
            message = f"{self.overlay.interface} is there already, and no VXLAN ({kind or 'a device of hardware'})"
            raise Conflict(message)
        data = about.get_attr("IFLA_INFO_DATA")
        found = data.get_attr("IFLA_VXLAN_LOCAL") or data.get_attr("IFLA_VXLAN_LOCAL6")
        has = (data.get_attr("IFLA_VXLAN_ID"), data.get_attr("IFLA_VXLAN_PORT"), found and ip_address(found))
        return has == (self.overlay.vni, self.overlay.port, self.overlay.local)

    def _settings(self, index: int) -> None:
        link = self.kernel.get_links(index)[0]
        wanted: dict[str, Any] = {"mtu": self.overlay.mtu or self._mtu(), "address": self.overlay.hardware_address}
        has = {"mtu": link.get_attr("IFLA_MTU"), "address": link.get_attr("IFLA_ADDRESS")}
        changes = {name: value for name, value in wanted.items() if has[name] != value}
        if changes:
            self.moved = self.moved or "address" in changes
            self._write("link", "set", index=index, **changes)
        if link["flags"] & 1 == 0:
            self._write("link", "set", index=index, state="up")

    def _mtu(self) -> int:
        return mtu_above(mtu_below(self.kernel, self.overlay.local) or ETHERNET, self.overlay.local.version)

    def _member_of_bridge(self, index: int, name: str) -> int:
        bridge = self._index(name)
        if self.kernel.get_links(index)[0].get_attr("IFLA_MASTER") != bridge:
            self._write("link", "set", index=index, master=bridge)
            self.moved = True
        return bridge

    def _addresses(self, index: int) -> tuple[IPInterface, ...]:
        """Add those that are missing; others' stay."""
        there = {
            ip_interface(f"{each.get_attr('IFA_ADDRESS')}/{each['prefixlen']}") for each in self.kernel.get_addr(index=index)
        }
        missing = tuple(each for each in self.overlay.addresses if each not in there)
        for each in missing:
            self._write("addr", "add", index=index, address=str(each.ip), prefixlen=each.network.prefixlen)
        return missing

    def _peers(self, index: int, peers: Collection[IPAddress], *, only_adds: bool) -> Collection[Entry]:
        entries = entries_of(self.kernel, index)
        changes = difference(peers, entries)
        for entry in () if only_adds else changes.remove:
            with _tolerant(errno.ENOENT):
                self._write("fdb", "del", ifindex=index, lladdr=entry.hardware_address, dst=str(entry.peer))
        for peer in changes.append:
            self._write("fdb", "append", ifindex=index, lladdr=FLOOD, dst=str(peer), state=PERMANENT)
        return entries_of(self.kernel, index) if changes else entries

    def _link(self, name: str) -> Any:
        found = self.kernel.link_lookup(ifname=name)
        return self.kernel.get_links(found[0])[0] if found else None

    def _index(self, name: str) -> int:
        found = self.kernel.link_lookup(ifname=name)
        if not found:
            message = f"there is no device {name}"
            raise Unavailable(message)
        return int(found[0])

    def _write(self, what: str, *words: Any, **values: Any) -> None:
        getattr(self.kernel, what)(*words, **values)
        self.writes += 1


def entries_of(kernel: IPRoute, index: int) -> Collection[Entry]:
    """Give a device's forwarding table."""
    return {
        Entry(each.get_attr("NDA_LLADDR"), ip_address(each.get_attr("NDA_DST")))
        for each in kernel.fdb("dump", ifindex=index)
        if each["ifindex"] == index and each.get_attr("NDA_DST") is not None
    }


def mtu_below(kernel: IPRoute, local: IPAddress) -> int | None:
    """Give the MTU of the device that has our address on the network below, if one has."""
    for each in kernel.get_addr():
        if each.get_attr("IFA_ADDRESS") == str(local):
            return int(kernel.get_links(each["index"])[0].get_attr("IFLA_MTU"))
    return None


@frozen(kw_only=True)
class Seen:
    """A device as it is: ``below`` is the MTU of the network below, ``bridge`` what it is a port of."""

    mtu: int
    below: int | None
    bridge: str | None
    peers: frozenset[IPAddress]


def look(overlay: Overlay) -> Seen | None:
    """Look at the device; ``None`` where there is none of its name."""
    with IPRoute() as kernel:
        found = kernel.link_lookup(ifname=overlay.interface)
        if not found:
            return None
        link = kernel.get_links(found[0])[0]
        master = link.get_attr("IFLA_MASTER")
        bridge = None if master is None else str(kernel.get_links(master)[0].get_attr("IFLA_IFNAME"))
        peers = frozenset(each.peer for each in entries_of(kernel, found[0]))
        below = mtu_below(kernel, overlay.local)
        return Seen(mtu=int(link.get_attr("IFLA_MTU")), below=below, bridge=bridge, peers=peers)


def apply(
    overlay: Overlay, peers: Collection[IPAddress], *, adopts: bool = False, only_adds: bool = False
) -> Applied:
    """Bring the device of this network namespace to what is wanted; nothing is written where it is so.

    :param adopts: the device is one that others made: only its bridge and addresses are seen to.
    :param only_adds: nobody is taken off, as not all peers are known.
    :raises Conflict: the device's name is somebody else's.
    :raises Unavailable: the bridge, or a device that is to be adopted, is not there; or the kernel refuses.
    """
    try:
        with IPRoute() as kernel:
            return _Pass(kernel, overlay).apply(peers, adopts=adopts, only_adds=only_adds)
    except NetlinkError as error:
        message = f"the kernel refuses: {error}"
        raise Unavailable(message) from error


@contextmanager
def _tolerant(code: int) -> Iterator[None]:
    """Bear that something is so already: what was learnt may age between a look and a write."""
    try:
        yield
    except NetlinkError as error:
        if error.code != code:
            raise
