"""Who is calling, and whose webspace they mean."""

from __future__ import annotations

import re

from twisted.web.iweb import IRequest

from webspaced.core.names import parse_username
from webspaced.core.user import Caller, User
from webspaced.errors import Forbidden, Invalid, NotFound, Unauthenticated
from webspaced.interfaces import IIdentity

_BY_ID = re.compile(r"id:([0-9]{1,18})")


class Auth:
    """Authentication by bearer token (RFC 6750) and resolution of ``self``, a username, or ``id:<n>``."""

    def __init__(self, identity: IIdentity) -> None:
        self._identity = identity

    async def caller(self, request: IRequest) -> Caller:
        """Give who holds the request's token; ``Unauthenticated`` without one."""
        # As bytes: what is no text is no token, and no reason for a failure of ours.
        header = (request.requestHeaders.getRawHeaders(b"authorization") or [b""])[0].decode("ascii", "replace")
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            message = "a bearer token is needed"
            raise Unauthenticated(message)
        return await self._identity.authenticate(token.strip())

    async def subject(self, request: IRequest, who: str) -> User:
        """Give the user whose webspace a path names, after checking that the caller may act on it."""
        caller = await self.caller(request)
        # Clients may encode a blank as a plus; a percent-encoded path was decoded by the router.
        name = who.replace("+", " ").strip()
        if name == "self":
            return caller.user
        by_id = _BY_ID.fullmatch(name)
        return await (self._by_id(caller, int(by_id[1])) if by_id else self._by_name(caller, name))

    async def _by_id(self, caller: Caller, uid: int) -> User:
        if not caller.user.is_admin:
            message = "only an admin may name a user by id"
            raise Unauthenticated(message)
        return await self._identity.by_id(uid)

    async def _by_name(self, caller: Caller, name: str) -> User:
        try:
            username = parse_username(name)
        except Invalid as error:
            message = "there is no such user"
            raise NotFound(message) from error
        if username == caller.user.username:
            return caller.user
        if not caller.user.is_admin:
            message = "another user's webspace"
            raise Forbidden(message)
        return await self._identity.by_username(username, caller)
