"""Every provider keeps the one contract."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import yaml
from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.identity import MEMBERS, IdentityContract
from tests.unit.iam.memory import Service
from tests.unit.timing import watch
from webspaced.iam.iamd import CACHE_TIME
from webspaced.iam.static import UsersFile
from webspaced.iam.users_file import edited, hash_token


class UsersFileContractTests(IdentityContract, SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.members = {m["id"]: {**m, "token_sha256": hash_token(f"t{m['id']}")} for m in MEMBERS}
        self.write()
        self.identity = UsersFile(self.path)

    def write(self) -> None:
        new = self.path.with_name(f"{self.path.name}.new")
        new.write_text(yaml.safe_dump({"users": list(self.members.values())}))
        new.chmod(0o600)
        new.replace(self.path)

    def drive(self, test: Coroutine[Any, Any, None]) -> None:
        watch(test).value  # noqa: B018

    def token(self, uid: int) -> str:
        return f"t{uid}"

    def refused_token(self) -> str:
        return "nobodys"

    def rename(self, uid: int, username: str) -> None:
        self.members[uid]["username"] = username
        self.write()

    def remove(self, uid: int) -> None:
        with edited(self.path) as users:
            users.remove(str(self.members[uid]["username"]))


class IamdContractTests(IdentityContract, SynchronousTestCase):
    def setUp(self) -> None:
        self.service = Service()
        self.identity = self.service.identity

    def drive(self, test: Coroutine[Any, Any, None]) -> None:
        watch(test).value  # noqa: B018
        self.assertEqual(self.service.clock.getDelayedCalls(), [])

    def token(self, uid: int) -> str:
        return self.service.iamd.token(uid)

    def refused_token(self) -> str:
        return f"{self.token(1)[:-4]}AAAA"

    def rename(self, uid: int, username: str) -> None:
        self.service.iamd.accounts[uid].username = username
        self.service.clock.advance(CACHE_TIME)

    def remove(self, uid: int) -> None:
        del self.service.iamd.accounts[uid]
        self.service.clock.advance(CACHE_TIME)


