"""Members from a file: for one machine without an IAM service. Tokens are kept as hashes only.

The file is YAML: ``users``, a list of ``id``, ``username``, ``token_sha256`` (hexadecimal), and optionally ``is_admin``,
``ssh_key`` and IAM's other fields, which are accepted and not used.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from twisted.logger import Logger
from zope.interface import implementer

from webspaced.core.names import parse_username
from webspaced.core.user import Caller, User
from webspaced.errors import Forbidden, Invalid, NotFound, Unauthenticated, Unavailable
from webspaced.interfaces import IIdentity

LONGEST_TOKEN = 4096
_SHA256 = re.compile("[0-9a-f]{64}")
log = Logger()


@implementer(IIdentity)
class StaticIdentity:
    """See :class:`webspaced.interfaces.IIdentity`."""

    def __init__(self, users: Iterable[tuple[User, str]], *, complete: bool = True) -> None:
        """Know these users; unless ``complete``, whoever is not among them may exist all the same."""
        pairs = list(users)
        self._complete = complete
        self._by_id = {user.id: user for user, _ in pairs}
        self._by_name = {user.username: user for user, _ in pairs}
        # Looked up by hash: neither the table nor the time it takes tells anything of a token.
        self._by_hash = {token_hash: user for user, token_hash in pairs if token_hash}

    async def authenticate(self, token: str) -> Caller:
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


def hash_token(token: str) -> str:
    """Give what is stored of a token. Tokens are long and random, so that no slow hash is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def read_users(path: Path) -> StaticIdentity:
    """Read a users file; one that does not exist has no users.

    :raises Invalid: it is not such a file; the text names the file and the entry.
    """
    try:
        document = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        log.warn("{path} does not exist: nobody can call the API", path=path)
        return StaticIdentity((), complete=False)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        message = f"{path}: cannot be read as YAML"
        raise Invalid(message) from error
    entries = document.get("users") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        message = f"{path}: users must be a list"
        raise Invalid(message)
    users = [_read_user(path, number, entry) for number, entry in enumerate(entries, 1)]
    _check_unique(path, users)
    return StaticIdentity(users)


def _read_user(path: Path, number: int, entry: Any) -> tuple[User, str]:
    where = f"{path}: users[{number}]"
    if not isinstance(entry, Mapping):
        message = f"{where} must be a mapping"
        raise Invalid(message)
    uid, name = entry.get("id"), entry.get("username")
    if not isinstance(uid, int) or isinstance(uid, bool) or uid < 0 or not isinstance(name, str):
        message = f"{where} needs a numeric id and a username"
        raise Invalid(message)
    token_hash = str(entry.get("token_sha256") or "").lower()
    if token_hash and not _SHA256.fullmatch(token_hash):
        message = f"{where}: token_sha256 must be the SHA-256 of the token as 64 hexadecimal digits"
        raise Invalid(message)
    try:
        username = parse_username(name)
    except Invalid as error:
        message = f"{where}: {error}"
        raise Invalid(message) from error
    admin = entry.get("is_admin") is True
    return User(id=uid, username=username, is_admin=admin, ssh_key=entry.get("ssh_key") or None), token_hash


def _check_unique(path: Path, users: list[tuple[User, str]]) -> None:
    columns: tuple[tuple[str, list[Any]], ...] = (
        ("id", [user.id for user, _ in users]),
        ("username", [user.username for user, _ in users]),
        ("token_sha256", [token_hash for _, token_hash in users if token_hash]),
    )
    for what, values in columns:
        twice = sorted({str(value) for value in values if values.count(value) > 1})
        if twice:
            message = f"{path}: {what} {', '.join(twice)} is given twice"
            raise Invalid(message)
