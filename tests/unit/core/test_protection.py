"""What an operator forbids LXD to do."""

from __future__ import annotations

from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from webspaced.core.protection import DELETE, SHIFT, START, forbids_deletion, forbids_start, protections

MAP, OTHER = '[{"Isuid":true,"Hostid":1000000}]', '[{"Isuid":true,"Hostid":1065536}]'


class ProtectionTests(SynchronousTestCase):
    def test_flags_are_read_as_lxd_reads_them(self) -> None:
        for value, counts in (("true", True), ("1", True), ("Yes", True), ("on", True), ("false", False), ("", False)):
            expanded = {"security.protection.delete": value, "security.privileged": "true"}
            self.assertEqual(protections(expanded), {DELETE} if counts else frozenset(), value)
        names = (DELETE, SHIFT, START)
        self.assertEqual(protections({f"security.protection.{name}": "true" for name in names}), set(names))

    def test_deletion(self) -> None:
        self.assertIn("security.protection.delete", forbids_deletion(frozenset({DELETE})))
        self.assertEqual(forbids_deletion(frozenset({SHIFT, START})), "")

    def test_start(self) -> None:
        self.assertIn("security.protection.start", forbids_start(frozenset({START}), {}))
        self.assertEqual(forbids_start(frozenset({DELETE}), {}), "")

    def test_shifting_forbids_a_start_only_where_something_would_be_shifted(self) -> None:
        for last, following in product((None, "[]", MAP), (None, "[]", MAP, OTHER)):
            keys = {"volatile.last_state.idmap": last, "volatile.idmap.next": following}
            config = {key: value for key, value in keys.items() if value is not None}
            found = forbids_start(frozenset({SHIFT}), config)
            self.assertEqual(bool(found), last == MAP and following != MAP, (last, following))
            self.assertEqual(forbids_start(frozenset(), config), "")
