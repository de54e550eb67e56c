"""The values that settings hold and their text forms: durations, addresses, domain names.

Every ``parse_*`` raises `ValueError` with a message that goes on after "the setting ...", such as
"must be ...".
"""

from __future__ import annotations

import ipaddress
import re
from fractions import Fraction

import attrs

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_PORT = 65535

# Go's units (https://pkg.go.dev/time#ParseDuration); both code points for micro are in use.
_UNITS = {
    "h": Fraction(3600),
    "m": Fraction(60),
    "s": Fraction(1),
    "ms": Fraction(1, 10**3),
    "us": Fraction(1, 10**6),
    "\u00b5s": Fraction(1, 10**6),
    "\u03bcs": Fraction(1, 10**6),
    "ns": Fraction(1, 10**9),
}
# The count of digits is bounded: a number that no float can hold would not raise ValueError.
_DURATION_PART = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)", re.ASCII)
_ADDRESS = re.compile(r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<host>[^\[\]:]*)):(?P<port>\d{1,5})", re.ASCII)
# DNS allows no underscores in host names, but container networks resolve names with them.
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?", re.ASCII)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_MAX_DOMAIN = 253
_SECOND = 1_000_000


def parse_duration(text: str) -> float:
    """Seconds in a duration of Go's form: ``30s``, ``1m30s``, ``1.5h``, ``250ms`` or a bare ``0``.

    Raises `ValueError` for anything else, negative durations included.
    """
    if text == "0":
        return 0.0
    parts: list[tuple[str, str]] = _DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError("must be a duration such as 30s, 1m30s or 250ms")
    return float(sum(Fraction(number) * _UNITS[unit] for number, unit in parts))


def format_duration(seconds: float) -> str:
    """Write seconds as a duration that `parse_duration` reads back, exact to a microsecond."""
    micros = round(seconds * _SECOND)
    if 0 < micros < _SECOND:
        return f"{_decimal(micros, 1_000)}ms"
    hours, rest = divmod(micros, 3600 * _SECOND)
    minutes, rest = divmod(rest, 60 * _SECOND)
    parts = [f"{hours}h" if hours else "", f"{minutes}m" if minutes else ""]
    parts.append(f"{_decimal(rest, _SECOND)}s" if rest else "")
    return "".join(parts) or "0s"


def _decimal(number: int, scale: int) -> str:
    whole, part = divmod(number, scale)
    digits = str(part).zfill(len(str(scale)) - 1).rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)


@attrs.frozen
class Address:
    """A TCP address: ``host:port``, ``[IPv6]:port``, or ``:port`` to listen on every interface.

    ``host`` is an IP literal without brackets, a host name or empty; ``port`` is 0 to 65535, where
    0 asks the system for a free one.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read the text form, which `str` gives back. Raises `ValueError`."""
        match = _ADDRESS.fullmatch(text)
        if match is None or int(match["port"]) > MAX_PORT:
            raise ValueError("must be host:port, :port or [IPv6 address]:port")
        if match["v6"] is not None:
            return cls(_ipv6(match["v6"]), int(match["port"]))
        return cls(parse_host(match["host"]), int(match["port"]))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def _ipv6(text: str) -> str:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        raise ValueError("must have an IPv6 address in its brackets") from None
    return text


def parse_host(text: str) -> str:
    """Check an IP literal (no brackets) or a host name, or nothing, which is every interface."""
    if not text or _is_ip(text):
        return text
    if not _HOST.fullmatch(text) or _numeric(text):
        raise ValueError("must have an IP address or a host name as its host")
    return text


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _numeric(name: str) -> bool:
    """Whether a name would pass for an IPv4 address: 127.0.0.256 is a slip, not a host."""
    return name.rpartition(".")[2].isdigit()


def parse_domain(text: str) -> str:
    """Check a DNS name (RFC 1035 labels; international ones as ``xn--``) and give it in lower case.

    Raises `ValueError`, also for a trailing dot: the name is joined to others and compared as text.
    """
    name = text.lower()
    labels_fit = all(_LABEL.fullmatch(label) for label in name.split("."))
    if not labels_fit or len(name) > _MAX_DOMAIN or _numeric(name):
        raise ValueError("must be a DNS name such as example.org")
    return name


def parse_certificate_name(text: str) -> str:
    """Check a name that a certificate may hold: a DNS name, with or without ``*.`` before it."""
    prefix = "*." if text.startswith("*.") else ""
    return prefix + parse_domain(text.removeprefix(prefix))
