"""A child that cannot outlive the daemon."""

from __future__ import annotations

import sys
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from webspaced.lib import bound_to_parent


class BoundTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.execv = self.enter(mock.patch.object(bound_to_parent.os, "execv"))
        self.prctl = self.enter(mock.patch.object(bound_to_parent.ctypes, "CDLL")).return_value.prctl
        self.prctl.return_value = 0
        self.getppid = self.enter(mock.patch.object(bound_to_parent.os, "getppid", return_value=77))

    def enter(self, patch: object) -> mock.Mock:
        self.addCleanup(patch.stop)
        return patch.start()

    def test_the_kernel_is_told_before_the_program_starts(self) -> None:
        self.execv.side_effect = lambda *_: self.prctl.assert_called_once_with(1, 9)
        bound_to_parent.main([sys.executable, "-V"])
        self.execv.assert_called_once_with(sys.executable, [sys.executable, "-V"])

    def test_a_parent_that_ended_meanwhile(self) -> None:
        self.getppid.side_effect = [77, 1]
        self.execv.side_effect = AssertionError
        self.assertRaises(SystemExit, bound_to_parent.main, ["/bin/true"])

    def test_a_kernel_that_refuses(self) -> None:
        self.prctl.return_value = -1
        self.assertRaises(OSError, bound_to_parent.main, ["/bin/true"])
        self.execv.assert_not_called()
