"""One request to LXD: what is sent, and what every kind of answer becomes."""

from __future__ import annotations

from attrs import evolve
from OpenSSL import SSL
from service_identity import CertificateError, VerificationError
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectError, ConnectionLost
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import RequestNotSent, RequestTransmissionFailed, ResponseFailed, ResponseNeverReceived

from tests.unit.lxd.fake_lxd import Asked, FakeLxd, Reply, accepted, error, sync
from tests.unit.testing.simulated import SimulatedCase
from tests.unit.timing import Time, Watched, watch
from webspaced.core.creation import Progress, Step
from webspaced.core.instance import NewInstance
from webspaced.errors import Changed, DeadlineExceeded, Distrusted, NotFound, RemoteError, Unavailable
from webspaced.lxd import client as client_module
from webspaced.lxd.client import LONGEST_ERROR, REQUEST_TIMEOUT, SUSPECT_TIMEOUT, WAIT_SLICE, LxdClient
from webspaced.lxd.instances import LxdInstances

WAIT = "/1.0/operations/op-1/wait"


class ClientCase(SynchronousTestCase):
    def lxd(self, *replies: Reply | Exception | None) -> LxdClient:
        self.clock = Time()
        self.fake = FakeLxd(self.clock, *replies)
        return LxdClient(self.fake, self.clock, "my project")

    def fails(self, kind: type[Exception], work: object) -> Exception:
        outcome = watch(work)
        self.assertIsInstance(outcome.error, kind)
        return outcome.error

    def asked(self) -> list[tuple[str, str]]:
        return [(each.method, each.path) for each in self.fake.asked]


class RequestTests(ClientCase):
    def test_get(self) -> None:
        reply = watch(self.lxd(sync({"a": 1}, 'W/"abc"')).get("/instances/ws-u1", recursion="1")).value
        self.assertEqual((reply.metadata, reply.etag), ({"a": 1}, 'W/"abc"'))
        (asked,) = self.fake.asked
        self.assertEqual((asked.method, asked.path), ("GET", "/1.0/instances/ws-u1"))
        self.assertEqual(asked.query, {"project": "my project", "recursion": "1"})

    def test_names_are_quoted(self) -> None:
        watch(self.lxd(sync({})).get("/instances/a b?c")).value  # noqa: B018
        self.assertEqual(self.fake.asked[0].path, "/1.0/instances/a%20b%3Fc")

    def test_a_change_sends_json_and_the_etag(self) -> None:
        watch(self.lxd(sync({})).send("PATCH", "/instances/x", {"config": {"a": "b"}}, etag='"e"')).value  # noqa: B018
        asked: Asked = self.fake.asked[0]
        self.assertEqual((asked.method, asked.body), ("PATCH", {"config": {"a": "b"}}))
        self.assertEqual((asked.headers["if-match"], asked.headers["content-type"]), ('"e"', "application/json"))

    def test_without_an_etag_there_is_no_condition(self) -> None:
        watch(self.lxd(sync({})).send("PATCH", "/instances/x", {})).value  # noqa: B018
        self.assertNotIn("if-match", self.fake.asked[0].headers)

    def test_errors_are_told_apart_by_their_codes(self) -> None:
        for code, kind in ((404, NotFound), (412, Changed), (400, RemoteError), (403, RemoteError), (500, RemoteError)):
            failure = self.fails(kind, self.lxd(error(code, "said so")).get("/x"))
            self.assertIn("said so", str(failure))
            self.assertEqual(getattr(failure, "code", 404), code)

    def test_an_error_within_a_200_counts(self) -> None:
        failure = self.fails(RemoteError, self.lxd(error(400, status=200)).get("/x"))
        self.assertEqual(failure.code, 400)

    def test_a_long_error_is_cut(self) -> None:
        failure = self.fails(RemoteError, self.lxd(error(500, "x" * 10_000)).get("/x"))
        self.assertLessEqual(len(str(failure)), LONGEST_ERROR + 1)

    def test_what_is_not_the_api_is_an_error_with_its_status(self) -> None:
        for body in (b"", b"<html>", b"[]", b"{}", b"3", b"null", b"\xff", b"[" * 100_000):
            failure = self.fails(RemoteError, self.lxd(Reply(body, 502)).get("/x"))
            self.assertEqual(failure.code, 502)

    def test_a_connection_that_fails_in_whatever_way_is_unavailable(self) -> None:
        lost = [Failure(ConnectionLost())]
        for way in (
            ConnectError(), ConnectionLost(), RequestNotSent(), RequestTransmissionFailed(lost), ResponseFailed(lost),
            ResponseNeverReceived(lost), FileNotFoundError(2, "no socket"), PermissionError(13, "no"),
        ):  # fmt: skip
            failure = self.fails(Unavailable, self.lxd(way).get("/x"))
            self.assertEqual(str(failure), "LXD cannot be reached")
            self.assertGreater(failure.retry_after, 0)

    def test_an_answer_that_does_not_come_is_given_up(self) -> None:
        asking = watch(self.lxd(None).get("/x"))
        self.clock.advance(REQUEST_TIMEOUT - 0.1)
        self.assertFalse(asking.done)
        self.clock.advance(0.1)
        self.assertIsInstance(asking.error, DeadlineExceeded)
        self.assertIn("GET /x", str(asking.error))
        self.assertEqual(self.fake.cancelled, 1)

    def test_while_the_event_stream_is_down_silence_means_away(self) -> None:
        client = self.lxd(None, None)
        client._suspect = lambda: True
        asking = watch(client.get("/x"))
        self.clock.advance(SUSPECT_TIMEOUT)
        self.assertIsInstance(asking.error, Unavailable)
        self.assertGreater(asking.error.retry_after, 0)
        # One that was asked before it went down is told the same in the end.
        down = False
        client._suspect = lambda: down
        asking = watch(client.get("/x"))
        down = True
        self.clock.advance(REQUEST_TIMEOUT)
        self.assertIsInstance(asking.error, Unavailable)

    def test_a_request_that_is_given_up_says_so(self) -> None:
        failed = ResponseNeverReceived([Failure(CancelledError())])
        self.assertRaises(CancelledError, lambda: watch(self.lxd(failed).get("/")).value)

    def test_a_handshake_that_failed_says_so(self) -> None:
        failed = ResponseNeverReceived([Failure(SSL.Error([("SSL routines", "", "certificate verify failed")]))])
        self.assertIn("certificate verify failed", str(self.fails(Distrusted, self.lxd(failed).get("/x"))))

    def test_a_certificate_for_another_host(self) -> None:
        for error_ in (VerificationError(errors=[]), CertificateError("no names")):
            failed = ResponseNeverReceived([Failure(error_)])
            self.assertIn("host", str(self.fails(Distrusted, self.lxd(failed).get("/x"))))

    def test_an_answer_beyond_all_measure_is_an_error(self) -> None:
        self.patch(client_module, "LARGEST_ANSWER", 1000)
        self.fails(RemoteError, self.lxd(sync("x" * 1000)).get("/x"))

    def test_cancelling_gives_the_request_up(self) -> None:
        asking = watch(self.lxd(None).get("/x"))
        asking.deferred.cancel()
        self.assertIsInstance(asking.error, CancelledError)
        self.assertEqual((self.fake.cancelled, self.clock.getDelayedCalls()), (1, []))


class OperationTests(ClientCase):
    def operate(self, *replies: Reply | Exception | None, timeout: float = 60.0) -> Watched:
        self.client = self.lxd(*replies)
        return watch(self.client.operate("POST", "/instances", {"name": "x"}, timeout=timeout))

    def test_one_that_ends_well(self) -> None:
        self.assertIsNone(self.operate(accepted(), sync({"status_code": 200})).value)
        self.assertEqual(self.asked(), [("POST", "/1.0/instances"), ("GET", WAIT)])

    def test_one_that_fails_as_lxd_tells_it(self) -> None:
        failed = self.operate(accepted(), sync({"status_code": 400, "err": "in use"}), error(404))
        self.assertEqual((str(failed.error), failed.error.code), ("in use", 400))

    def test_one_that_fails_as_incus_tells_it(self) -> None:
        failed = self.operate(accepted(), error(400, "in use", status=200), error(404))
        self.assertIsInstance(failed.error, RemoteError)
        self.assertEqual((str(failed.error), failed.error.code), ("in use", 400))

    def test_one_that_fails_because_something_is_missing_as_incus_tells_it(self) -> None:
        failed = self.operate(accepted(), error(404, "no image", status=200), sync({"status_code": 400}))
        self.assertIsInstance(failed.error, NotFound)

    def test_one_that_a_restarted_lxd_knows_nothing_of(self) -> None:
        self.assertIsInstance(self.operate(accepted(), error(404), error(404)).error, Unavailable)

    def test_one_that_is_refused_at_once_is_not_waited_for(self) -> None:
        self.assertIsInstance(self.operate(error(404)).error, NotFound)
        self.assertEqual(len(self.asked()), 1)

    def test_one_that_takes_too_long_is_cancelled(self) -> None:
        slow = self.operate(accepted(), None, sync({}), timeout=9)
        self.clock.advance(8.9)
        self.assertFalse(slow.done)
        self.clock.advance(0.1)
        self.assertIsInstance(slow.error, DeadlineExceeded)
        self.assertEqual(self.asked()[-1], ("DELETE", "/1.0/operations/op-1"))

    def test_the_wait_has_no_deadline_of_its_own(self) -> None:
        slow = self.operate(accepted(), *[None] * 30, sync({"status_code": 200}), timeout=600)
        self.clock.pump([WAIT_SLICE] * 29)
        self.assertFalse(slow.done)
        self.clock.advance(WAIT_SLICE)
        self.assertIsNone(slow.value)

    def test_an_lxd_that_is_gone_meanwhile_is_not_waited_for(self) -> None:
        slow = self.operate(accepted(), *[None] * 3, timeout=600)
        self.clock.advance(WAIT_SLICE)
        self.client._suspect = lambda: True
        self.clock.advance(WAIT_SLICE)
        self.assertIsInstance(slow.error, Unavailable)

    def test_one_that_lxd_has_forgotten_says_nothing_of_the_instance(self) -> None:
        self.assertIsInstance(self.operate(accepted(), error(404), error(404)).error, Unavailable)

    def test_one_whose_caller_goes_away_is_cancelled(self) -> None:
        left = self.operate(accepted(), None, sync({}))
        left.deferred.cancel()
        self.assertIsInstance(left.error, CancelledError)
        self.assertEqual(self.asked()[-1], ("DELETE", "/1.0/operations/op-1"))

    def test_one_that_cannot_be_cancelled_keeps_its_first_error(self) -> None:
        for refusal in (error(404), error(400), ConnectError()):
            slow = self.operate(accepted(), None, refusal, timeout=9)
            self.clock.advance(9)
            self.assertIsInstance(slow.error, DeadlineExceeded)
            self.assertIn("9 s", str(slow.error))

    def test_lxd_ending_in_the_middle(self) -> None:
        self.assertIsInstance(self.operate(accepted(), ConnectionLost(), ConnectError()).error, Unavailable)


class BytesTests(ClientCase):
    def test_a_body_that_is_no_json(self) -> None:
        lxd = self.lxd(sync({}))
        sending = lxd.send_bytes("POST", "/instances/x/files", b'"\xff"', {"X-LXD-mode": "0600"}, {"path": "/root/a b&c"})
        self.assertEqual(watch(sending).value.metadata, {})
        (asked,) = self.fake.asked
        self.assertEqual(asked.body, b'"\xff"')
        self.assertEqual((asked.method, asked.path), ("POST", "/1.0/instances/x/files"))
        self.assertEqual(asked.query, {"project": "my project", "path": "/root/a b&c"})
        self.assertEqual((asked.headers["content-type"], asked.headers["x-lxd-mode"]), ("application/octet-stream", "0600"))

    def test_its_errors_and_its_deadline(self) -> None:
        failure = self.fails(NotFound, self.lxd(error(404)).send_bytes("POST", "/x", b"", {}, {}))
        self.assertEqual(str(failure), "no")
        sending = watch(self.lxd(None).send_bytes("POST", "/x", b"", {}, {}))
        self.clock.advance(REQUEST_TIMEOUT)
        self.assertIsInstance(sending.error, DeadlineExceeded)


class ProgressTests(SimulatedCase):
    """On the simulator, which tells what LXD and Incus tell."""

    def create(self, seconds: float) -> Watched:
        self.lxd.machine.timings = evolve(self.lxd.machine.timings, create=seconds)
        self.told: list[Progress] = []
        image = self.lxd.machine.aliased("fast")
        assert image is not None
        new = NewInstance(name="c1", fingerprint=image.fingerprint, profile="webspace", config={})
        return watch(LxdInstances(self.client).create(new, self.told.append))

    def test_it_is_told_as_it_goes_on(self) -> None:
        creating = self.create(10.0)
        self.clock.run_for(11)
        self.assertIsNone(creating.value)
        self.assertEqual({each.step for each in self.told}, {Step.UNPACK})
        percents = [each.percent for each in self.told]
        self.assertEqual(percents, sorted(percents))
        self.assertLessEqual({10, 50, 90}, set(percents))
        # Nobody watches any more.
        asked = len(self.lxd.asked)
        self.clock.run_for(60)
        self.assertEqual(len(self.lxd.asked), asked)

    def test_what_is_quick_is_not_asked_about(self) -> None:
        creating = self.create(0.1)
        self.clock.run_for(11)
        self.assertIsNone(creating.value)
        looks = [url for method, url in self.lxd.asked if "/operations/" in url and "/wait" not in url]
        self.assertEqual((self.told, looks), ([], []))

    def test_an_error_of_a_look_is_no_error_of_the_creation(self) -> None:
        creating = self.create(10.0)
        self.lxd.faults.refuse("GET", "/1.0/operations/????????-????-????-????-????????????", times=3)
        self.clock.run_for(11)
        self.assertIsNone(creating.value)
        self.assertTrue(self.told)

    def test_one_that_is_given_up_is_watched_no_more(self) -> None:
        creating = self.create(10.0)
        self.clock.run_for(2)
        creating.deferred.cancel()
        self.clock.run_for(1)
        asked = len(self.lxd.asked)
        self.clock.run_for(60)
        self.assertEqual(len(self.lxd.asked), asked)
