"""Members as IAM knows them."""

from __future__ import annotations

from attrs import field, frozen

LARGEST_ID = 10**18 - 1
"""More digits are in no path (``id:<n>``) and no instance's name."""


@frozen(kw_only=True)
class User:
    """A member. ``username`` is one DNS label in lower case."""

    id: int
    username: str
    is_admin: bool = False
    ssh_key: str | None = field(default=None, repr=False)


@frozen(kw_only=True)
class Caller:
    """Who makes an API call, with the token that IAM accepted (it may be needed for look-ups on the caller's behalf)."""

    user: User
    token: str = field(repr=False)
