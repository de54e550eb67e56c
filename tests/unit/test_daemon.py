"""The whole daemon, on the simulator, in any sequence of events (``make soak`` takes many more and longer ones)."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from tests.simulation.machine import Everything


class DaemonTests(SynchronousTestCase):
    def test_any_sequence(self) -> None:
        bounds = settings(
            deadline=None, max_examples=25, stateful_step_count=20, suppress_health_check=list(HealthCheck), print_blob=True
        )
        run_state_machine_as_test(Everything, settings=bounds)
        # What mattered was seen by the deployments; this is what killed daemons said when they were freed.
        self.flushLoggedErrors()
