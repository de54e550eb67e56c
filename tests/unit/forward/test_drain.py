"""At the end who waits is refused, and who is relayed may finish for a while."""

from __future__ import annotations

import gc

from twisted.internet.defer import CancelledError

from tests.unit.forward.test_listeners import ListenersCase as _Case
from tests.unit.forward.wires import lose
from tests.unit.timing import Watched, watch
from webspaced.core.forward import Forward
from webspaced.forward.drain import LOOK
from webspaced.forward.visit import Visit

WITHIN = 20.0


class DrainTests(_Case):
    def tearDown(self) -> None:
        # What nobody handled is said when it is freed.
        gc.collect()

    def relayed(self, port: int) -> Visit:
        visit = self.visit(port)
        assert visit is not None
        self.gate.open()
        self.backend = self.machine.accept()
        return visit

    def close(self) -> Watched:
        self.listeners.want_forwards(1, {50000: Forward(22)})
        self.listeners.want_boot_port(1, 20001)
        self.forwarded, self.web_visit = self.relayed(50000), self.relayed(20001)
        self.waiting, self.web_waiting = self.visit(50000), self.visit(20001)
        return watch(self.listeners.close(WITHIN))

    def test_nobody_comes_any_more_and_who_waits_is_refused(self) -> None:
        closing = self.close()
        self.assertEqual((self.bound(), closing.done), ([], False))
        self.assertEqual((self.waiting.transport.ends, self.gate.cancelled), (["reset"], [2, 3]))
        self.assertIn(b"503 ", self.web_waiting.transport.value())

    def test_it_is_over_when_all_have_gone(self) -> None:
        closing = self.close()
        for visit in (self.waiting, self.web_waiting, self.web_visit):
            lose(visit)
        self.machine.pump([LOOK] * 5)
        self.assertEqual((closing.done, self.forwarded.transport.ends), (False, []))
        lose(self.forwarded)
        self.assertEqual((closing.value, self.machine.getDelayedCalls()), (None, []))

    def test_who_does_not_finish_is_reset(self) -> None:
        closing = self.close()
        self.machine.pump([LOOK] * int(WITHIN - 1))
        self.assertEqual((closing.done, self.forwarded.transport.ends), (False, []))
        self.machine.advance(LOOK + 0.1)
        self.assertTrue(closing.done)
        self.assertEqual(self.forwarded.transport.ends, ["reset"])

    def test_a_web_visitor_that_is_silent_has_finished(self) -> None:
        self.close()
        for _ in range(3):
            self.backend.dataReceived(b"more of an answer")
            self.machine.advance(LOOK)
            self.assertEqual(self.web_visit.transport.ends, [])
        self.machine.advance(LOOK)
        self.assertEqual((self.web_visit.transport.ends, self.forwarded.transport.ends), (["reset"], []))

    def test_one_that_awaits_an_answer_has_not(self) -> None:
        self.close()
        self.backend.dataReceived(b"an answer")
        self.web_visit.dataReceived(b"another question")
        self.machine.pump([LOOK] * 10)
        self.assertEqual(self.web_visit.transport.ends, [])
        self.backend.dataReceived(b"its answer")
        self.machine.pump([LOOK] * 2)
        self.assertEqual(self.web_visit.transport.ends, ["reset"])

    def test_a_hurry_before_it_counts_too(self) -> None:
        self.listeners.hurry()
        closing = self.close()
        self.assertEqual((self.forwarded.transport.ends, self.web_waiting.transport.ends), (["reset"], ["reset"]))
        self.assertTrue(closing.done)

    def test_in_a_hurry_all_are_reset_and_then_it_is_over(self) -> None:
        closing = self.close()
        self.listeners.hurry()
        self.assertEqual((self.forwarded.transport.ends, self.web_visit.transport.ends), (["reset"], ["reset"]))
        # Who reads why it is refused, too.
        self.assertEqual(self.web_waiting.transport.ends, ["half", "reset"])
        for visit in (self.waiting, self.web_waiting, self.forwarded, self.web_visit):
            lose(visit)
        self.assertTrue(closing.done)

    def test_cancelled_it_resets_all_at_once(self) -> None:
        closing = self.close()
        closing.deferred.cancel()
        self.assertIsInstance(closing.error, CancelledError)
        self.assertEqual((self.forwarded.transport.ends, self.web_visit.transport.ends), (["reset"], ["reset"]))
