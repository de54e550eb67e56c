"""The whole daemon, on the simulator, in many long sequences of events: 500 of 50 steps (``make soak``).

``WEBSPACED_TEST_SOAK_RUNS`` and ``WEBSPACED_TEST_SOAK_STEPS`` change that.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from tests.simulation.machine import Everything

RUNS = int(os.environ.get("WEBSPACED_TEST_SOAK_RUNS", "500"))
STEPS = int(os.environ.get("WEBSPACED_TEST_SOAK_STEPS", "50"))


class DaemonTests(SynchronousTestCase):
    def test_any_long_sequence(self) -> None:
        bounds = settings(
            deadline=None,
            max_examples=RUNS,
            stateful_step_count=STEPS,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        )
        run_state_machine_as_test(Everything, settings=bounds)
        # What mattered was seen by the deployments; this is what killed daemons said when they were freed.
        self.flushLoggedErrors()
