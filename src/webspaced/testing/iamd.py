"""An iamd that behaves as its API page says, in memory or on loopback: for tests, and for trying webspaced out.

Run ``python -m webspaced.testing.iamd FILE [PORT]`` with a JSON file ``{"key": …, "users": [{"id", "username", …}]}``; the
base URL is printed once it listens, and a token is made of the same file by :meth:`Iamd.token`. It holds its signing key
and no passwords, and binds 127.0.0.1 only: it protects nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import define, field
from klein import Klein
from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource
from twisted.web.server import Site

ISSUER, AUDIENCE = "iamd", "auth"
LIFETIME = 3600.0
MADE_UP_TIME = "2020-01-01T00:00:00Z"
_BY_ID = re.compile("id:([0-9]{1,18})")
_PROBLEM = b"application/problem+json"


@define
class Account:
    """A user as iamd keeps it. ``version``: tokens of another one are refused."""

    id: int
    username: str
    is_admin: bool = False
    ssh_key: str | None = None
    version: int = 0

    def document(self) -> dict[str, Any]:
        """Give the User of the API."""
        return {
            "id": self.id,
            "username": self.username,
            "email": f"{self.username}@example.org",
            "first_name": self.username.title(),
            "last_name": "Example",
            "ssh_key": self.ssh_key,
            "verified": True,
            "is_admin": self.is_admin,
            "renewed": MADE_UP_TIME,
            "meta": {"created": MADE_UP_TIME, "updated": MADE_UP_TIME},
        }


@define(kw_only=True, slots=False)
class Iamd:
    """The service: its accounts, what it was asked, and what a test makes it do wrong.

    ``asked`` has method and path of each request, ``given_up`` counts those whose client went away. ``answer`` replaces
    every answer by a status and a body, or never gives one if the status is ``None``; ``headers`` are added to it.
    ``next_answers`` does that for so many requests.
    """

    key: str = field(default="a key that nobody else has", repr=False)
    now: Callable[[], float] = time.time
    accounts: dict[int, Account] = field(factory=dict)
    asked: list[tuple[str, str]] = field(factory=list)
    given_up: int = 0
    answer: tuple[int | None, bytes] | None = None
    next_answers: list[tuple[int | None, bytes]] = field(factory=list)
    headers: Mapping[str, str] = field(factory=dict)

    # --- what an administrator of IAM does

    def add(self, uid: int, username: str, **more: Any) -> Account:
        """Have an account."""
        self.accounts[uid] = Account(uid, username, **more)
        return self.accounts[uid]

    def set_admin(self, uid: int, *, admin: bool) -> None:
        """Give or take admin rights, which ends all tokens."""
        self.accounts[uid].is_admin = admin
        self.log_out(uid)

    def log_out(self, uid: int) -> None:
        """End all tokens of an account."""
        self.accounts[uid].version += 1

    def token(self, uid: int, *, lifetime: float = LIFETIME, **claims: Any) -> str:
        """Mint a token, by HS256 (RFC 7515, appendix A.1). ``claims`` go before the right ones."""
        account, now = self.accounts[uid], self.now()
        right = {
            "sub": str(uid), "iat": now, "nbf": now, "exp": now + lifetime, "iss": ISSUER, "aud": [AUDIENCE],
            "is_admin": account.is_admin, "version": account.version,
        }  # fmt: skip
        head = _encoded(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
        signed = f"{head}.{_encoded(json.dumps({**right, **claims}).encode())}"
        return f"{signed}.{self._signature(signed)}"

    # --- what it decides

    def _signature(self, signed: str) -> str:
        return _encoded(hmac.new(self.key.encode(), signed.encode(), hashlib.sha256).digest())

    def claims(self, token: str) -> Mapping[str, Any] | None:
        """Give the claims of a token that is ours, expired or not."""
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            return None
        found: Mapping[str, Any] = json.loads(_decoded(signed.partition(".")[2]))
        return found if found["iss"] == ISSUER and AUDIENCE in found["aud"] else None

    def holder(self, token: str) -> Account | None:
        """Give the account of a token that is ours, expired or not."""
        claims = self.claims(token)
        return None if claims is None else self.accounts.get(int(claims["sub"]))

    def is_valid(self, token: str) -> bool:
        """Whether a token is good now: the whole check."""
        claims, account = self.claims(token), self.holder(token)
        if claims is None or account is None:
            return False
        return bool(claims["nbf"] <= self.now() < claims["exp"] and claims["version"] == account.version)

    def find(self, who: str, holder: Account) -> tuple[int, Account | None]:
        """Give the status of a look-up on behalf of a holder, and the account of a 200."""
        if who in ("self", holder.username):
            return 200, holder
        if not holder.is_admin:
            return 403, None
        by_id = _BY_ID.fullmatch(who)
        matching = (a for a in self.accounts.values() if (a.id == int(by_id[1]) if by_id else a.username == who))
        account = next(matching, None)
        return (404, None) if account is None else (200, account)

    def resource(self) -> IResource:
        """Give the API, to be served under any host; its base is ``/v1``."""
        resource: IResource = _Api(self).app.resource()
        return resource


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class _Api:
    """The three calls."""

    app = Klein()

    def __init__(self, iamd: Iamd) -> None:
        self._iamd = iamd

    @app.route("/v1/users/self/token", methods=["GET"])
    def validate(self, request: IRequest) -> Any:
        """204 if the token is good."""
        if (wrong := self._wrong(request)) is not None:
            return wrong
        if not self._iamd.is_valid(_token(request)):
            return _problem(request, 401, "the token is not valid")
        request.setResponseCode(204)
        return b""

    @app.route("/v1/users/<who>", methods=["GET"])
    def user(self, request: IRequest, who: str) -> Any:
        """Give a user; an expired token will do."""
        if (wrong := self._wrong(request)) is not None:
            return wrong
        holder = self._iamd.holder(_token(request))
        if holder is None:
            return _problem(request, 401, "the token is not valid")
        status, account = self._iamd.find(who, holder)
        if account is None:
            return _problem(request, status, "admins only" if status == 403 else "there is no such user")  # noqa: PLR2004
        request.setHeader(b"content-type", b"application/json")
        return json.dumps(account.document()).encode()

    def _wrong(self, request: IRequest) -> Any:
        self._iamd.asked.append((request.method.decode(), request.uri.decode()))
        answer = self._iamd.next_answers.pop(0) if self._iamd.next_answers else self._iamd.answer
        if answer is None:
            return None
        status, body = answer
        if status is None:
            return Deferred(self._given_up)
        for name, value in self._iamd.headers.items():
            request.setHeader(name, value)
        request.setResponseCode(status)
        return body

    def _given_up(self, _answer: Deferred[bytes]) -> None:
        self._iamd.given_up += 1


def _token(request: IRequest) -> str:
    value: str = (request.requestHeaders.getRawHeaders("authorization") or [""])[0]
    return value.removeprefix("Bearer ")


def _problem(request: IRequest, status: int, message: str) -> bytes:
    request.setResponseCode(status)
    request.setHeader(b"content-type", _PROBLEM)
    return json.dumps({"title": message, "message": message, "status": status}).encode()


def read_file(path: Path) -> Iamd:
    """Give the service that a file describes."""
    document = json.loads(path.read_text())
    iamd = Iamd(key=document["key"])
    for user in document["users"]:
        iamd.add(user["id"], user["username"], is_admin=user.get("is_admin", False), ssh_key=user.get("ssh_key"))
    return iamd


def serve(reactor: Any, path: str, port: str = "0") -> Deferred[None]:
    """Serve a file's users on loopback until the process ends."""
    site = Site(read_file(Path(path)).resource())
    listening = reactor.listenTCP(int(port), site, interface="127.0.0.1")
    sys.stdout.write(f"http://127.0.0.1:{listening.getHost().port}/v1\n")
    sys.stdout.flush()
    return Deferred()


if __name__ == "__main__":
    react(serve, sys.argv[1:])
