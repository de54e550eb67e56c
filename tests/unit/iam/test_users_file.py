from pathlib import Path

from tests.unit.iam.test_static import StaticCase as _Case
from webspaced.errors import Invalid
from webspaced.iam.static import hash_token, read_users


class UsersFileTests(_Case):
    def test_a_bad_username_is_named_by_file_and_number(self) -> None:
        error = self.assertRaises(Invalid, self.read, "users: [{id: 1, username: 'a b'}]")
        self.assertIn(f"{self.path}: users[1]", str(error))

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
        self.assertRaises(Invalid, read_users, path)
