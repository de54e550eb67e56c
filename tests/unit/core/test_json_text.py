"""What is nested too deeply is an error that callers know, and no surprise of the interpreter's."""

from __future__ import annotations

import json
import sys

from twisted.trial.unittest import SynchronousTestCase

from webspaced.core.json_text import DEEPEST, parse, parse_kept


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


class ParseTests(SynchronousTestCase):
    def test_a_value(self) -> None:
        for text in ('{"a":[1,"b",null]}', b"3", nested(DEEPEST)):
            self.assertEqual(parse(text), json.loads(text))
            self.assertEqual(parse_kept(text), json.loads(text))

    def test_what_is_none(self) -> None:
        for text in ("", "{", b"\xff", nested(100 * sys.getrecursionlimit()), '{"a":' * 100_000):
            self.assertRaises(ValueError, parse, text)
            self.assertRaises(ValueError, parse_kept, text)

    def test_what_could_be_read_and_perhaps_not_written_is_not_kept(self) -> None:
        for text in (nested(DEEPEST + 1), '{"a":' * (DEEPEST + 1) + "1" + "}" * (DEEPEST + 1)):
            parse(text)
            self.assertRaises(ValueError, parse_kept, text)
