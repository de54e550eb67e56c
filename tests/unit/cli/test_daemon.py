"""Which daemon is asked, and what is never done with a token."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from webspaced.cli import documents
from webspaced.cli.daemon import CA_FILE, TOKEN_FILE, URL, add_daemon_options, at, daemon_of
from webspaced.cli.documents import _pieces, _together
from webspaced.errors import Invalid


def parsed(*arguments: str) -> Namespace:
    parser = ArgumentParser()
    add_daemon_options(parser)
    return parser.parse_args(arguments)


class ChoiceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.token = Path(self.mktemp())
        self.token.write_text("secret\n")

    def test_the_one_beside_by_default(self) -> None:
        self.assertEqual(daemon_of(parsed("--data-dir", "/somewhere")).where, "/somewhere/control.sock")

    def test_a_url_by_option_and_by_variable(self) -> None:
        daemon = daemon_of(parsed("--url", "https://api.example.org/", "--token-file", str(self.token)))
        self.assertEqual((daemon.where, daemon.prefix), ("https://api.example.org/", "/operator"))
        self.assertEqual(daemon.headers["Authorization"], "Bearer secret")
        for name, value in ((URL, "https://api.example.org/base"), (TOKEN_FILE, str(self.token)), (CA_FILE, "")):
            self.patch(documents.sys.modules["os"], "environ", {**documents.sys.modules["os"].environ, name: value})
        self.assertEqual(daemon_of(parsed()).prefix, "/base/operator")
        self.assertEqual(daemon_of(parsed("--data-dir", "/x")).where, "/x/control.sock", "an option beats a variable")

    def test_without_a_token(self) -> None:
        error = self.assertRaises(Invalid, daemon_of, parsed("--url", "https://api.example.org"))
        self.assertIn("--token-file", str(error))

    def test_no_token_in_the_clear(self) -> None:
        for url in ("http://api.example.org", "http://10.0.0.1", "ftp://localhost", "api.example.org", "https://", "https://a?b"):
            self.assertRaises(Invalid, at, url, "secret")
        for url in ("http://localhost:8000", "http://127.0.0.1", "http://[::1]", "https://api.example.org"):
            at(url, "secret")


class PieceTests(SynchronousTestCase):
    def test_parts_are_the_whole(self) -> None:
        webspaces = {f"ws-u{uid}": {"user._webspaced": "x" * 100} for uid in range(50)}
        pieces = list(_pieces({"format": 1, "webspaces": webspaces}, 1000))
        self.assertGreater(len(pieces), 5)
        together: dict[str, Any] = {}
        for piece in pieces:
            self.assertEqual(piece["format"], 1)
            self.assertLess(len(json.dumps(piece)), 1200)
            together |= piece["webspaces"]
        self.assertEqual(together, webspaces)

    def test_what_is_no_export_is_left_to_the_daemon(self) -> None:
        self.assertEqual(list(_pieces({"format": 2}, 10)), [{"format": 2}])
        self.assertEqual(list(_pieces({"webspaces": {}}, 10)), [{"webspaces": {}}])

    def test_what_no_part_knows_the_whole_does_not_know(self) -> None:
        first = {"changes": {"a": {}}, "missing": ["m"], "beside": ["b", "c"], "failed": {}}
        second = {"changes": {"b": {}}, "missing": [], "beside": ["a", "c"], "failed": {"b": "why"}}
        self.assertEqual(_together([first, second]), {
            "changes": {"a": {}, "b": {}}, "missing": ["m"], "beside": ["c"], "failed": {"b": "why"},
        })  # fmt: skip
