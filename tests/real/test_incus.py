"""webspaced itself on a real Incus: what its tests ask of it on LXD."""

from __future__ import annotations

from tests.faults.alone import test_parts_killed
from tests.real import test_first_light, test_https, test_operators_tools, test_states
from tests.stack import INCUS_VARIABLE


class WakingTests(test_first_light.WakingTests):
    variable = INCUS_VARIABLE


class ApiTests(test_first_light.ApiTests):
    variable = INCUS_VARIABLE


class BehindTheBackTests(test_states.BehindTheBackTests):
    variable = INCUS_VARIABLE


class DaemonTests(test_parts_killed.DaemonTests):
    variable = INCUS_VARIABLE


class TokenTests(test_https.TokenTests):
    variable = INCUS_VARIABLE


class RestrictedTests(test_https.RestrictedTests):
    variable = INCUS_VARIABLE


class InsecureTests(test_https.InsecureTests):
    variable = INCUS_VARIABLE


class RefusedTests(test_https.RefusedTests):
    variable = INCUS_VARIABLE


class ForbiddenTests(test_operators_tools.ForbiddenTests):
    variable = INCUS_VARIABLE


class RestoredTests(test_operators_tools.RestoredTests):
    variable = INCUS_VARIABLE
