from itertools import islice

from twisted.trial.unittest import SynchronousTestCase

from webspaced.lib.backoff import pauses


class PausesTests(SynchronousTestCase):
    def test_double_up_to_the_longest_and_never_end(self) -> None:
        self.assertEqual(list(islice(pauses(1, 10), 7)), [1, 2, 4, 8, 10, 10, 10])

    def test_by_another_factor(self) -> None:
        self.assertEqual(list(islice(pauses(1, 100, factor=3), 4)), [1, 3, 9, 27])
