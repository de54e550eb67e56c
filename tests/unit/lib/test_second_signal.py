from __future__ import annotations

import os
import signal
from unittest import mock

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from webspaced.base.application import Application
from webspaced.lib.second_signal import SIGNALS, on_second_signal


class SignalTests(SynchronousTestCase):
    def setUp(self) -> None:
        for number in SIGNALS:
            self.addCleanup(signal.signal, number, signal.getsignal(number))
        self.reactor = MemoryReactorClock()
        self.reactor.callFromThread = lambda act: self.reactor.callLater(0, act)

    def test_each_acts_in_the_reactors_own_time(self) -> None:
        act = mock.Mock()
        on_second_signal(self.reactor, act)
        for number in SIGNALS:
            os.kill(os.getpid(), number)
        self.assertEqual(act.call_count, 0)
        self.reactor.advance(0)
        self.assertEqual(act.call_count, len(SIGNALS))

    def test_from_its_stop_on_an_application_hurries(self) -> None:
        service = mock.Mock(spec=["setServiceParent", "stopService", "hurry"])
        application = Application([], None, self.reactor)
        application.services.append(service)
        application.stopService()
        self.assertEqual(service.hurry.call_count, 0)
        os.kill(os.getpid(), signal.SIGTERM)
        self.reactor.advance(0)
        self.assertEqual(service.hurry.call_count, 1)
