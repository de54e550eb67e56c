"""Members as the API needs them: those whom IAM knows, and for its admins those whom only LXD remembers.

A member who was removed has left a webspace, with ports and domains, and somebody has to be able to stop and delete it.
"""

from __future__ import annotations

from twisted.logger import Logger
from zope.interface import implementer

from webspaced.core.user import Caller, User
from webspaced.core.webspace import UNKNOWN_SINCE_KEY
from webspaced.errors import NotFound, WebspacedError
from webspaced.interfaces import IIdentity
from webspaced.webspaces.documents import Documents
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.registry import Registry


@implementer(IIdentity)
class Members:
    """An :class:`webspaced.interfaces.IIdentity` over another one.

    Its look-ups by name and id fall back on what webspaces remember, so that they must be made for admins only: nobody
    else may learn which names there were. An IAM that is away is away here, too: it may know the member by another name.
    """

    log = Logger()

    def __init__(self, identity: IIdentity, registry: Registry, documents: Documents) -> None:
        self._identity = identity
        self._registry = registry
        self._documents = documents

    async def authenticate(self, token: str, *, anew: bool = False) -> Caller:
        caller = await self._identity.authenticate(token, anew=anew)
        await self._welcome(caller.user)
        return caller

    async def by_username(self, username: str, caller: Caller) -> User:
        try:
            user = await self._identity.by_username(username, caller)
        except NotFound:
            if not caller.user.is_admin:
                raise
            return await self.by_id(self._remembered(username))
        await self._welcome(user)
        return user

    async def by_id(self, uid: int) -> User:
        try:
            user = await self._identity.by_id(uid)
        except NotFound:
            self._documents.check_complete()
            observed = self._registry.get(uid)
            if observed is None and uid not in self._registry.away:
                raise
            name = None if observed is None else observed.username
            return User(id=uid, username=name or self._registry.name_of(uid))
        await self._welcome(user)
        return user

    def _remembered(self, username: str) -> int:
        """Give whose webspace remembers a name; ``NotFound`` if none does, or several do."""
        self._documents.check_complete()
        found = sorted(observed.uid for observed in self._registry if observed.username == username)
        if not found:
            message = "there is no such user"
            raise NotFound(message)
        if len(found) > 1:
            several = ", ".join(f"id:{uid}" for uid in found[:3])
            message = f"IAM knows nobody of that name, and several webspaces remember it: name one by its id, as {several}"
            raise NotFound(message)
        return found[0]

    async def _welcome(self, user: User) -> None:
        """Take back what LXD says of somebody whom IAM has just named: they are no longer gone."""
        observed = self._registry.get(user.id)
        if observed is None or observed.unknown_since is None or observed.unfinished:
            return
        try:
            await self._documents.change_keys(user.id, _known)
        except WebspacedError as error:
            # The next look at all members does it.
            self.log.info(
                "webspace {webspace} has a member again: {error}",
                event="iam.return-unwritten",
                webspace=user.id,
                error=str(error),
            )


def _known(present: Observed) -> dict[str, str]:
    return {UNKNOWN_SINCE_KEY: ""} if present.unknown_since is not None else {}
