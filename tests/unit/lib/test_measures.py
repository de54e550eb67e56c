"""Plain counts and times, the words for outcomes, and templates of paths."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import Time, watch
from webspaced import errors
from webspaced.lib.measures import OUTCOMES, Calls, Counted, Timed, outcome_of, template


class CountTests(SynchronousTestCase):
    def test_by_labels(self) -> None:
        counted = Counted()
        counted.add("a", "b")
        counted.add("a", "b", by=2)
        counted.add("c", "d")
        self.assertEqual(counted.values, {("a", "b"): 3, ("c", "d"): 1})

    def test_a_bound_belongs_to_its_bucket(self) -> None:
        timed = Timed((1.0, 2.0))
        for seconds in (0.5, 1.0, 1.5, 2.0, 2.5):
            timed.note(seconds, "x")
        (spread,) = timed.spreads.values()
        self.assertEqual((spread.counts, spread.sum), ([2, 2, 1], 7.5))
        self.assertEqual(timed.under("y").spreads, {("y", "x"): spread})
        self.assertEqual(timed.without().spreads, {(): spread})


class OutcomeTests(SynchronousTestCase):
    def test_narrow_before_broad(self) -> None:
        kinds = [kind for kind, _ in OUTCOMES]
        for at, kind in enumerate(kinds):
            self.assertFalse(any(issubclass(kind, before) for before in kinds[:at]), kind)

    def test_words(self) -> None:
        for error, word in (
            (None, "ok"), (errors.NotFound("x"), "not_found"), (errors.Distrusted("x"), "distrusted"),
            (errors.Unavailable("x"), "unavailable"), (errors.PortSilent("x"), "port_silent"),
            (errors.BootFailed("x"), "failed"), (errors.Changed("x", 412), "changed"),
            (errors.RemoteError("x", 500), "remote_error"), (CancelledError(), "cancelled"), (ValueError(), "error"),
        ):  # fmt: skip
            self.assertEqual(outcome_of(error), word)


class CallTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Time()
        self.calls = Calls(self.clock, "lxd")

    def test_how_it_went_and_how_long(self) -> None:
        for result, outcome in ((3, "ok"), (errors.NotFound("x"), "not_found")):
            answer: Deferred[int] = Deferred()
            call = watch(self.calls.measured("GET /x", answer))
            self.clock.advance(2)
            (answer.errback if isinstance(result, Exception) else answer.callback)(result)
            self.assertEqual(call.results[0] if outcome == "ok" else call.error, result)
            self.assertEqual(self.calls.outcomes.values["GET /x", outcome], 1)
        self.assertEqual(self.calls.seconds.spreads["GET /x",].sum, 4)

    def test_one_that_is_given_up(self) -> None:
        call = watch(self.calls.measured("GET /x", Deferred()))
        call.deferred.cancel()
        self.assertIsInstance(call.error, CancelledError)
        self.assertEqual(self.calls.outcomes.values, {("GET /x", "cancelled"): 1})


class TemplateTests(SynchronousTestCase):
    def test_names_are_left_out(self) -> None:
        words = frozenset(("instances", "state"))
        for path, expected in (
            ("/instances/ws-u1/state?a=b", "/instances/{}/state"), ("", "/"), ("/", "/"), ("/instances", "/instances"),
            ("/x/" * 50, "/" + "/".join(["{}", ""] * 4)),
        ):  # fmt: skip
            self.assertEqual(template(path, words), expected)
