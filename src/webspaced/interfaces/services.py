"""Other services: IAM, the domain name system, and what only one of several daemons can have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zope.interface import Interface

from webspaced.core.lease import Claim
from webspaced.core.user import Caller, User

# ruff: noqa: N805
# (zope.interface: methods have no self)


class ILease(Interface):
    """What only one of several daemons can hold (:mod:`webspaced.core.lease`). Neither call waits for its turn."""

    async def read() -> Claim | None:
        """Give what is written; ``None`` if nothing is yet."""

    async def write(holder: str, over: Claim | None) -> Claim:
        """Write a renewal (or, with no ``holder``, the end) over what was read or written last, and give what is there now.

        ``Changed`` if somebody wrote since. It may have been written even if the answer is lost.
        """


class IWords(Interface):
    """Where the words of admins are kept, beside the webspaces that they are about (:mod:`webspaced.core.words`)."""

    async def words() -> Mapping[int, str]:
        """Give all that are kept, by the webspace's user."""

    async def keep_word(uid: int, text: str) -> None:
        """Keep one in place of the one before. Idempotent; done as well where LXD lets us keep nothing."""


class ILeaderMark(Interface):
    """What leads others to the daemon that leads."""

    async def show(instead_of: str = "") -> None:
        """Lead everybody here, and nobody any more to the one that held the lease before. Idempotent."""

    async def hide() -> None:
        """Lead nobody here. Idempotent."""


class IIdentity(Interface):
    """The IAM service: who is calling, and who is meant."""

    async def authenticate(token: str, *, anew: bool = False) -> Caller:
        """Give who holds the token; ``Unauthenticated`` if malformed, ``Forbidden`` if refused, ``Unavailable``.

        :param anew: whatever was said of it a moment ago does not count.
        """

    async def by_username(username: str, caller: Caller) -> User:
        """Give a user by name on behalf of a caller; ``NotFound``, ``Forbidden``, ``Unavailable``."""

    async def by_id(uid: int) -> User:
        """Give a user by id; ``NotFound``, ``Unavailable``."""


class IDomainRecords(Interface):
    """The domain name system, as the proof of a domain needs it."""

    async def texts(domain: str) -> Sequence[str]:
        """Give the texts of a domain's TXT records, none if it has none or does not exist; ``Unavailable``."""
