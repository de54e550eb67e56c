"""What counts of an admin's word and a document, where one of them is older."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from webspaced.core.desired import AUTO, Desired, Wish, suspension
from webspaced.core.words import Word, load_word, wanted

OFF = Desired(wish=Wish.STOPPED)
SUSPENDED = suspension("root", "sends spam", "")
OTHER = suspension("root", "mines coins", "")


class WantedTests(SynchronousTestCase):
    def test_a_suspension_counts_whatever_the_document_says(self) -> None:
        for documented in (AUTO, OFF, OTHER, SUSPENDED):
            self.assertEqual(wanted(SUSPENDED, documented), SUSPENDED)

    def test_one_that_was_given_back_is_not_suspended_by_its_document(self) -> None:
        self.assertEqual(wanted(AUTO, SUSPENDED), AUTO)

    def test_its_member_may_switch_one_off_that_was_given_back(self) -> None:
        for documented in (AUTO, OFF):
            self.assertEqual(wanted(AUTO, documented), documented)


class KeptTests(SynchronousTestCase):
    def test_what_is_kept_is_read_again(self) -> None:
        for desired in (AUTO, SUSPENDED):
            word = Word(born="2026-01-02T00:00:00Z", desired=desired)
            self.assertEqual(load_word(word.dump()), word)

    def test_what_is_no_word_is_none(self) -> None:
        for text in ("", "{", "[]", "3", "null", "{}", '{"born":"a","desired":7}', "[" * 100_000):
            self.assertIsNone(load_word(text), text[:10])
