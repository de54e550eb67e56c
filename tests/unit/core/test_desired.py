"""What is wanted of a webspace, as the document and the API have it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from webspaced.core.desired import AUTO, LONGEST_REASON, Desired, Wish, load_desired, parse_wish, suspension
from webspaced.errors import Invalid


class DesiredTests(SynchronousTestCase):
    def test_what_is_kept_is_read_back(self) -> None:
        off = Desired(wish=Wish.STOPPED)
        for desired in (AUTO, off, suspension("root", "spam", "a break"), suspension("root", "x", "")):
            self.assertEqual(load_desired(desired.to_json()), desired)

    def test_nothing_is_auto_and_a_word_is_a_wish(self) -> None:
        self.assertEqual(load_desired(None), AUTO)
        self.assertEqual(load_desired("stopped"), Desired(wish=Wish.STOPPED))

    def test_what_is_none(self) -> None:
        for odd in (7, [], {}, {"desired": "off"}, "", True):
            self.assertRaises(Invalid, load_desired, odd)
        self.assertIn("auto, stopped, suspended", str(self.assertRaises(Invalid, parse_wish, "off")))

    def test_a_suspension_needs_a_reason_and_none_is_a_book(self) -> None:
        for reason, public in (("", ""), ("  ", "x"), ("x" * (LONGEST_REASON + 1), ""), ("x", "y" * (LONGEST_REASON + 1))):
            self.assertRaises(Invalid, suspension, "root", reason, public)

    def test_texts_of_all_scripts_are_taken_and_orders_are_not(self) -> None:
        family, new = "\N{MAN}\N{ZERO WIDTH JOINER}\N{GIRL}", "\U000c1ac7"
        for text in ("line\n\tline", "a\N{NO-BREAK SPACE}b", "\N{IDEOGRAPHIC SPACE}x", family, new):
            self.assertEqual(load_desired(suspension("root", f"x{text}", "").to_json()).reason, f"x{text}")
        for text in ("2J\x1b", "x\r", "\x9b", "\N{RIGHT-TO-LEFT OVERRIDE}", "\udcff"):
            self.assertIn("cannot be shown", str(self.assertRaises(Invalid, suspension, "root", text, "")))
            self.assertEqual(load_desired({"desired": "suspended", "reason": text[-1]}).reason, "\N{REPLACEMENT CHARACTER}")
