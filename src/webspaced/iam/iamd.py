"""Members from an iamd service.

Only ``GET /users/self/token`` validates a token (signature, issuer, audience, expiry, version); ``/users/…`` takes expired
ones, too, and is asked only afterwards. What IAM said is remembered for a few seconds, so that a page that makes ten calls
does not make twenty requests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from urllib.parse import quote

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from webspaced.core.user import Caller, User
from webspaced.errors import Forbidden, Invalid, NotFound, Unavailable
from webspaced.iam.client import Answer, IamdClient, refusal_reason
from webspaced.iam.tokens import Claims, is_bearer_token, read_claims
from webspaced.interfaces import IIdentity
from webspaced.lib.deferreds import Flights
from webspaced.lib.expiring import ExpiringCache

CACHE_TIME = 10.0
"""Seconds for which a token that IAM has revoked, or an admin's right that it took, may still count here. It is no setting:
longer would surprise whoever revokes, and shorter saves nobody anything."""
CACHE_SIZE = 4096
AWAY_TIME = 5.0
"""Seconds for which look-ups by id are not tried again after IAM failed: a start asks for every webspace's member, and
would otherwise wait for a deadline for each."""
VALIDATE = "/users/self/token"
OK, NO_CONTENT, UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 200, 204, 401, 403, 404


def check_own_token(token: str | None) -> None:
    """See to it that webspaced's own token can be one.

    :raises Invalid: it cannot.
    """
    if token is not None and not is_bearer_token(token):
        message = "iam.token holds characters that no token has"
        raise Invalid(message)


@implementer(IIdentity)
class IamdIdentity:
    """See :class:`webspaced.interfaces.IIdentity`."""

    log = Logger()

    def __init__(self, client: IamdClient, clock: IReactorTime, own_token: str | None, now: Callable[[], float]) -> None:
        """Ask with our own admin token who has an id; ``now`` gives seconds since the epoch, for the tokens' ends.

        :raises Invalid: our own token can be none.
        """
        check_own_token(own_token)
        if own_token is None:
            self.log.warn(
                "iam.token is not set: nobody can be looked up by id, and renamed members are not followed",
                event="iam.token-missing",
            )
        self._client = client
        self.calls = client.calls
        self._clock = clock
        self.own_token = own_token
        self._now = now
        self._accepted: ExpiringCache[bytes, User] = ExpiringCache(clock, CACHE_SIZE)
        self._validations: Flights[bytes, User] = Flights()
        self._members: ExpiringCache[int, User] = ExpiringCache(clock, CACHE_SIZE)
        self._lookups: Flights[int, User] = Flights()
        self._away: ExpiringCache[str, str] = ExpiringCache(clock, 1)
        self._is_iamd: ExpiringCache[str, bool] = ExpiringCache(clock, 1)

    # --- by token

    async def authenticate(self, token: str, *, anew: bool = False) -> Caller:
        claims = read_claims(token)
        # By hash: a token in memory for longer than a request needs is one that a dump tells.
        key = hashlib.sha256(token.encode()).digest()
        user = None if anew else self._accepted.get(key)
        if user is None:
            user = await self._validations.join(key, lambda: self._validate(key, token, claims))
        return Caller(user=user, token=token)

    async def _validate(self, key: bytes, token: str, claims: Claims) -> User:
        answer = await self._client.get(VALIDATE, token)
        if answer.status == UNAUTHORIZED:
            self._accepted.drop(key)
            why = refusal_reason(answer.body, token)
            raise Forbidden(f"IAM refuses the token: {why}" if why else "IAM refuses the token")
        if answer.status != NO_CONTENT:
            raise self._client.nonsense(VALIDATE, f"status {answer.status}")
        user = await self._self(token)
        if claims.subject != str(user.id):
            # Something between IAM and us may have answered with what it kept for somebody else.
            raise self._client.nonsense("/users/self", "another user than the token's")
        self._accepted.put(key, user, min(CACHE_TIME, claims.expires - self._now()))
        return user

    async def _self(self, token: str) -> User:
        answer = await self._client.get("/users/self", token)
        if answer.status in (UNAUTHORIZED, FORBIDDEN, NOT_FOUND):
            message = "IAM does not know the token's user"
            raise Forbidden(message)
        return self._client.read_user("/users/self", answer)

    # --- by name

    async def by_username(self, username: str, caller: Caller) -> User:
        if username == caller.user.username:
            return caller.user
        path = f"/users/{quote(username, safe='')}"
        answer = await self._client.get(path, caller.token)
        if answer.status in (UNAUTHORIZED, FORBIDDEN):
            message = "another user's webspace"
            raise Forbidden(message)
        if answer.status == NOT_FOUND:
            message = "there is no such user"
            raise NotFound(message)
        user = self._client.read_user(path, answer)
        if user.username != username:
            raise self._client.nonsense(path, "another user")
        return user

    # --- by id

    async def by_id(self, uid: int) -> User:
        user = self._members.get(uid)
        return user if user is not None else await self._lookups.join(uid, lambda: self._look_up(uid))

    async def _look_up(self, uid: int) -> User:
        reason = self._away.get("")
        if reason is not None:
            raise Unavailable(reason, AWAY_TIME)
        try:
            user = await self._ask_for(uid)
        except Unavailable as error:
            self._away.put("", str(error), AWAY_TIME)
            raise
        self._members.put(uid, user, CACHE_TIME)
        return user

    async def _ask_for(self, uid: int) -> User:
        path = f"/users/id:{uid}"
        answer = await self._as_ourselves(path)
        if answer.status in (UNAUTHORIZED, FORBIDDEN):
            raise self._refused(path, answer)
        if answer.status == NOT_FOUND:
            await self._check_that_it_is_iamd()
            message = "there is no such user"
            raise NotFound(message)
        user = self._client.read_user(path, answer)
        if user.id != uid:
            raise self._client.nonsense(path, "another user")
        return user

    async def _check_that_it_is_iamd(self) -> None:
        """Make sure that a 404 is IAM's own: a wrong URL says it of everybody, and all would lose their names."""
        if self._is_iamd.get("") is None:
            answer = await self._as_ourselves(VALIDATE)
            if answer.status not in (NO_CONTENT, UNAUTHORIZED):
                raise self._client.nonsense(VALIDATE, f"status {answer.status}")
            self._is_iamd.put("", value=True, seconds=CACHE_TIME)

    async def _as_ourselves(self, path: str) -> Answer:
        if self.own_token is None:
            message = "webspaced has no token of its own for IAM (iam.token)"
            raise Unavailable(message, AWAY_TIME)
        return await self._client.get(path, self.own_token)

    def _refused(self, path: str, answer: Answer) -> Unavailable:
        """Give the error for our own token: the operator's business, and none of the member's."""
        if self._away.get("") is None:
            self.log.error(
                "IAM refuses webspaced's own token for {path} ({status}): iam.token must be an admin's",
                event="iam.token-refused",
                path=path,
                status=answer.status,
            )
        return Unavailable("IAM refuses webspaced's own token; the operator has to renew it", AWAY_TIME)
