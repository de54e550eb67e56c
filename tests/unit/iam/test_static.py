"""Members from a file."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import watch
from webspaced.core.user import User
from webspaced.errors import Forbidden, Invalid, NotFound, Unauthenticated, Unavailable
from webspaced.iam.static import UsersFile
from webspaced.iam.users_file import hash_token

TEXT = f"""
users:
  - id: 1
    username: Alice
    token_sha256: {hash_token("a-token").upper()}
    ssh_key: ssh-ed25519 AAAA
    email: alice@example.org
  - {{id: 99, username: root, is_admin: true, token_sha256: {hash_token("r-token")}}}
  - {{id: 2, username: bob}}
"""


class StaticCase(SynchronousTestCase):
    def read(self, text: str) -> UsersFile:
        self.path = Path(self.mktemp())
        self.path.write_text(text)
        self.path.chmod(0o600)
        return UsersFile(self.path)

    def refused(self, kind: type[Exception], work: object) -> str:
        error = watch(work).error
        self.assertIsInstance(error, kind)
        return str(error)


class IdentityTests(StaticCase):
    def setUp(self) -> None:
        self.identity = self.read(TEXT)
        self.alice, self.root = (watch(self.identity.authenticate(token)).value for token in ("a-token", "r-token"))

    def test_a_token_is_its_holders(self) -> None:
        self.assertEqual(self.alice.user, User(id=1, username="alice", ssh_key="ssh-ed25519 AAAA"))
        self.assertTrue(self.root.user.is_admin)
        self.assertNotIn("a-token", repr(self.alice))

    def test_another_token_is_refused(self) -> None:
        for token in ("A-token", "a-token2", hash_token("a-token")):
            self.refused(Forbidden, self.identity.authenticate(token))

    def test_a_malformed_one(self) -> None:
        for token in ("", "x" * 5000, "a\0b", "a\nb"):
            self.refused(Unauthenticated, self.identity.authenticate(token))

    def test_a_member_without_a_hash_has_no_token(self) -> None:
        self.refused(Unauthenticated, self.identity.authenticate(""))
        self.assertEqual(watch(self.identity.by_id(2)).value.username, "bob")

    def test_by_username(self) -> None:
        self.assertEqual(watch(self.identity.by_username("alice", self.alice)).value.id, 1)
        self.assertEqual(watch(self.identity.by_username("bob", self.root)).value.id, 2)
        for name in ("bob", "nobody"):
            self.refused(Forbidden, self.identity.by_username(name, self.alice))
        self.refused(NotFound, self.identity.by_username("nobody", self.root))

    def test_by_id(self) -> None:
        self.assertEqual(watch(self.identity.by_id(99)).value.username, "root")
        self.refused(NotFound, self.identity.by_id(7))


class FileTests(StaticCase):
    def mistake(self, text: str) -> str:
        return str(self.assertRaises(Invalid, self.read, text))

    def test_one_that_is_not_there_says_of_nobody_that_they_do_not_exist(self) -> None:
        # Or a file that is not mounted yet would take every member's name from LXD.
        self.refused(Unavailable, UsersFile(Path("nowhere.yaml")).by_id(1))

    def test_what_is_no_yaml(self) -> None:
        self.assertIn(": cannot be read as YAML", self.mistake("users: ["))

    def test_what_is_no_list(self) -> None:
        for text in ("", "[]", "users: 3", "users: {}", "other: []"):
            self.assertIn("users must be a list", self.mistake(text))

    def test_an_entry_is_named_by_file_and_number(self) -> None:
        wrong_ids = [f"{{id: {value}, username: a}}" for value in ("x", "true", "-1", "1.5")]
        for entry in ("3", "{username: a}", "{id: 2}", *wrong_ids):
            said = self.mistake(f"users: [{{id: 1, username: a}}, {entry}]")
            self.assertIn(f"{self.path}: users[2]", said)

    def test_nobody_is_given_twice(self) -> None:
        self.assertIn("id 1 is given twice", self.mistake("users: [{id: 1, username: a}, {id: 1, username: b}]"))
        self.assertIn("username a is given twice", self.mistake("users: [{id: 1, username: a}, {id: 2, username: A}]"))

    def test_only_true_makes_an_admin(self) -> None:
        identity = self.read("users: [{id: 1, username: a, is_admin: 'yes'}, {id: 2, username: b, is_admin: 1}]")
        self.assertEqual([watch(identity.by_id(uid)).value.is_admin for uid in (1, 2)], [False, False])


class ReloadTests(StaticCase):
    """What is edited counts from the next use on."""

    def setUp(self) -> None:
        self.identity = self.read("users: [{id: 1, username: alice}]")
        logs = capturedLogs()
        self.events = logs.__enter__()
        self.addCleanup(logs.__exit__, None, None, None)

    def name(self) -> str:
        return watch(self.identity.by_id(1)).value.username

    def write(self, text: str) -> None:
        self.path.write_text(text)

    def said(self) -> list[str]:
        texts = [event["log_format"].format(**event) for event in self.events]
        self.events.clear()
        return texts

    def test_an_edited_file_is_read_again(self) -> None:
        self.write("users: [{id: 1, username: alicia}]")
        self.assertEqual(self.name(), "alicia")
        token_hash = hash_token("t")
        self.write(f"users: [{{id: 1, username: alicia, token_sha256: {token_hash}}}]")
        self.assertEqual(watch(self.identity.authenticate("t")).value.user.username, "alicia")
        self.write("users: [{id: 1, username: alicia}]")
        self.refused(Forbidden, self.identity.authenticate("t"))
        self.assertEqual(self.said(), [])

    def test_it_tells_whether_it_changed_since_it_was_asked(self) -> None:
        self.assertFalse(self.identity.has_changed())
        self.write("users: []")
        self.assertEqual([self.identity.has_changed() for _ in range(2)], [True, False])
        for broken in ("users: {", "", "users:"):
            self.write(broken)
            self.assertFalse(self.identity.has_changed(), broken)

    def test_a_replaced_file_of_the_same_size_and_time_too(self) -> None:
        before = self.path.stat()
        new = self.path.with_name(f"{self.path.name}.new")
        new.write_text("users: [{id: 1, username: elise}]")
        new.chmod(0o600)
        os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
        new.replace(self.path)
        self.assertEqual(self.name(), "elise")

    def test_as_long_as_nothing_changes_it_is_not_read(self) -> None:
        self.patch(UsersFile, "_read", lambda _self: self.fail("it was read"))
        self.assertEqual([self.name() for _ in range(3)], ["alice"] * 3)

    def test_a_broken_one_leaves_the_members_and_is_told_once(self) -> None:
        for broken in ("users: [", "users: 3", "users: [{id: 1, username: a}, {id: 1, username: b}]", ""):
            self.write(broken)
            self.assertEqual([self.name() for _ in range(3)], ["alice"] * 3)
            (said,) = self.said()
            self.assertIn(str(self.path), said)
            self.assertIn("stay as they were", said)
        self.write("users: [{id: 1, username: alicia}]")
        self.assertEqual(self.name(), "alicia")

    def test_a_missing_one_leaves_the_members_and_is_told_once(self) -> None:
        self.path.unlink()
        self.assertEqual([self.name() for _ in range(3)], ["alice"] * 3)
        self.assertEqual(len(self.said()), 1)
        self.write("users: [{id: 1, username: alicia}]")
        self.assertEqual(self.name(), "alicia")
        self.path.unlink()
        self.assertEqual(self.name(), "alicia")
        self.assertIn("No such file", self.said()[-1])

    def test_one_that_appears_later_is_read(self) -> None:
        self.path.unlink()
        self.identity = UsersFile(self.path)
        self.refused(Unavailable, self.identity.by_id(1))
        self.assertEqual(len(self.said()), 1)
        self.write("users: [{id: 2, username: bob}]")
        self.refused(NotFound, self.identity.by_id(1))
        self.assertEqual(watch(self.identity.by_id(2)).value.username, "bob")

    def test_one_that_belongs_to_somebody_else_is_warned_of(self) -> None:
        if os.geteuid() == 0:
            os.chown(self.path, 65534, 65534)
        else:
            me = os.geteuid()
            self.patch(os, "geteuid", lambda: me + 1)
        with capturedLogs() as said:
            UsersFile(self.path)
        self.assertEqual([event["strange"].partition(" (")[0] for event in said], ["belongs to another user"])

    def test_one_that_others_may_read_is_warned_of(self) -> None:
        for mode, warned in ((0o600, 0), (0o400, 0), (0o640, 1), (0o604, 1), (0o620, 1)):
            self.path.chmod(mode)
            self.name()
            self.name()
            self.assertEqual(len(self.said()), warned, oct(mode))

    def test_one_that_cannot_be_opened_ends_the_start(self) -> None:
        self.assertIn("Is a directory", str(self.assertRaises(Invalid, UsersFile, self.path.parent)))
