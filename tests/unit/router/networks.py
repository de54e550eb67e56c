"""LANs and seats for the tests of the router."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv6Interface, ip_address

from webspaced.router.lan import Lan, Span
from webspaced.router.plan import Reservation, Seat

LAN = Lan(
    interface="lan0",
    router=IPv4Interface("172.24.254.1/16"),
    router6=IPv6Interface("fd42::1/64"),
    plan=Span.parse("172.24.1.1-172.24.253.254"),
    infrastructure=(ip_address("172.24.254.2"), ip_address("172.24.0.254"), ip_address("fd42::254")),
)


def mac(number: int) -> str:
    return f"00:16:3e:00:{number >> 8:02x}:{number & 255:02x}"


def seat(number: int, address: str = "", *, born: str = "", by_nic: bool = False, project: str = "default") -> Seat:
    return Seat(
        project=project,
        instance=f"ws-u{number}",
        mac=mac(number),
        created_at=born or f"2026-01-01T00:00:{number % 60:02d}Z",
        address=IPv4Address(address) if address else None,
        by_nic=by_nic,
    )


def reservation(number: int, address: str, address6: str = "", project: str = "default") -> Reservation:
    return Reservation(
        mac=mac(number),
        address=IPv4Address(address),
        address6=ip_address(address6) if address6 else None,  # type: ignore[arg-type]
        project=project,
        instance=f"ws-u{number}",
    )
