"""What every :class:`webspaced.interfaces.IIdentity` does: run on each provider, with whatever stands behind it.

The tests are coroutines; a subclass says how they are run, and how members come, go and are renamed. Members are
1 alice (with a key), 2 bob, and 99 root, an admin.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from tests.contracts.instances import contract
from webspaced.core.user import Caller, User
from webspaced.errors import Forbidden, NotFound, Unauthenticated
from webspaced.interfaces import IIdentity

ALICE, BOB, ROOT, NOBODY = 1, 2, 99, 7
KEY = "ssh-ed25519 AAAA"
MEMBERS = (
    {"id": ALICE, "username": "alice", "ssh_key": KEY},
    {"id": BOB, "username": "bob"},
    {"id": ROOT, "username": "root", "is_admin": True},
)


class IdentityContract:
    """Mixed into a trial test case that sets ``identity``."""

    identity: IIdentity
    assertEqual: Any
    assertTrue: Any
    assertFalse: Any
    assertNotIn: Any
    fail: Any

    def drive(self, test: Coroutine[Any, Any, None]) -> Any:
        """Run a coroutine as a test."""
        raise NotImplementedError

    def token(self, uid: int) -> str:
        """Give a member's token."""
        raise NotImplementedError

    def refused_token(self) -> str:
        """Give a token that looks well and is nobody's."""
        raise NotImplementedError

    def rename(self, uid: int, username: str) -> None:
        """Give a member another name, and let whatever was remembered be forgotten."""
        raise NotImplementedError

    def remove(self, uid: int) -> None:
        """Remove a member, and let whatever was remembered be forgotten."""
        raise NotImplementedError

    # --- helpers

    async def refused(self, kind: type[Exception], work: Any) -> str:
        try:
            await work
        except kind as error:
            self.assertEqual(type(error), kind)
            return str(error)
        return self.fail(f"no {kind.__name__}")

    async def caller(self, uid: int) -> Caller:
        return await self.identity.authenticate(self.token(uid))

    # --- tokens

    @contract
    async def test_a_token_is_its_holders(self) -> None:
        alice, root = await self.caller(ALICE), await self.caller(ROOT)
        self.assertEqual(alice.user, User(id=ALICE, username="alice", ssh_key=KEY))
        self.assertEqual((root.user.id, root.user.is_admin), (ROOT, True))
        self.assertEqual(alice.token, self.token(ALICE))
        self.assertNotIn(alice.token, repr(alice))

    @contract
    async def test_a_token_that_is_nobodys_is_refused(self) -> None:
        token = self.refused_token()
        said = await self.refused(Forbidden, self.identity.authenticate(token))
        self.assertNotIn(token, said)

    @contract
    async def test_what_can_be_no_token_is_malformed(self) -> None:
        for token in ("", "a\0b", "a\nb", "a\r\nHost: b", "x" * 20_000):
            await self.refused(Unauthenticated, self.identity.authenticate(token))

    @contract
    async def test_many_at_once_are_told_the_same(self) -> None:
        callers = await gatherResults([Deferred.fromCoroutine(self.caller(uid)) for uid in [ALICE, BOB, ROOT] * 5])
        self.assertEqual([caller.user.id for caller in callers], [ALICE, BOB, ROOT] * 5)

    @contract
    async def test_who_is_removed_has_no_token_any_more(self) -> None:
        token = self.token(ALICE)
        await self.identity.authenticate(token)
        self.remove(ALICE)
        await self.refused(Forbidden, self.identity.authenticate(token))

    # --- names

    @contract
    async def test_an_admin_finds_everybody_by_name(self) -> None:
        root = await self.caller(ROOT)
        found = [await self.identity.by_username(name, root) for name in ("alice", "bob", "root")]
        self.assertEqual([user.id for user in found], [ALICE, BOB, ROOT])
        self.assertEqual((found[0].ssh_key, found[1].ssh_key), (KEY, None))
        await self.refused(NotFound, self.identity.by_username("nobody", root))

    @contract
    async def test_others_find_themselves_only(self) -> None:
        alice = await self.caller(ALICE)
        self.assertEqual(await self.identity.by_username("alice", alice), alice.user)
        for name in ("bob", "root", "nobody"):
            await self.refused(Forbidden, self.identity.by_username(name, alice))

    # --- ids

    @contract
    async def test_by_id(self) -> None:
        found = [await self.identity.by_id(uid) for uid in (ALICE, BOB, ROOT)]
        self.assertEqual([user.username for user in found], ["alice", "bob", "root"])
        self.assertEqual([user.is_admin for user in found], [False, False, True])
        await self.refused(NotFound, self.identity.by_id(NOBODY))

    @contract
    async def test_a_renamed_member_is_found_by_the_new_name(self) -> None:
        await self.identity.by_id(BOB)
        self.rename(BOB, "robert")
        root = await self.caller(ROOT)
        self.assertEqual((await self.identity.by_id(BOB)).username, "robert")
        self.assertEqual((await self.identity.by_username("robert", root)).id, BOB)
        await self.refused(NotFound, self.identity.by_username("bob", root))

    @contract
    async def test_who_is_removed_is_not_found(self) -> None:
        await self.identity.by_id(BOB)
        self.remove(BOB)
        root = await self.caller(ROOT)
        await self.refused(NotFound, self.identity.by_id(BOB))
        await self.refused(NotFound, self.identity.by_username("bob", root))
