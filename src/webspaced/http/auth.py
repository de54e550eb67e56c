"""Who is calling, and whose webspace they mean."""

from __future__ import annotations

import re
from contextlib import nullcontext
from typing import Any

from twisted.web.iweb import IRequest

from webspaced.core.names import parse_username
from webspaced.core.user import Caller, User
from webspaced.errors import Forbidden, Invalid, NotFound, Unauthenticated
from webspaced.http.about import about_of, header
from webspaced.http.cors import Cors
from webspaced.http.limits import Limits
from webspaced.http.rights import Grant, ended
from webspaced.http.tickets import LIFETIME, Tickets, offered, ticket_among
from webspaced.interfaces import IIdentity

_BY_ID = re.compile(r"id:([0-9]{1,18})")


class Auth:
    """Authentication by bearer token (RFC 6750) and resolution of ``self``, a username, or ``id:<n>``.

    Without ``limits`` nothing is counted, and members are not unless ``counts_members``; without ``cors`` any page may open
    a WebSocket, without ``tickets`` none can.
    """

    def __init__(
        self,
        identity: IIdentity,
        limits: Limits | None = None,
        cors: Cors | None = None,
        tickets: Tickets | None = None,
        *,
        counts_members: bool = True,
    ) -> None:
        self._identity = identity
        self._limits = limits
        self._cors = cors
        self._tickets = tickets
        self._counts_members = counts_members

    async def caller(self, request: IRequest) -> Caller:
        """Give who holds the request's token; ``Unauthenticated`` without one."""
        # As bytes: what is no text is no token, and no reason for a failure of ours.
        given = (request.requestHeaders.getRawHeaders(b"authorization") or [b""])[0].decode("ascii", "replace")
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            message = "a bearer token is needed"
            raise Unauthenticated(message)
        caller = await self._authenticate(request, token.strip())
        self._is(request, caller.user)
        return caller

    async def _authenticate(self, request: IRequest, token: str) -> Caller:
        about = about_of(request)
        bound = nullcontext() if self._limits is None or about is None else self._limits.asking(about.address, token)
        try:
            with bound:
                return await self._identity.authenticate(token)
        except Forbidden:
            self._refused(request, token)
            raise

    def _refused(self, request: IRequest, secret: str) -> None:
        about = about_of(request)
        if self._limits is not None and about is not None:
            self._limits.refused(about.address, secret)

    def _is(self, request: IRequest, user: User) -> None:
        """Note who makes the request, and count it."""
        about = about_of(request)
        if about is not None:
            about.user, about.uid, about.is_admin = user.username, user.id, user.is_admin
        if self._limits is not None and self._counts_members:
            self._limits.check_user(user.id, 0 if about is None else about.size)
            if about is not None and not user.is_admin:
                # A panel may ask on behalf of everybody with one admin's token.
                about.counts(self._limits.begin(user.id))

    async def subject(self, request: IRequest, who: str) -> User:
        """Give the user whose webspace a path names, after checking that the caller may act on it."""
        return (await self.grant(request, who)).subject

    async def grant(self, request: IRequest, who: str) -> Grant:
        """Give who calls, and the user whose webspace a path names."""
        caller = await self.caller(request)
        return Grant(caller=caller, subject=_about(request, await self._named(caller, who)))

    async def ended(self, grant: Grant) -> str | None:
        """See :func:`webspaced.http.rights.ended`."""
        return await ended(self._identity, grant)

    async def admin(self, request: IRequest) -> Caller:
        """Give the admin who calls; ``Unauthenticated`` unless it is one."""
        caller = await self.caller(request)
        if not caller.user.is_admin:
            message = "only an admin may do this"
            raise Unauthenticated(message)
        return caller

    async def subject_for_admin(self, request: IRequest, who: str) -> User:
        """Give the user whom a path names; ``Unauthenticated`` unless the caller is an admin."""
        caller = await self.admin(request)
        return _about(request, await self._named(caller, who))

    def ticket(self, request: IRequest, grant: Grant, path: str) -> dict[str, Any]:
        """Give the document of a ticket for a path of the subject's webspace, bound to the request's Origin."""
        if self._tickets is None:
            message = "there are no tickets here"
            raise NotFound(message)
        origin = header(request, b"origin")
        return {"ticket": self._tickets.issue(grant.caller, grant.subject, path, origin), "expiresIn": LIFETIME}

    async def grant_of_upgrade(self, request: IRequest, who: str, path: str) -> Grant:
        """Give who opens a WebSocket, and the user whose webspace it is for.

        The request has a bearer token as any other, or a ticket for this path (such as ``exec``) among its subprotocols. If
        a page makes it, the page's origin must be one that may call.
        """
        origin = header(request, b"origin")
        if self._cors is not None and not self._cors.allows(origin):
            message = "pages of this origin may not call webspaced"
            raise Forbidden(message)
        ticket = ticket_among(offered(request))
        if request.requestHeaders.hasHeader(b"authorization") or ticket is None or self._tickets is None:
            return await self.grant(request, who)
        try:
            caller, subject = self._tickets.redeem(ticket, plain(who), path, origin)
        except Unauthenticated:
            self._refused(request, ticket)
            raise
        return await self._renewed(request, Grant(caller=caller, subject=subject))

    async def _renewed(self, request: IRequest, grant: Grant) -> Grant:
        """Give what a ticket was given for as it is now; ``Forbidden`` if its token or right ended meanwhile."""
        caller = await self._identity.authenticate(grant.caller.token)
        self._is(request, caller.user)
        _about(request, grant.subject)
        reason = await self.ended(grant)
        if reason is not None:
            raise Forbidden(reason)
        return grant

    async def _named(self, caller: Caller, who: str) -> User:
        name = plain(who)
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


def _about(request: IRequest, subject: User) -> User:
    """Note whose webspace a request is about."""
    about = about_of(request)
    if about is not None:
        about.subject = subject
    return subject


def plain(who: str) -> str:
    """Give a user's name of a path, which the router has decoded. Clients may encode a blank as a plus."""
    return who.replace("+", " ").strip()
