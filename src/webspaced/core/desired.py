"""What is wanted of a webspace, beside what it is: whether it may be woken, and by whose word not (design decision 14)."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from webspaced.errors import Invalid

LONGEST_REASON = 500
"""Characters of a reason."""
UNREADABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
"""What is no character of a text: orders to terminals, halves of characters, and what turns the direction of what follows.

Spaces and joiners of all scripts are characters, and so is what a later Unicode adds. The API's document has the same,
but for the halves, which JSON's texts cannot have.
"""


class Wish(enum.Enum):
    """The three things that can be wanted; the value is what the API and the document say."""

    AUTO = "auto"
    """It sleeps, and a visit wakes it."""
    STOPPED = "stopped"
    """Its member wants it to stay off."""
    SUSPENDED = "suspended"
    """An admin wants it to stay off, and its member cannot change that."""


@frozen(kw_only=True)
class Desired:
    """A wish, and of a suspension: ``reason`` for the member, ``public`` for whoever visits, and the admin's name."""

    wish: Wish = Wish.AUTO
    reason: str = ""
    public: str = ""
    by: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give the API's object, which is also what is kept: only what there is to say."""
        said = {"reason": self.reason, "publicReason": self.public, "by": self.by}
        return {"desired": self.wish.value, **{name: text for name, text in said.items() if text}}


AUTO = Desired()


def load_desired(document: object) -> Desired:
    """Read what is kept.

    :raises Invalid: it is nothing that could be wanted.
    """
    if document is None:
        return AUTO
    if isinstance(document, str):
        document = {"desired": document}
    if not isinstance(document, Mapping):
        message = "desired is not an object"
        raise Invalid(message)
    told = {name: document.get(name) for name in ("reason", "publicReason", "by")}
    texts = {name: UNREADABLE.sub("\ufffd", text) if isinstance(text, str) else "" for name, text in told.items()}
    return Desired(
        wish=parse_wish(document.get("desired")), reason=texts["reason"], public=texts["publicReason"], by=texts["by"]
    )


def parse_wish(value: object) -> Wish:
    """Give what is wanted.

    :raises Invalid: it is none of the three.
    """
    try:
        return Wish(value)
    except ValueError:
        message = f"desired must be one of {', '.join(wish.value for wish in Wish)}"
        raise Invalid(message) from None


def suspension(by: str, reason: str, public: str) -> Desired:
    """Give an admin's word that a webspace is to stay off.

    :raises Invalid: there is no reason for the member, or one is too long.
    """
    if not reason.strip():
        message = "a suspension needs a reason, which its member sees"
        raise Invalid(message)
    for name, text in (("reason", reason), ("publicReason", public)):
        if len(text) > LONGEST_REASON:
            message = f"{name} must have at most {LONGEST_REASON} characters"
            raise Invalid(message)
        if UNREADABLE.search(text):
            message = f"{name} has characters that cannot be shown"
            raise Invalid(message)
    return Desired(wish=Wish.SUSPENDED, reason=reason.strip(), public=public.strip(), by=by)
