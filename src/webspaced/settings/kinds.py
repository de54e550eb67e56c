"""The kinds of settings: how each is read from what a source gives, and how it is written.

A kind reads YAML's own type and, wherever that cannot be mistaken, the same as text. The
environment has only texts, and templated YAML often quotes what needs no quotes.
"""

from __future__ import annotations

import ipaddress
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

import attrs

from webspaced.settings.values import (
    MAX_PORT,
    Address,
    IPAddress,
    IPNetwork,
    format_duration,
    parse_certificate_name,
    parse_domain,
    parse_duration,
    parse_host,
)

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,18}(?:\.\d{1,18})?", re.ASCII)
# Go's strconv.ParseBool, which deployments' variables were written for.
_FLAGS = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}
_LONGEST = 366 * 86400.0


@attrs.frozen
class Kind(Generic[T]):
    """One kind of value.

    ``parse`` reads what YAML or the environment gave and raises `ValueError` with a message that
    goes on after "the setting ..."; ``raw`` gives the value back in YAML's types, so that
    ``parse(raw(x)) == x``. Without ``echo`` a problem does not show the value, as it could hold a
    password.
    """

    name: str
    parse: Callable[[object], T]
    raw: Callable[[T], object]
    echo: bool = True


def _text(value: object) -> str:
    # A number is not turned into text: YAML reads 0123 as 83, which is another password.
    if not isinstance(value, str):
        raise ValueError("must be text (put it in quotes)")  # noqa: TRY004 - see Kind
    return value


def _of_text(
    name: str, parse: Callable[[str], T], raw: Callable[[T], object] = str, *, echo: bool = True
) -> Kind[T]:
    return Kind(name, lambda value: parse(_text(value)), raw, echo)


def matching(name: str, pattern: str, meaning: str) -> Kind[str]:
    """Text that matches the whole of a pattern; ``meaning`` tells people what that is."""
    compiled = re.compile(pattern, re.ASCII)

    def parse(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(f"must be {meaning}")
        return text

    return _of_text(name, parse)


def choice(*options: str) -> Kind[str]:
    """One of some words."""

    def parse(text: str) -> str:
        if text not in options:
            raise ValueError(f"must be one of {', '.join(options)}")
        return text

    return _of_text(" \\| ".join(options), parse)


def level(*options: str, **other: str) -> Kind[str]:
    """One of some words in any case; ``other`` words stand for one of them."""
    known = {option: option for option in options} | other

    def parse(text: str) -> str:
        if text.lower() not in known:
            raise ValueError(f"must be one of {', '.join(known)}")
        return known[text.lower()]

    return _of_text(" \\| ".join(options), parse)


def _in_range(value: T, low: float, high: float, found: float, unit: str) -> T:
    if not low <= found <= high:
        bound = f"at least {low:g}" if math.isinf(high) else f"between {low:g} and {high:g}"
        raise ValueError(f"must be {unit} {bound}")
    return value


def integer(low: int, high: float = math.inf) -> Kind[int]:
    """Whole numbers from ``low`` to ``high``, both included."""

    def parse(value: object) -> int:
        if isinstance(value, str) and _INTEGER.fullmatch(value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError("must be a whole number")  # noqa: TRY004 - see Kind
        return _in_range(value, low, high, value, "a whole number")

    return Kind("integer", parse, int)


def number(low: float, high: float = math.inf) -> Kind[float]:
    """Finite numbers from ``low`` to ``high``, both included."""

    def parse(value: object) -> float:
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            value = float(value)
        if (
            not isinstance(value, int | float)
            or isinstance(value, bool)
            or not math.isfinite(value)
        ):
            raise ValueError("must be a number")
        return _in_range(float(value), low, high, value, "a number")

    return Kind("number", parse, lambda value: int(value) if value.is_integer() else value)


def duration(shortest: float = 0.0) -> Kind[float]:
    """Durations of Go's form, from ``shortest`` (in seconds) to about a year, as seconds."""

    def parse(value: object) -> float:
        # Of the bare numbers only 0 needs no unit. false is 0 to Python, yet no duration.
        given = "0" if value == 0 and not isinstance(value, bool) else value
        if not isinstance(given, str):
            raise ValueError("must be a duration with its unit, such as 30s, 1m30s or 250ms")  # noqa: TRY004 - see Kind
        seconds = parse_duration(given)
        if not shortest <= seconds <= _LONGEST:
            bounds = f"{format_duration(shortest)} and {format_duration(_LONGEST)}"
            raise ValueError(f"must be a duration between {bounds}")
        return seconds

    return Kind("duration", parse, format_duration)


def listing(element: Kind[T]) -> Kind[tuple[T, ...]]:
    """Build the kind of lists of another kind; as text its elements are separated by commas."""

    def parse(value: object) -> tuple[T, ...]:
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        if not isinstance(value, list):
            raise ValueError("must be a list")  # noqa: TRY004 - see Kind
        return tuple(_element(element, number, item) for number, item in enumerate(value, 1))

    return Kind(
        f"list of {element.name}", parse, lambda items: [element.raw(item) for item in items]
    )


def _element(kind: Kind[T], number: int, item: object) -> T:
    try:
        return kind.parse(item)
    except ValueError as error:
        raise ValueError(f"has a wrong element, number {number}, which {error}") from None


def _flag(value: object) -> bool:
    found = _FLAGS.get(value.lower()) if isinstance(value, str) else value
    if not isinstance(found, bool):
        raise ValueError("must be true or false")  # noqa: TRY004 - see Kind
    return found


def _path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError("must be a path")
    try:
        # Absolute at once, because a daemon in the background changes its directory.
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise ValueError("begins with ~, but there is no such home directory") from None


def _stream(text: str) -> str:
    return text if text in ("", "stdout", "stderr") else str(_path(text))


def _optional_address(value: object) -> Address | None:
    # YAML reads an unquoted off as false.
    return None if value is False or value == "off" else Address.parse(_text(value))


def _ip(text: str) -> IPAddress:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("must be an IP address") from None


def _network(text: str) -> IPNetwork:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise ValueError(
            "must be a network such as 10.0.0.0/8 or fd00::/8, with no bits set after its prefix"
        ) from None


def _web_url(text: str) -> str:
    parts = _split(text)
    if parts is None or parts.scheme not in {"http", "https"} or parts.query or parts.fragment:
        raise ValueError("must be a URL such as https://example.org, without credentials")
    return text.rstrip("/")


_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]{0,30}://(?:[a-z0-9_.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?", re.ASCII)
_USUAL_PORTS = {"http": ":80", "https": ":443"}


def parse_origin(text: str) -> str:
    """Check a web origin (RFC 6454) or ``*``, and give the form that browsers send: small letters, no usual port."""
    origin = text.lower().removesuffix("/")
    if origin in {"*", "null"}:
        return origin
    if not _ORIGIN.fullmatch(origin):
        raise ValueError("must be an origin such as https://example.org, or *")
    return origin.removesuffix(_USUAL_PORTS.get(origin.partition(":")[0], "/"))


def _lxd_url(text: str) -> str:
    # "unix://" alone has always meant the local daemon, wherever its socket is.
    if text in {"", "unix://"}:
        return ""
    if text.startswith("unix:///"):
        return text
    parts = _split(text)
    if (
        parts is None
        or parts.scheme != "https"
        or parts.path.strip("/")
        or parts.query
        or parts.fragment
    ):
        raise ValueError(
            "must be unix:///path/to/socket or https://host[:port], or empty for a local socket"
        )
    return text.rstrip("/")


def _split(text: str) -> SplitResult | None:
    """The parts of a URL that names a host and no user; None for anything else."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    printable = text.isascii() and text.isprintable() and " " not in text
    return parts if parts.hostname and "@" not in parts.netloc and port != 0 and printable else None


def _secret(text: str) -> str:
    # Editors, templates and YAML's | end a text with a line break that is no part of the secret.
    secret = text.rstrip("\r\n")
    if not secret:
        raise ValueError("is empty")
    return secret


def _pem(text: str) -> str:
    if "-----BEGIN " not in text:
        raise ValueError("must be PEM text itself, not a path")
    return text


def _time_zone(text: str) -> str:
    try:
        return ZoneInfo(text).key if text else ""
    except (KeyError, ValueError, OSError):
        # The name of a folder of the tz database is an OSError.
        raise ValueError("must be a name of the tz database such as Europe/Berlin") from None


def _leases(text: str) -> str:
    return _web_url(text) if "://" in text else str(_path(text))


FLAG = Kind("true \\| false", _flag, bool)
ORIGIN = _of_text("origin", parse_origin)
PORT = integer(1, MAX_PORT)
PATH = _of_text("path", _path)
OPTIONAL_PATH: Kind[Path | None] = _of_text("path", _path, lambda path: str(path or ""))
STREAM = _of_text("path \\| stdout \\| stderr", _stream)
ADDRESS = _of_text("address", Address.parse)
OPTIONAL_ADDRESS = Kind("address \\| off", _optional_address, lambda address: str(address or "off"))
HOST = _of_text("host", parse_host)
IP: Kind[IPAddress] = _of_text("IP address", _ip)
NETWORK: Kind[IPNetwork] = _of_text("network", _network)
DOMAIN = _of_text("domain", parse_domain)
CERTIFICATE_NAME = _of_text("domain", parse_certificate_name)
WEB_URL = _of_text("URL", _web_url, echo=False)
LXD_URL = _of_text("URL", _lxd_url, echo=False)
SECRET = _of_text("secret", _secret, echo=False)
PEM = _of_text("PEM", _pem, echo=False)
NAME = matching("name", r"[!-~]+", "a name without spaces")
LABEL = matching("name", r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "one label of a host name, in small letters")
AGENT = matching("text", r"[ -~]{3,200}", "a piece of a user agent's name, of at least 3 characters")
TIME_ZONE = _of_text("time zone", _time_zone)
LEASES = _of_text("path or URL", _leases)
ENTRYPOINT = matching("name", r"[A-Za-z0-9_-]+", "letters, digits, - and _")
# What LXD allows at the start of an instance's name, with room left for the number that follows.
INSTANCE_PREFIX = matching(
    "text", r"[A-Za-z][A-Za-z0-9-]{0,30}", "1 to 31 letters, digits and hyphens, a letter first"
)
