"""Progress that never goes back, and languages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.core.waiting import Phase, preferred, progress

SPOKEN = ("de", "en", "fr", "pt-br")


class ProgressTests(SynchronousTestCase):
    @given(st.floats(0, 1e6), st.floats(0, 1e6))
    def test_it_goes_on_and_never_ends(self, one: float, other: float) -> None:
        early, late = sorted((one, other))
        for phase in Phase:
            self.assertTrue(0 < progress(phase, early) <= progress(phase, late) < 100)
        for before, after in zip(Phase, list(Phase)[1:], strict=False):
            self.assertLess(progress(before, early), progress(after, late))

    def test_who_waits_in_the_queue_gets_no_further(self) -> None:
        self.assertEqual(progress(Phase.QUEUED, 0), progress(Phase.QUEUED, 500))
        self.assertGreater(progress(Phase.STARTING, 5), progress(Phase.STARTING, 1))


class LanguageTests(SynchronousTestCase):
    def test_the_one_that_is_liked_best_of_those_that_are_spoken(self) -> None:
        for accepted, language in (
            ("de", "de"), ("de-AT,de;q=0.9,en;q=0.8", "de"), ("DE-at", "de"), ("en;q=0.5, fr;q=0.9", "fr"),
            ("it, fr;q=0.2", "fr"), ("pt-BR", "pt-br"), ("pt", "en"), ("zh", "en"), ("", "en"), ("*", "en"),
            ("de;q=0, fr;q=0", "en"), ("de;q=x", "en"), (";;,,q=1", "en"), ("fr, de", "fr"),
        ):  # fmt: skip
            self.assertEqual(preferred(accepted, SPOKEN, "en"), language, accepted)

    @given(st.text())
    def test_whatever_is_sent_there_is_a_language(self, accepted: str) -> None:
        self.assertIn(preferred(accepted, SPOKEN, "en"), SPOKEN)
