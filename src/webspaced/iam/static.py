"""Members from a file: for one machine without an IAM service. Tokens are kept as hashes only."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from twisted.logger import Logger
from zope.interface import implementer

from webspaced.core.user import Caller, User
from webspaced.errors import Forbidden, Invalid, NotFound, Unauthenticated, Unavailable
from webspaced.iam.users_file import hash_token, parse_users
from webspaced.interfaces import IIdentity
from webspaced.lib.trusted import strange_owner

LONGEST_TOKEN = 4096
OTHERS = 0o077
"""The permissions of everybody but the owner."""


@implementer(IIdentity)
class StaticIdentity:
    """Fixed members. See :class:`webspaced.interfaces.IIdentity`."""

    def __init__(self, users: Iterable[tuple[User, str]], *, complete: bool = True) -> None:
        """Know these users; unless ``complete``, whoever is not among them may exist all the same."""
        pairs = list(users)
        self._complete = complete
        self._by_id = {user.id: user for user, _ in pairs}
        self._by_name = {user.username: user for user, _ in pairs}
        # Looked up by hash: neither the table nor the time it takes tells anything of a token.
        self._by_hash = {token_hash: user for user, token_hash in pairs if token_hash}

    async def authenticate(self, token: str, *, anew: bool = False) -> Caller:
        if not token or len(token) > LONGEST_TOKEN or not token.isprintable():
            message = "the token is malformed"
            raise Unauthenticated(message)
        user = self._by_hash.get(hash_token(token))
        if user is None:
            message = "the token is not valid"
            raise Forbidden(message)
        return Caller(user=user, token=token)

    async def by_username(self, username: str, caller: Caller) -> User:
        if username != caller.user.username and not caller.user.is_admin:
            message = "another user's webspace"
            raise Forbidden(message)
        return _found(self._by_name.get(username))

    async def by_id(self, uid: int) -> User:
        if not self._complete and uid not in self._by_id:
            message = "the users file is missing"
            raise Unavailable(message)
        return _found(self._by_id.get(uid))


def _found(user: User | None) -> User:
    if user is None:
        message = "there is no such user"
        raise NotFound(message)
    return user


@implementer(IIdentity)
class UsersFile:
    """Members of a file that is read again when it changed. One that cannot be read leaves everything as it was."""

    log = Logger()

    def __init__(self, path: Path) -> None:
        """Read the file; one that does not exist has no users yet.

        :raises Invalid: it is no users file: at the start that is a mistake, and not a file that somebody just edits.
        """
        self._path = path
        self._seen: tuple[int, ...] | int | None = None
        self._now = StaticIdentity((), complete=False)
        try:
            self._read()
        except FileNotFoundError as error:
            self._seen = error.errno
            self.log.warn("{path} does not exist: nobody can call the API", event="iam.users-missing", path=path)
        except OSError as error:
            message = f"{path}: cannot be read: {error.strerror}"
            raise Invalid(message) from error
        self._told = self._now

    def has_changed(self) -> bool:
        """Whether the members may be others than when this was asked last."""
        before, self._told = self._told, self._current()
        return before is not self._told

    async def authenticate(self, token: str, *, anew: bool = False) -> Caller:
        return await self._current().authenticate(token, anew=anew)

    async def by_username(self, username: str, caller: Caller) -> User:
        return await self._current().by_username(username, caller)

    async def by_id(self, uid: int) -> User:
        return await self._current().by_id(uid)

    def _current(self) -> StaticIdentity:
        """Give what the file says now; a look at its times and size tells whether it must be read."""
        try:
            if _version(self._path.stat()) != self._seen:
                self._read()
        except OSError as error:
            if self._seen != error.errno:
                self._seen = error.errno
                self.log.warn(
                    "{path}: {error}; the members stay as they were",
                    event="iam.users-unreadable",
                    path=self._path,
                    error=error.strerror,
                )
        except Invalid as error:
            self.log.warn("{error}; the members stay as they were", event="iam.users-wrong", error=str(error))
        return self._now

    def _read(self) -> None:
        with self._path.open("rb") as file:
            status = os.fstat(file.fileno())
            # A broken one is not read again, and not told again, until it changes.
            self._seen = _version(status)
            users = parse_users(self._path, file.read())
        stranger = strange_owner(status)
        if stranger is not None:
            self.log.warn(
                "{path} {strange}, who decides who is an admin here",
                event="iam.users-strange",
                path=self._path,
                strange=stranger,
            )
        if status.st_mode & OTHERS:
            self.log.warn(
                "others than its owner may read or change {path}: chmod 600 {path}",
                event="iam.users-exposed",
                path=self._path,
            )
        self._now = StaticIdentity(users)


def _version(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
