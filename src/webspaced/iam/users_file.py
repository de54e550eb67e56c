"""The users file of the static provider: read, checked, and edited by one program at a time.

It is YAML: ``users``, a list of ``id``, ``username``, ``token_sha256`` (hexadecimal), and optionally ``is_admin``,
``ssh_key`` and IAM's other fields, which are accepted and kept. ``last_id`` remembers the highest id ever given, because the
webspace of a member who is gone stays under its id.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from attrs import define

from webspaced.core.names import parse_username
from webspaced.core.user import LARGEST_ID, User
from webspaced.errors import Conflict, Invalid, NotFound
from webspaced.lib.trusted import spot

HEAD = "# Written by `webspaced user`. Only hashes of tokens are here: a lost token is replaced by `webspaced user token`.\n"
_SHA256 = re.compile("[0-9a-f]{64}")
# The one written in C where there is one: with thousands of members the other takes seconds.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def hash_token(token: str) -> str:
    """Give what is stored of a token. Tokens are long and random, so that no slow hash is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def parse_users(path: Path, content: bytes) -> list[tuple[User, str]]:
    """Give the users of a file's content, each with the hash of the token or "".

    :raises Invalid: it is no such file; the text names the file and the entry.
    """
    entries = _entries(path, _document(path, content))
    users = [_read_user(path, number, entry) for number, entry in enumerate(entries, 1)]
    _check_unique(path, users)
    return users


def _document(path: Path, content: bytes) -> Any:
    try:
        return yaml.load(content.decode(), _Loader)  # noqa: S506  (a safe loader)
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        message = f"{path}: cannot be read as YAML"
        raise Invalid(message) from error


def _entries(path: Path, document: Any) -> list[Any]:
    entries = document.get("users") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        message = f"{path}: users must be a list"
        raise Invalid(message)
    return entries


def _read_user(path: Path, number: int, entry: Any) -> tuple[User, str]:
    where = f"{path}: users[{number}]"
    if not isinstance(entry, Mapping):
        message = f"{where} must be a mapping"
        raise Invalid(message)
    uid, name = entry.get("id"), entry.get("username")
    if not isinstance(uid, int) or isinstance(uid, bool) or uid < 0 or not isinstance(name, str):
        message = f"{where} needs a numeric id and a username"
        raise Invalid(message)
    if uid > LARGEST_ID:
        message = f"{where}: an id may be at most {LARGEST_ID}"
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
    key = entry.get("ssh_key") or None
    if key is not None and not isinstance(key, str):
        message = f"{where}: ssh_key must be a text"
        raise Invalid(message)
    return User(id=uid, username=username, is_admin=entry.get("is_admin") is True, ssh_key=key), token_hash


def _check_unique(path: Path, users: list[tuple[User, str]]) -> None:
    columns: tuple[tuple[str, list[Any]], ...] = (
        ("id", [user.id for user, _ in users]),
        ("username", [user.username for user, _ in users]),
        ("token_sha256", [token_hash for _, token_hash in users if token_hash]),
    )
    for what, values in columns:
        twice = sorted(str(value) for value, times in Counter(values).items() if times > 1)
        if twice:
            message = f"{path}: {what} {', '.join(twice)} is given twice"
            raise Invalid(message)


@define
class UsersEditor:
    """The users of a locked file, to be changed; see :func:`edited`."""

    path: Path
    document: dict[str, Any]

    def users(self) -> list[tuple[User, str]]:
        """Give the users as they are now, each with the hash of the token or ""."""
        return [_read_user(self.path, number, entry) for number, entry in enumerate(self._list, 1)]

    def add(self, name: str, uid: int | None, *, admin: bool) -> str:
        """Add a member and give the token, of which only the hash is kept; without an id the next one is given.

        :raises Conflict: the name or the id is somebody's.
        """
        username = parse_username(name)
        for user, _ in self.users():
            if user.username == username:
                message = f"{username} is there already, with the id {user.id}"
                raise Conflict(message)
            if user.id == uid:
                message = f"the id {uid} is {user.username}'s"
                raise Conflict(message)
        given = self._next_id() if uid is None else uid
        self._list.append({"id": given, "username": username, "is_admin": admin})
        self._remember(given)
        return self.new_token(username)

    def remove(self, name: str) -> User:
        """Remove a member; the id is not given to anybody else."""
        number, user = self._find(name)
        del self._list[number]
        self._remember(user.id)
        return user

    def new_token(self, name: str) -> str:
        """Replace a member's token and give the new one."""
        number, _ = self._find(name)
        token = secrets.token_urlsafe(32)
        self._list[number]["token_sha256"] = hash_token(token)
        return token

    @property
    def _list(self) -> list[Any]:
        entries: list[Any] = self.document["users"]
        return entries

    def _find(self, name: str) -> tuple[int, User]:
        username = parse_username(name)
        for number, (user, _) in enumerate(self.users()):
            if user.username == username:
                return number, user
        message = f"there is no user {username} in {self.path}"
        raise NotFound(message)

    def _next_id(self) -> int:
        return max([self._last_id(), *(user.id for user, _ in self.users())]) + 1

    def _last_id(self) -> int:
        last = self.document.get("last_id")
        return last if type(last) is int else 0

    def _remember(self, uid: int) -> None:
        self.document["last_id"] = max(self._last_id(), uid)


@contextmanager
def edited(path: Path) -> Iterator[UsersEditor]:
    """Hold the file's lock, give its users, and write them back unless the block raises. A missing file is begun.

    :raises Invalid: it is no users file, or somebody else's link leads to it.
    """
    # A link's target is replaced, and not the link.
    with spot(path, make=True) as where, where.locked():
        try:
            content, owner = where.read()
        except FileNotFoundError:
            content, owner = b"users: []\n", where.owner()
        parse_users(path, content)
        editor = UsersEditor(path, _document(path, content))
        yield editor
        text = HEAD + yaml.safe_dump(editor.document, sort_keys=False, allow_unicode=True)
        parse_users(path, text.encode())
        where.replace(text.encode(), owner)
