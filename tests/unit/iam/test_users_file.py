"""The users file, checked and edited."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import yaml

from tests.unit.iam.test_static import StaticCase
from webspaced.core.user import LARGEST_ID
from webspaced.errors import Conflict, Invalid, NotFound
from webspaced.iam.static import UsersFile
from webspaced.iam.users_file import edited, hash_token, parse_users
from webspaced.lib import trusted


class UsersFileTests(StaticCase):
    def test_a_bad_username_is_named_by_file_and_number(self) -> None:
        error = self.assertRaises(Invalid, self.read, "users: [{id: 1, username: 'a b'}]")
        self.assertIn(f"{self.path}: users[1]", str(error))

    def test_an_id_that_no_path_could_name_is_a_mistake(self) -> None:
        self.read(f"users: [{{id: {LARGEST_ID}, username: a}}]")
        error = self.assertRaises(Invalid, self.read, f"users: [{{id: {LARGEST_ID + 1}, username: a}}]")
        self.assertIn(f"{self.path}: users[1]: an id may be at most {LARGEST_ID}", str(error))

    def test_a_key_that_is_no_text_is_a_mistake(self) -> None:
        error = self.assertRaises(Invalid, self.read, "users: [{id: 1, username: a, ssh_key: 3}]")
        self.assertIn("ssh_key", str(error))

    def test_one_token_for_two_is_a_mistake(self) -> None:
        h = hash_token("same")
        self.assertRaises(
            Invalid,
            self.read,
            f"users: [{{id: 1, username: a, token_sha256: {h}}}, {{id: 2, username: b, token_sha256: {h}}}]",
        )

    def test_a_hash_that_is_none_is_a_mistake(self) -> None:
        self.assertRaises(Invalid, self.read, "users: [{id: 1, username: a, token_sha256: plain-token}]")

    def test_bytes_that_are_no_text(self) -> None:
        path = Path(self.mktemp())
        path.write_bytes(b"\xff\xfe\xff")
        self.assertRaises(Invalid, UsersFile, path)

    def test_tags_make_no_objects(self) -> None:
        error = self.assertRaises(Invalid, self.read, "users: [!!python/object/apply:os.getcwd []]")
        self.assertIn("cannot be read as YAML", str(error))


class EditTests(StaticCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp()) / "deep" / "users.yaml"

    def add(self, name: str, uid: int | None = None, *, admin: bool = False) -> str:
        with edited(self.path) as users:
            return users.add(name, uid, admin=admin)

    def users(self) -> dict[str, int]:
        return {user.username: user.id for user, _ in parse_users(self.path, self.path.read_bytes())}

    def test_a_first_member_begins_the_file(self) -> None:
        token = self.add("Alice")
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.path.parent.stat().st_mode), 0o700)
        self.assertEqual(self.users(), {"alice": 1})
        text = self.path.read_text()
        self.assertNotIn(token, text)
        self.assertIn(hash_token(token), text)
        self.assertGreaterEqual(len(token), 43)
        self.assertEqual([path.name for path in self.path.parent.iterdir()], ["users.yaml"])

    def test_ids_are_not_given_twice(self) -> None:
        self.add("a", 40)
        self.add("b")
        with edited(self.path) as users:
            users.remove("b")
        # The webspace of b may still be there.
        self.add("c")
        self.assertEqual(self.users(), {"a": 40, "c": 42})
        with edited(self.path) as users:
            users.remove("a")
            users.remove("c")
        self.add("d")
        self.assertEqual(self.users(), {"d": 43})
        self.add("a", 40)
        self.assertEqual(self.users(), {"d": 43, "a": 40})

    def test_nor_those_of_members_who_came_or_went_by_hand(self) -> None:
        self.path.parent.mkdir(parents=True)
        self.path.write_text("users: [{id: 5, username: a}]")
        with edited(self.path) as users:
            users.remove("a")
        self.add("b")
        self.assertEqual(self.users(), {"b": 6})
        document = yaml.safe_load(self.path.read_text())
        self.path.write_text(yaml.safe_dump({**document, "users": [{"id": 9, "username": "c"}]}))
        self.add("d")
        self.assertEqual(self.users(), {"c": 9, "d": 10})
        self.path.write_text(yaml.safe_dump({**yaml.safe_load(self.path.read_text()), "users": []}))
        self.add("e")
        self.assertEqual(self.users(), {"e": 11})

    def test_the_id_0_may_be_chosen(self) -> None:
        self.add("a", 0)
        self.assertEqual(self.users(), {"a": 0})

    def test_names_and_ids_of_others(self) -> None:
        self.add("a", 7)
        before = self.path.read_bytes()
        for name, uid, kind in (("A", None, Conflict), ("a", 8, Conflict), ("b", 7, Conflict), ("b_b", None, Invalid)):
            self.assertRaises(kind, self.add, name, uid)
        for act in ("remove", "new_token"):
            with self.assertRaises(NotFound), edited(self.path) as users:
                getattr(users, act)("b")
        self.assertEqual(self.path.read_bytes(), before)

    def test_a_new_token_ends_the_old_one(self) -> None:
        old = self.add("a", admin=True)
        with edited(self.path) as users:
            new = users.new_token("a")
        ((user, token_hash),) = parse_users(self.path, self.path.read_bytes())
        self.assertEqual((token_hash, user.is_admin), (hash_token(new), True))
        self.assertNotEqual(old, new)

    def test_what_it_does_not_know_is_kept(self) -> None:
        self.path.parent.mkdir(parents=True)
        self.path.write_text("users: [{id: 5, username: a, email: ä@example.org, ssh_key: k}]\nmore: {x: 1}\n")
        self.add("b")
        document = yaml.safe_load(self.path.read_text())
        self.assertEqual(document["more"], {"x": 1})
        self.assertEqual(document["users"][0], {"id": 5, "username": "a", "email": "ä@example.org", "ssh_key": "k"})

    def test_a_broken_file_is_not_touched(self) -> None:
        self.path.parent.mkdir(parents=True)
        for broken in ("users: [", "users: 3", "nothing: 1", "users: [{id: 1}]"):
            self.path.write_text(broken)
            self.assertRaises(Invalid, self.add, "a")
            self.assertEqual(self.path.read_text(), broken)

    def test_many_at_once_all_get_in(self) -> None:
        # The switch between threads within a read-change-write is what the lock is for.
        names = [f"m{n}" for n in range(24)]
        with ThreadPoolExecutor(8) as pool:
            tokens = list(pool.map(self.add, names))
        self.assertEqual(set(self.users()), set(names))
        self.assertEqual(sorted(self.users().values()), list(range(1, 25)))
        hashes = {token_hash for _, token_hash in parse_users(self.path, self.path.read_bytes())}
        self.assertEqual(hashes, {hash_token(token) for token in tokens})

    def test_a_failed_write_leaves_the_old_file(self) -> None:
        self.add("a")
        with mock.patch.object(os, "fsync", side_effect=OSError(28, "full")):
            self.assertRaises(OSError, self.add, "b")
        self.assertEqual(self.users(), {"a": 1})
        self.add("c")
        self.assertEqual(self.users(), {"a": 1, "c": 2})

    def test_the_target_of_a_link_is_replaced(self) -> None:
        self.add("a")
        link = self.path.parent / "link.yaml"
        link.symlink_to(self.path.name)
        with edited(link) as users:
            users.add("b", None, admin=False)
        self.assertTrue(link.is_symlink())
        self.assertEqual(set(self.users()), {"a", "b"})

    def test_edited_by_root_it_stays_its_owners(self) -> None:
        # Or a daemon that is not root could not read it any more.
        self.add("a")
        given: list[tuple[int, int]] = []
        owner = mock.Mock(st_uid=1234, st_gid=5678)
        with mock.patch.object(os, "geteuid", lambda: 0), mock.patch.object(
            os, "fchown", lambda _file, uid, gid: given.append((uid, gid))
        ), trusted.spot(self.path) as where:
            where.replace(b"users: []", owner)
        self.assertEqual(given, [(1234, 5678)])
