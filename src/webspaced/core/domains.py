"""Members' own domains: what may be one, and how a member shows that it is theirs."""

from __future__ import annotations

from ipaddress import ip_address

import idna

from webspaced.core.names import LONGEST_DOMAIN, is_domain
from webspaced.errors import Invalid

SPECIAL = frozenset({"invalid", "local", "localhost", "onion", "test"})
"""Top-level names of special use. webspaced's own router stands below ``invalid``."""
PROOF_LABEL = "_webspaced"


def parse_own_domain(text: str, service_domain: str) -> str:
    """Give a domain as DNS and certificates have it: lower case, international labels as ``xn--`` (RFC 5891, UTS 46).

    :param service_domain: the service's own, below which every member has a default domain.
    :raises Invalid: it is a wildcard, an address or no name at all, or it is the service's own domain, inside it, or
        above it.
    """
    name = text.strip().removesuffix(".")
    if "*" in name:
        message = "a domain cannot be a wildcard: add each name by itself"
        raise Invalid(message)
    if _is_address(name):
        message = f"{text!r} is an address, not a domain"
        raise Invalid(message)
    domain = _encoded(name)
    if is_special(domain):
        message = f"{domain} is not a name of the public DNS (RFC 6761)"
        raise Invalid(message)
    if _is_address(domain):
        # Full-width digits and the like became plain ones.
        message = f"{text!r} is an address, not a domain"
        raise Invalid(message)
    if domain == service_domain or domain.endswith(f".{service_domain}"):
        message = f"{domain} belongs to this service"
        raise Invalid(message)
    if service_domain.endswith(f".{domain}"):
        message = f"{domain} is above this service's own domain"
        raise Invalid(message)
    return domain


def is_special(domain: str) -> bool:
    """Whether a name lies where none can be anybody's (RFC 6761, 6762, 7686): what resolves there differs by network."""
    return domain.rpartition(".")[2] in SPECIAL


def is_servable(domain: str) -> bool:
    """Whether a name out of a document may be routed: a DNS name that can be somebody's."""
    return is_domain(domain) and not is_special(domain)


def proof_names(domain: str) -> tuple[str, str]:
    """Give the names at which a domain is proved: itself, and one below it, as nothing can stand beside a CNAME."""
    return domain, f"{PROOF_LABEL}.{domain}"


def normalized(text: str) -> str:
    """Give a name as :func:`parse_own_domain` would, and one that is none in lower case: to find it among others."""
    name = text.strip().removesuffix(".")
    try:
        return _encoded(name)
    except Invalid:
        return name.lower()


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        # Some take 127.1 for an address, too.
        return name.rpartition(".")[2].isdigit()
    return True


def _encoded(name: str) -> str:
    try:
        domain = idna.encode(name, uts46=True, std3_rules=True).decode("ascii")
    except idna.IDNAError as error:
        message = f"{name[:LONGEST_DOMAIN]!r} is not a domain name: {error}"
        raise Invalid(message) from error
    if "." not in domain or not is_domain(domain):
        message = f"{name[:LONGEST_DOMAIN]!r} is not a domain name such as example.org"
        raise Invalid(message)
    return domain


def proof(uid: int) -> str:
    """Give the text of the TXT record by which whoever rules a domain says whose webspace may have it."""
    return f"webspace:id:{uid}"
