"""Names that end up in rules and configuration, checked once at the rim."""

from __future__ import annotations

import re

from webspaced.core.brief import shown
from webspaced.errors import Invalid

# RFC 1035 section 2.3.4, as text.
LONGEST_DOMAIN = 253
# RFC 1035 label; underscores and dots would change the meaning of a host rule.
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_INSTANCE_SUFFIX = re.compile(r"u([1-9][0-9]{0,17}|0)")


def parse_username(text: str) -> str:
    """Give the username in lower case.

    :raises Invalid: it is not one DNS label, so it could not be part of a host name.
    """
    lowered = text.lower()
    # Some letters outside ASCII have ASCII lower cases.
    if not text.isascii() or not _LABEL.fullmatch(lowered):
        message = f"the username {shown(text)} is not a DNS label"
        raise Invalid(message)
    return lowered


def is_domain(text: str) -> bool:
    """Whether the text is a lower-case DNS name of at least one label, at most 253 characters."""
    return len(text) <= LONGEST_DOMAIN and all(_LABEL.fullmatch(label) for label in text.split("."))


def default_domain(username: str, domain: str) -> str:
    """Give the host name under which a member's webspace is always reachable."""
    return f"{username}.{domain}"


def instance_name(prefix: str, uid: int) -> str:
    """Give the LXD name of a user's instance, such as ``ws-u7``."""
    return f"{prefix}u{uid}"


def uid_of_instance(prefix: str, name: str) -> int | None:
    """Give the user id that an instance's name carries, or ``None`` if the name is not a webspace's."""
    if not name.startswith(prefix):
        return None
    match = _INSTANCE_SUFFIX.fullmatch(name, len(prefix))
    return int(match[1]) if match else None
