from unittest import mock

from twisted.internet.defer import Deferred

from tests.unit.webspaces.test_gate import GateCase as _Case


class RaceTests(_Case):
    def test_a_probe_that_answers_after_the_webspace_stopped_is_not_believed(self) -> None:
        # The address may be another webspace's by then.
        answers: list[Deferred[bool]] = []

        async def slow(*_args: object) -> bool:
            answers.append(Deferred())
            return await answers[-1]

        with mock.patch.object(self.w.probe, "accepts", slow):
            waiting = self.ready()
            self.w.clock.run_for(1)
            self.w.lxd.crash("ws-u1")
            self.w.clock.run_for(0.1)
            self.assertFalse(self.w.seen(1).runs)
            for answer in answers:
                answer.callback(True)
            self.w.clock.run_for(0.1)
        self.assertNotEqual([str(r) for r in waiting.results], ["10.7.0.10:22"])
