"""What tests in network namespaces leave behind: nothing, or all that come after them in the process would be elsewhere."""

from __future__ import annotations

from pathlib import Path

from tests.namespaces import NamespaceCase


def here() -> str:
    """The network namespace of this thread."""
    return str(Path("/proc/thread-self/ns/net").readlink())


class NamespaceTests(NamespaceCase):
    def test_who_was_inside_comes_back(self) -> None:
        home, other = here(), self.namespace("other")
        with other.inside():
            self.assertNotEqual(here(), home)
            with self.namespace("third").inside():
                pass
            self.assertNotEqual(here(), home)
        self.assertEqual(here(), home)

    def test_also_after_a_failure(self) -> None:
        home, other = here(), self.namespace("other")
        with self.assertRaises(ZeroDivisionError), other.inside():
            raise ZeroDivisionError
        self.assertEqual(here(), home)
