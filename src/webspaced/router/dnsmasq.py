"""What dnsmasq is told: its configuration, a file of addresses and one of names for each instance (dnsmasq(8), 2.90).

Files in ``dhcp-hostsdir`` and ``hostsdir`` are read as soon as they are renamed into place, by inotify. A *removed* file of
``dhcp-hostsdir`` is not noticed, so that one that is to count no more says ``ignore``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from ipaddress import IPv4Address
from pathlib import Path

from attrs import frozen

from webspaced.core.instance import IPAddress
from webspaced.router.lan import Lan
from webspaced.router.plan import Reservation, host_names

_LEASE = re.compile(r"\S+ \S+ (\S+) \S+ \S+")


@frozen(kw_only=True)
class Names:
    """How names are answered.

    - ``domain``: the local zone, which is never asked of others; ``home``: the project whose instances stand in it directly;
    - ``port``: 0 switches names off; ``upstreams``: servers for all other names, ``address`` or ``address#port``;
    - ``rebinding``: whether answers from outside may hold private addresses.
    """

    domain: str
    home: str = "default"
    port: int = 53
    upstreams: Sequence[str] = ()
    rebinding: bool = False


@frozen(kw_only=True)
class Folders:
    """Where dnsmasq's files are."""

    root: Path

    @property
    def configuration(self) -> Path:
        """The configuration."""
        return self.root / "dnsmasq.conf"

    @property
    def addresses(self) -> Path:
        """One file for each hardware address, for DHCP."""
        return self.root / "addresses"

    @property
    def names(self) -> Path:
        """One file for each hardware address, for DNS."""
        return self.root / "names"

    @property
    def leases(self) -> Path:
        """What dnsmasq itself writes."""
        return self.root / "leases"


@frozen(kw_only=True)
class Offer:
    """What DHCP gives beside the address.

    ``lease``: seconds; ``mtu``: bytes, 0: none is told; ``options``: others, such as ``option:ntp-server,10.0.0.9``.
    """

    lease: float = 7200.0
    mtu: int = 0
    options: Sequence[str] = ()


@frozen
class Identity:
    """As whom dnsmasq runs, who must be able to read the folders: the names of a user and of a group."""

    user: str
    group: str


def configuration(lan: Lan, names: Names, offer: Offer, folders: Folders, identity: Identity) -> str:
    """Give the text of the configuration file."""
    return "\n".join([*_process(lan, folders, identity), *_dns(lan, names, folders), *_dhcp(lan, names, offer, folders), ""])


def _process(lan: Lan, folders: Folders, identity: Identity) -> Iterator[str]:
    yield from ("keep-in-foreground", "log-facility=-", f"user={identity.user}", f"group={identity.group}")
    yield from ("pid-file=", "no-hosts", "no-resolv")
    # The interface may come later than dnsmasq does. Loopback is other resolvers'.
    yield from ("bind-dynamic", f"interface={lan.interface}", "except-interface=lo")
    yield f"dhcp-leasefile={folders.leases}"


def _dns(lan: Lan, names: Names, folders: Folders) -> Iterator[str]:
    yield f"port={names.port}"
    yield f"domain={names.domain}"
    if not names.port:
        return
    yield from (f"local=/{names.domain}/", "domain-needed", "bogus-priv", f"hostsdir={folders.names}")
    yield from (f"server={each}" for each in names.upstreams)
    if not names.rebinding:
        yield "stop-dns-rebind"
    yield f"host-record=router.{names.domain},{','.join(map(str, lan.routers))}"


def _dhcp(lan: Lan, names: Names, offer: Offer, folders: Folders) -> Iterator[str]:
    seconds = round(offer.lease)
    # Its own search for an address that answers would make every first start wait for three seconds.
    yield from ("dhcp-authoritative", "no-ping", f"dhcp-hostsdir={folders.addresses}")
    # Names are LXD's; those that clients send would take over somebody else's.
    yield from ("dhcp-ignore-names", f"dhcp-lease-max={lan.network.num_addresses}")
    yield f"dhcp-range={lan.network.network_address},static,{lan.network.netmask},{seconds}"
    if lan.strangers is None:
        yield "dhcp-ignore=tag:!known"
    else:
        yield f"dhcp-range={lan.strangers.first},{lan.strangers.last},{lan.network.netmask},{seconds}"
    yield f"dhcp-option=option:router,{lan.router.ip}"
    if names.port:
        yield f"dhcp-option=option:dns-server,{lan.router.ip}"
    if offer.mtu:
        yield f"dhcp-option=option:mtu,{offer.mtu}"
    yield from (f"dhcp-option={each}" for each in offer.options)
    yield from _dhcp6(lan, names, seconds)


def _dhcp6(lan: Lan, names: Names, seconds: int) -> Iterator[str]:
    if lan.router6 is None or lan.network6 is None:
        return
    yield "enable-ra"
    # Another router that takes over is the way out within seconds, and this one is not for long.
    yield f"ra-param={lan.interface},10,30"
    yield f"dhcp-range={lan.network6.network_address},static,{lan.network6.prefixlen},{seconds}"
    if names.port:
        yield f"dhcp-option=option6:dns-server,[{lan.router6.ip}]"


def file_name(mac: str) -> str:
    """Give the name of the files about a hardware address."""
    return mac.replace(":", "-")


def addresses_line(reservation: Reservation, lease: float) -> str:
    """Give the file's text for DHCP: whoever has this hardware address gets these addresses (``dhcp-host``)."""
    label = re.sub(r"[^a-z0-9-]", "-", reservation.instance.lower()) or "instance"
    second = "" if reservation.address6 is None else f",[{reservation.address6}]"
    return f"{reservation.mac},{reservation.address}{second},{label},{round(lease)}\n"


def read_addresses(text: str) -> Reservation | None:
    """Give whose address such a file has, without the instance; ``None`` for one that says ``ignore``, or anything else."""
    words = text.strip().split(",")
    try:
        return Reservation(mac=words[0], address=IPv4Address(words[1]))
    except (IndexError, ValueError):
        return None


def ignoring_line(mac: str) -> str:
    """Give the file's text for DHCP: whoever has this hardware address gets no answer."""
    return f"{mac},ignore\n"


def names_lines(reservation: Reservation, home: str, domain: str) -> str:
    """Give the file's text for DNS, as in hosts(5)."""
    names = " ".join(host_names(reservation, home, domain))
    both: tuple[IPAddress | None, ...] = (reservation.address, reservation.address6)
    return "".join(f"{address} {names}\n" for address in both if address is not None)


def files(
    reservations: Sequence[Reservation], names: Names, offer: Offer, folders: Folders, before: Collection[str] = ()
) -> Mapping[Path, str]:
    """Give what each file is to hold; an empty text: it is to be removed.

    :param before: names of files that are there.
    """
    wanted: dict[Path, str] = {}
    for name in before:
        wanted[folders.addresses / name] = ignoring_line(name.replace("-", ":"))
        wanted[folders.names / name] = ""
    for each in reservations:
        name = file_name(each.mac)
        wanted[folders.addresses / name] = addresses_line(each, offer.lease)
        wanted[folders.names / name] = names_lines(each, names.home, names.domain)
    return wanted


def without_leases(text: str, gone: Collection[IPAddress]) -> str:
    """Give a lease file without the leases of some addresses (``expiry mac address name client-id``)."""
    texts = {str(address) for address in gone}
    kept = [line for line in text.splitlines() if not ((m := _LEASE.fullmatch(line)) and m[1] in texts)]
    return "".join(f"{line}\n" for line in kept)
