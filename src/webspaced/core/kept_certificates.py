"""Members' certificates as LXD keeps them: a key of the instance for each domain, beside the webspace's document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from attrs import frozen

from webspaced.core.certificate import LARGEST_CHAIN, LARGEST_KEY, Certificate, understand
from webspaced.core.domains import is_servable
from webspaced.core.json_text import parse as parse_json
from webspaced.errors import Invalid

PREFIX = "user._webspaced_certificate."
"""What the key begins with; the domain follows."""
LONGEST = 2 * (LARGEST_CHAIN + LARGEST_KEY)
"""Characters: what is longer was not written by webspaced, and is not read."""
REMEMBERED = 512
"""Certificates that are not read again whenever their webspace starts or stops."""


def certificate_key(domain: str) -> str:
    """Give the key of an instance under which the certificate for a domain is kept."""
    return f"{PREFIX}{domain}"


def dump(certificate: Certificate, uid: int) -> str:
    """Give the text to keep in LXD. As with documents, it counts only while the instance is that user's."""
    document = {"user": uid, "certificate": certificate.chain, "key": certificate.key}
    return json.dumps(document, separators=(",", ":"))


@frozen(kw_only=True)
class Kept:
    """What an instance has of certificates, by domain."""

    good: Mapping[str, Certificate] = MappingProxyType({})
    bad: Mapping[str, str] = MappingProxyType({})
    """Why it cannot be served, by domain."""


NONE = Kept()


def load(config: Mapping[str, str], uid: int) -> Kept:
    """Give what is kept for a user among an instance's keys, which somebody may have written by hand."""
    texts = {name.removeprefix(PREFIX): text for name, text in config.items() if name.startswith(PREFIX) and text}
    if not texts:
        return NONE
    good: dict[str, Certificate] = {}
    bad: dict[str, str] = {}
    for domain, text in sorted(texts.items()):
        if not is_servable(domain):
            continue
        try:
            user, certificate = _read(text)
            if not certificate.covers(domain):
                bad[domain] = "it is for other names"
            elif user == uid:
                good[domain] = certificate
        except Invalid as error:
            bad[domain] = str(error)
    return Kept(good=good, bad=bad)


@lru_cache(maxsize=REMEMBERED)
def _read(text: str) -> tuple[int, Certificate]:
    if len(text) > LONGEST:
        message = f"it has more than {LONGEST} characters"
        raise Invalid(message)
    try:
        document = parse_json(text)
        user, chain, key = document["user"], document["certificate"], document["key"]
    except (ValueError, TypeError, KeyError):
        message = "it is not the JSON that webspaced writes"
        raise Invalid(message) from None
    if type(user) is not int or not isinstance(chain, str) or not isinstance(key, str):
        message = "it is not the JSON that webspaced writes"
        raise Invalid(message)
    return user, understand(chain, key)
