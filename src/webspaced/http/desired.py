"""What a caller may want of a webspace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webspaced.core.desired import Desired, Wish, parse_wish, suspension
from webspaced.core.user import Caller
from webspaced.errors import Forbidden, Invalid
from webspaced.http.bodies import check_known, optional_text

REASONS = ("reason", "publicReason")


def desired_of(body: dict[str, Any], caller: Caller) -> Desired:
    """Read ``{"desired", "reason"?, "publicReason"?}``; the reasons belong to a suspension.

    ``Invalid`` names what is wrong; ``Forbidden`` where somebody else than an admin suspends.
    """
    check_known(body, ("desired", *REASONS))
    wish = parse_wish(body.get("desired"))
    reasons = {name: optional_text(body, name) or "" for name in REASONS}
    if wish is not Wish.SUSPENDED:
        _check_no_reason(reasons, wish)
        return Desired(wish=wish)
    if not caller.user.is_admin:
        message = "only an admin suspends a webspace"
        raise Forbidden(message)
    return suspension(caller.user.username, *reasons.values())


def _check_no_reason(reasons: Mapping[str, str], wish: Wish) -> None:
    given = [name for name, text in reasons.items() if text]
    if given:
        message = f"{given[0]} belongs to a suspension, not to {wish.value}"
        raise Invalid(message)
