"""Sizes, times and tables as people read them."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.cli.command import give
from webspaced.cli.shown import ago, give_table, size


class ShownTests(SynchronousTestCase):
    def test_sizes(self) -> None:
        for count, shown in ((None, "-"), (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (3 << 30, "3.0 GiB")):
            self.assertEqual(size(count), shown)

    @given(st.integers(0, 1 << 60))
    def test_any_size_is_short(self, count: int) -> None:
        self.assertLess(len(size(count)), 14)

    def test_how_long_ago(self) -> None:
        now = datetime(2026, 11, 30, 12, tzinfo=UTC)
        for time, shown in (
            ("2026-11-30T12:00:00Z", "now"), ("2026-11-30T11:59:30Z", "30 s ago"), ("2026-11-30T10:01:00Z", "1 h ago"),
            ("2026-11-27T12:00:00Z", "3 d ago"), ("2026-11-30T12:10:00Z", "now"),
        ):  # fmt: skip
            self.assertEqual(ago(time, now), shown)

    def test_nothing_gives_orders_to_the_terminal(self) -> None:
        self.patch(sys, "stdout", io.StringIO())
        give_table(("NAME",), [("a\x1b[2Jb\x9bc\nd",)])
        give("e\x1b]0;f\x07")
        written = sys.stdout.getvalue()  # type: ignore[attr-defined]
        self.assertEqual([each for each in written if not each.isprintable() and each != "\n"], [])
        self.assertIn("\\x1b[2Jb", written)

    def test_what_members_wrote_is_no_markup(self) -> None:
        self.patch(sys, "stdout", io.StringIO())
        give_table(("NAME", "WHY"), [("alice", "[bold]no[/bold] " + "x" * 300)])
        self.assertIn("[bold]no[/bold] " + "x" * 300, sys.stdout.getvalue())  # type: ignore[attr-defined]
