"""The mirror follows, whatever happens to the watch."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import succeed

from tests.contracts.kube_base import SELECTOR, service
from tests.unit.kube.emulated import EmulatedCase
from tests.unit.timing import watch
from webspaced.errors import Unavailable
from webspaced.kube import client as client_module
from webspaced.kube.client import WATCH_GRACE, WATCH_SECONDS
from webspaced.kube.informer import LONGEST_PAUSE, Informer
from webspaced.kube.resources import SERVICE


class InformerTests(EmulatedCase):
    def setUp(self) -> None:
        super().setUp()
        self.told: list[str] = []
        self.informer = Informer(self.client, self.clock, SERVICE, self.namespace, SELECTOR, self.changed)
        self.make("one")

    def changed(self, _kind: Any, name: str, _document: Any) -> None:
        self.told.append(name)

    def make(self, name: str) -> Any:
        return self.kube.objects.create(SERVICE, self.namespace, service(name), "other")

    def remove(self, name: str) -> None:
        self.kube.objects.delete((SERVICE, self.namespace, name), {})

    def begin(self) -> None:
        self.drive(self.informer.begin())
        self.clock.run_for(0.1)
        self.told.clear()
        self.addCleanup(self.informer.stop)

    def names(self) -> set[str]:
        return set(self.informer.objects)

    def lists(self) -> int:
        return len([url for method, url in self.kube.asked if method == "GET" and "watch=" not in url])

    def test_it_goes_on_for_hours_with_one_list(self) -> None:
        self.begin()
        for number in range(60):
            self.make(f"more-{number}")
            self.clock.run_for(WATCH_SECONDS)
        self.assertEqual((len(self.names()), self.lists()), (61, 1))

    def test_begun_twice_it_watches_once(self) -> None:
        self.begin()
        self.begin()
        self.assertEqual(len(self.kube._watches), 1)

    def test_a_list_that_fails_is_the_callers(self) -> None:
        self.kube.faults.refuse("GET", "/services", 503)
        self.assertRaises(Unavailable, self.drive, self.informer.begin())
        self.clock.run_for(100)
        self.assertEqual(len(self.kube.asked), 1)

    def test_stopped_it_asks_nothing_more(self) -> None:
        self.begin()
        self.informer.stop()
        self.clock.run_for(0.1)
        asked = len(self.kube.asked)
        self.clock.run_for(1000)
        self.assertEqual((len(self.kube.asked), self.kube._watches), (asked, []))

    def test_forgotten_versions_are_listed_again(self) -> None:
        self.begin()
        self.reactor.cut(("127.0.0.1", 6443))
        self.kube.faults.refuse("GET", "/services", 503, times=2)
        self.make("two")
        self.remove("one")
        self.kube.objects.forget_history()
        self.clock.run_for(5)
        self.assertEqual((self.names(), sorted(self.told)), ({"two"}, ["one", "two"]))

    def test_a_watch_that_is_behind(self) -> None:
        self.begin()
        self.make("two")
        self.clock.run_for(0.1)
        self.kube.objects.forget_history()
        self.informer._version = "1"
        self.kube.end_watches()
        self.make("three")
        self.clock.run_for(5)
        self.assertEqual((self.names(), self.lists()), ({"one", "two", "three"}, 2))

    def test_a_stalled_stream(self) -> None:
        self.begin()
        self.kube.faults.stalled = True
        self.make("two")
        self.clock.run_for(1)
        self.assertEqual(self.names(), {"one"})
        self.kube.faults.clear()
        self.clock.run_for(WATCH_SECONDS + WATCH_GRACE + 1)
        self.assertEqual((self.names(), self.told), ({"one", "two"}, ["two"]))

    def test_while_the_server_is_away_it_asks_less_and_less(self) -> None:
        self.begin()
        self.port.stopListening()
        self.reactor.cut(("127.0.0.1", 6443))
        self.clock.run_for(300)
        self.kube.asked.clear()
        self.port.startListening()
        self.make("two")
        self.clock.run_for(LONGEST_PAUSE + 1)
        self.assertEqual(self.names(), {"one", "two"})

    def test_a_server_that_ends_watches_at_once_is_not_worn_out(self) -> None:
        self.patch(client_module, "WATCH_SECONDS", 0)
        self.begin()
        self.clock.run_for(300)
        self.assertLess(len(self.kube.asked), 50)
        self.assertEqual(self.lists(), 1)

    def test_old_news_undoes_nothing(self) -> None:
        self.begin()
        self.kube.faults.stalled = True
        written = self.drive(self.client.merge_patch(SERVICE, self.namespace, "one", {"metadata": {"labels": {"a": "b"}}}))
        older = self.informer.objects["one"]
        self.informer.wrote(written)
        self.informer.wrote(older)
        self.assertEqual(self.informer.objects["one"], written)

    def test_what_we_deleted_does_not_come_back_by_old_news(self) -> None:
        self.begin()
        tell, late = self.kube._happened, []
        self.patch(self.kube.objects, "_told", late.append)
        written = self.drive(self.client.merge_patch(SERVICE, self.namespace, "one", {"metadata": {"labels": {"a": "b"}}}))
        self.informer.wrote(written)
        self.drive(self.client.delete(SERVICE, self.namespace, "one"))
        self.informer.removed("one")
        tell(late[0])
        self.clock.run_for(0.1)
        self.assertEqual((self.names(), self.told), (set(), []))
        tell(late[1])
        self.make("one")
        tell(late[2])
        self.clock.run_for(0.1)
        self.assertEqual(self.names(), {"one"})

    def test_what_we_wrote_since_a_list_was_made_stays(self) -> None:
        self.begin()
        self.kube.faults.stalled = True
        listing = self.drive(self.client.list_all(SERVICE, self.namespace, SELECTOR))
        self.informer.wrote(self.make("two"))
        self.patch(self.client, "list_all", lambda *_: succeed(listing))
        self.drive(self.informer.refresh())
        self.assertEqual((self.names(), self.told), ({"one", "two"}, []))

    def test_a_full_look_sees_what_the_watch_did_not_tell(self) -> None:
        self.begin()
        self.kube.faults.stalled = True
        self.make("two")
        self.remove("one")
        self.drive(self.informer.refresh())
        self.assertEqual((self.names(), sorted(self.told)), ({"two"}, ["one", "two"]))
        self.told.clear()
        self.drive(self.informer.refresh())
        self.assertEqual(self.told, [])

    def test_a_cluster_that_was_restored_from_a_copy(self) -> None:
        self.begin()
        for _ in range(5):
            self.make("two")
            self.remove("two")
        self.make("three")
        self.clock.run_for(0.1)
        self.told.clear()
        self.kube.faults.stalled = True
        self.kube.objects.version = 1
        self.remove("three")
        self.kube.objects._kept[SERVICE, self.namespace, "one"].document["metadata"]["resourceVersion"] = "1"
        waiting = watch(self.informer.refresh())
        self.clock.run_for(1)
        self.assertEqual((waiting.value, self.names(), sorted(set(self.told))), (None, {"one"}, ["one", "three"]))
