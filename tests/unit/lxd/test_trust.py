from __future__ import annotations

import base64
import json

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.lxd.fake_lxd import FakeLxd, Reply, error, sync
from tests.unit.timing import Time, watch
from webspaced.errors import Distrusted, Invalid
from webspaced.lxd.client import LxdClient
from webspaced.lxd.trust import NEEDED, Server, introduce

TOKEN = base64.b64encode(json.dumps({"client_name": "webspaced", "secret": "s", "addresses": []}).encode()).decode()


def root(auth: str = "trusted", *more: str) -> Reply:
    environment = {"server": "lxd", "server_version": "5.0.2"}
    return sync({"auth": auth, "api_extensions": [*NEEDED, *more], "environment": environment})


class TrustTests(SynchronousTestCase):
    def introduce(self, *replies: Reply, secret: str | None = None) -> Server:
        clock = Time()
        self.fake = FakeLxd(clock, *replies)
        return watch(introduce(LxdClient(self.fake, clock, "default"), secret)).value

    def refused(self, kind: type[Exception], *replies: Reply, secret: str | None = None) -> str:
        return str(self.assertRaises(kind, self.introduce, *replies, secret=secret))

    def posted(self) -> object:
        (posted,) = [asked.body for asked in self.fake.asked if asked.method == "POST"]
        return posted

    def test_who_is_trusted_asks_for_nothing(self) -> None:
        server = self.introduce(root(), secret="word")
        self.assertEqual((server.trusted, server.product, server.version), (True, "lxd", "5.0.2"))
        self.assertEqual(len(self.fake.asked), 1)

    def test_a_password_up_to_5_x(self) -> None:
        self.introduce(root("untrusted"), sync(None), root(), secret="word")
        self.assertEqual(self.posted(), {"type": "client", "password": "word"})

    def test_a_token_where_nothing_tells_which_member_is_read(self) -> None:
        self.introduce(root("untrusted"), sync(None), root(), secret=TOKEN)
        self.assertEqual(self.posted(), {"type": "client", "password": TOKEN, "trust_token": TOKEN})

    def test_a_token_where_there_is_a_member_for_it(self) -> None:
        self.introduce(root("untrusted", "explicit_trust_token"), sync(None), root(), secret=TOKEN)
        self.assertEqual(self.posted(), {"type": "client", "trust_token": TOKEN})

    def test_a_password_where_both_are_known(self) -> None:
        self.introduce(root("untrusted", "explicit_trust_token"), sync(None), root(), secret="word")
        self.assertEqual(self.posted(), {"type": "client", "password": "word"})

    def test_a_wrong_one(self) -> None:
        said = self.refused(Distrusted, root("untrusted"), error(403), secret="word")
        self.assertIn("trust_password", said)
        self.assertNotIn("word", said.replace("password", ""))

    def test_nothing_to_become_trusted_by(self) -> None:
        self.assertIn("lxc config trust add", self.refused(Distrusted, root("untrusted")))

    def test_trust_that_does_not_come_about(self) -> None:
        self.refused(Distrusted, root("untrusted"), sync(None), root("untrusted"), secret="word")

    def test_an_lxd_that_is_too_old_names_what_it_lacks(self) -> None:
        self.assertIn("instances", self.refused(Invalid, sync({"auth": "trusted", "api_extensions": ["projects"]})))

    def test_one_that_tells_nothing_of_itself(self) -> None:
        server = self.introduce(sync({"auth": "trusted", "api_extensions": list(NEEDED)}))
        self.assertEqual(server.version, "of unknown version")
