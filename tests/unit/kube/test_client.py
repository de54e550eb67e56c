"""The client: what answers mean, how long it waits, what it leaves behind, and that no token gets out."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.kube_base import metadata, service
from tests.unit.kube.emulated import TOKEN, EmulatedCase
from tests.unit.timing import watch
from webspaced.errors import Changed, DeadlineExceeded, Distrusted, NotFound, RemoteError, Unavailable
from webspaced.kube import client as client_module
from webspaced.kube.access import Access
from webspaced.kube.agent import Connections
from webspaced.kube.answers import AlreadyExists, Expired, FieldsTaken, error_of, read_document
from webspaced.kube.client import REQUEST_TIMEOUT, WATCH_GRACE, WATCH_SECONDS, KubeClient
from webspaced.kube.resources import LEASE, SERVICE


class AnswerTests(SynchronousTestCase):
    def status(self, code: int, reason: str = "", **more: Any) -> Exception:
        return error_of(code, json.dumps({"message": "it is so", "reason": reason, **more}))

    def test_codes_and_reasons_decide(self) -> None:
        kinds = {
            400: RemoteError, 401: Distrusted, 403: Distrusted, 404: NotFound, 409: Changed, 410: Expired, 415: RemoteError,
            422: RemoteError, 429: Unavailable, 500: Unavailable, 503: Unavailable, 504: Unavailable,
        }  # fmt: skip
        for code, kind in kinds.items():
            self.assertIs(type(self.status(code)), kind, code)
            self.assertIn("it is so", str(self.status(code)))
        self.assertEqual([self.status(code).code for code in (400, 409, 410, 422)], [400, 409, 410, 422])

    def test_conflicts_are_told_apart(self) -> None:
        self.assertIs(type(self.status(409, "AlreadyExists")), AlreadyExists)
        self.assertIs(type(self.status(409, "Conflict")), Changed)
        causes = [{"reason": "FieldManagerConflict", "field": ".spec"}]
        self.assertIs(type(self.status(409, "Conflict", details={"causes": causes})), FieldsTaken)
        self.assertIs(type(self.status(409, "Conflict", details={"causes": [{"reason": "Other"}]})), Changed)

    def test_how_long_to_wait(self) -> None:
        self.assertEqual(error_of(429, b"{}", "7").retry_after, 7.0)
        for said in ("", "soon", "-1", "Fri, 31 Dec 1999 23:59:59 GMT"):
            self.assertEqual(error_of(503, b"{}", said).retry_after, 2.0)

    def test_texts_that_are_no_status(self) -> None:
        for text in (b"", b"<html>", b"[]", b"3", b"\xff", b"[" * 100_000):
            self.assertEqual(str(error_of(500, text)), "Kubernetes: status 500")
            self.assertRaises(RemoteError, read_document, 200, text)

    def test_long_texts_are_cut(self) -> None:
        self.assertLess(len(str(error_of(422, json.dumps({"message": "x" * 5000})))), 310)


class RequestTests(EmulatedCase):
    def get(self, client: KubeClient | None = None) -> Any:
        return watch((client or self.client).get(SERVICE, self.namespace, "one"))

    def test_nobody_there(self) -> None:
        self.port.stopListening()
        waiting = self.get()
        self.clock.run_for(1)
        self.assertIsInstance(waiting.error, Unavailable)

    def test_nobody_answers(self) -> None:
        self.kube.faults.hang = True
        waiting = self.get()
        self.clock.run_for(REQUEST_TIMEOUT - 1)
        self.assertFalse(waiting.done)
        self.clock.run_for(2)
        self.assertIsInstance(waiting.error, DeadlineExceeded)

    def test_given_up(self) -> None:
        self.kube.faults.hang = True
        waiting = self.get()
        self.clock.run_for(1)
        waiting.deferred.cancel()
        self.assertIsInstance(waiting.error, CancelledError)
        self.clock.run_for(1)
        (connection,) = self.reactor.connections["127.0.0.1", 6443]
        self.assertTrue(connection.disconnected)

    def test_one_connection_serves_many_requests(self) -> None:
        build, built = self.port.factory.buildProtocol, []
        self.patch(self.port.factory, "buildProtocol", lambda peer: built.append(peer) or build(peer))
        for name in ("one", "two", "three"):
            self.drive(self.client.create(SERVICE, self.namespace, service(name)))
        self.assertEqual(len(built), 1)

    def test_a_write_is_sent_once(self) -> None:
        self.kube.faults.refuse("POST", "/services", 503)
        self.assertRaises(Unavailable, self.drive, self.client.create(SERVICE, self.namespace, service()))
        self.assertEqual(len(self.kube.writes()), 1)

    def test_a_lease_of_our_own_can_be_kept(self) -> None:
        """What a leader does: no longer ours is told apart from not reachable."""
        first = self.drive(self.client.create(LEASE, self.namespace, LEASE.document(metadata(), spec={})))
        stale = LEASE.document(metadata(resourceVersion=first["metadata"]["resourceVersion"]), spec={"leaseTransitions": 1})
        self.drive(self.client.replace(LEASE, self.namespace, "one", stale))
        self.assertRaises(Changed, self.drive, self.client.replace(LEASE, self.namespace, "one", stale))

    def test_a_list_that_is_overrun_is_read_at_once(self) -> None:
        self.patch(client_module, "PAGE", 2)
        for name in ("one", "two", "three"):
            self.drive(self.client.create(SERVICE, self.namespace, service(name)))
        listing = self.kube._list

        def overrun(request: Any, target: Any) -> bytes:
            answer = listing(request, target)
            if b"limit" in request.uri and b"continue" not in request.uri:
                self.kube.objects.create(SERVICE, self.namespace, service("four"), "other")
            return answer

        self.kube._list = overrun
        found = self.drive(self.client.list_all(SERVICE, self.namespace)).items
        self.assertEqual(sorted(each["metadata"]["name"] for each in found), ["four", "one", "three", "two"])


class Tokens:
    """The tokens that are given one after the other when one is refused."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)

    def __call__(self, *, renew: bool = False) -> Any:
        if renew:
            self.tokens.pop(0)

        async def give() -> str:
            return self.tokens[0]

        return give()


class TokenTests(EmulatedCase):
    def client_of(self, *tokens: str) -> KubeClient:
        access = Access(url="http://127.0.0.1:6443", namespace=self.namespace, token=Tokens(*tokens))
        return KubeClient(Connections(self.reactor, access).agent, self.clock, access)

    def test_one_that_ended_is_replaced_at_once(self) -> None:
        created = self.drive(self.client_of("old", TOKEN).create(SERVICE, self.namespace, service()))
        self.assertEqual(created["metadata"]["name"], "one")

    def test_and_the_second_refusal_counts(self) -> None:
        client = self.client_of("old", "older", TOKEN)
        self.assertRaises(Distrusted, self.drive, client.list_all(SERVICE, self.namespace))
        self.assertEqual(len(self.kube.asked), 2)

    def test_no_token_is_in_logs_reprs_or_errors(self) -> None:
        with capturedLogs() as events:
            client = self.client_of("s3cret-old", "s3cret-new")
            error = watch(client.list_all(SERVICE, self.namespace))
            self.clock.run_for(1)
            self.port.stopListening()
            unreachable = watch(self.client_of("s3cret").list_all(SERVICE, self.namespace))
            self.clock.run_for(1)
        texts = [repr(error.error), repr(unreachable.error), repr(client._access), *map(formatEvent, events)]
        self.assertEqual([text for text in texts if "s3cret" in text], [])


class WatchTests(EmulatedCase):
    def setUp(self) -> None:
        super().setUp()
        self.drive(self.client.create(SERVICE, self.namespace, service()))
        self.events: list[Any] = []

    def watching(self, told: Any = None) -> Any:
        return watch(self.client.watch(SERVICE, self.namespace, "1", told or self.events.append))

    def test_bookmarks_come_and_the_end_is_in_good_time(self) -> None:
        self.patch(client_module, "WATCH_SECONDS", 100)
        waiting = self.watching()
        self.clock.run_for(99)
        self.assertEqual(([each.kind for each in self.events], waiting.done), (["ADDED", "BOOKMARK"], False))
        self.assertEqual(self.events[-1].version, str(self.kube.objects.version))
        self.clock.run_for(2)
        self.assertEqual(waiting.value, None)

    def test_cancelled_it_ends_at_once_and_tells_nothing_more(self) -> None:
        waiting = self.watching()
        self.clock.run_for(1)
        waiting.deferred.cancel()
        self.assertIsInstance(waiting.error, CancelledError)
        self.clock.run_for(0.1)
        self.assertEqual(self.kube._watches, [])
        self.drive(self.client.create(SERVICE, self.namespace, service("two")))
        self.assertEqual(len(self.events), 1)

    def test_one_that_has_stalled_is_given_up(self) -> None:
        self.kube.faults.stalled = True
        waiting = self.watching()
        self.clock.run_for(WATCH_SECONDS + WATCH_GRACE - 1)
        self.assertFalse(waiting.done)
        self.clock.run_for(2)
        self.assertIsInstance(waiting.error, DeadlineExceeded)
        self.assertEqual(self.kube._watches, [])

    def test_a_lost_connection(self) -> None:
        waiting = self.watching()
        self.clock.run_for(1)
        self.reactor.cut(("127.0.0.1", 6443))
        self.clock.run_for(1)
        self.assertIsInstance(waiting.error, Unavailable)

    def test_refused_before_it_begins(self) -> None:
        self.kube.faults.refuse("GET", "/services", 503)
        waiting = self.watching()
        self.clock.run_for(1)
        self.assertIsInstance(waiting.error, Unavailable)

    def test_who_cannot_take_an_event_gets_no_more(self) -> None:
        def told(event: Any) -> None:
            self.events.append(event)
            raise ZeroDivisionError

        waiting = self.watching(told)
        self.clock.run_for(1)
        self.assertIsInstance(waiting.error, ZeroDivisionError)
        self.assertEqual(len(self.events), 1)

    def test_what_is_no_event(self) -> None:
        for line in (b"nonsense\n", b"[]\n", b"{}\n", b'{"type": "ADDED"}\n'):
            self.patch(self.kube, "_catch_up", lambda watch, *_, line=line: watch._write(line))
            waiting = self.watching()
            self.clock.run_for(1)
            self.assertIsInstance(waiting.error, Unavailable)
