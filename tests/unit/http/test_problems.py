"""Every error has its status, and only a bug is a 500."""

from __future__ import annotations

import inspect
import json

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.test.requesthelper import DummyRequest
from werkzeug.exceptions import MethodNotAllowed, NotFound

from webspaced import errors
from webspaced.http.problems import BUG, STATUSES, BodyTooLarge, TooManyRequests, problem_of

EXPECTED = {
    errors.Invalid: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.NotRunning: 404,
    errors.Conflict: 409,
    errors.Temporary: 503,
    errors.Unavailable: 503,
    errors.Distrusted: 503,
    errors.RoutesUnwritable: 503,
    errors.PartlyWritten: 503,
    errors.Refused: 503,
    errors.Momentary: 503,
    errors.BootFailed: 502,
    errors.PortSilent: 502,
    errors.SetUpFailed: 502,
    errors.DeadlineExceeded: 504,
    errors.OutputTooLarge: 502,
    errors.RemoteError: 502,
    errors.Changed: 502,
    BodyTooLarge: 413,
    TooManyRequests: 429,
}


def made(kind: type[Exception]) -> Exception:
    return kind("why", 400) if issubclass(kind, errors.RemoteError) else kind("why")


class TableTests(SynchronousTestCase):
    def test_every_error_has_its_status(self) -> None:
        for kind, status in EXPECTED.items():
            problem = problem_of(made(kind))
            self.assertEqual((problem.status, problem.message), (status, "why"), kind)

    def test_none_is_forgotten(self) -> None:
        ours = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.WebspacedError)}
        self.assertEqual(ours - {errors.WebspacedError}, set(EXPECTED) - {BodyTooLarge, TooManyRequests})

    def test_no_line_of_the_table_hides_behind_a_broader_one(self) -> None:
        kinds = [kind for kind, _ in STATUSES]
        for number, kind in enumerate(kinds):
            self.assertFalse(any(issubclass(kind, before) for before in kinds[:number]), kind)

    def test_what_is_not_ours_is_a_bug_with_a_constant_text(self) -> None:
        for error in (ValueError("secret"), KeyError("secret"), RecursionError("secret"), None):
            problem = problem_of(error)
            self.assertEqual((problem.status, problem.message), (500, BUG))

    def test_temporary_ones_say_when_in_whole_seconds(self) -> None:
        for retry_after, said in ((0.0, "1"), (1.2, "2"), (60.0, "60")):
            problem = problem_of(errors.Refused("why", retry_after))
            self.assertEqual(problem.headers, (("Retry-After", said),))

    def test_routing(self) -> None:
        self.assertEqual(problem_of(NotFound()).status, 404)
        problem = problem_of(MethodNotAllowed(valid_methods=["PUT", "GET"]))
        self.assertEqual((problem.status, problem.headers), (405, (("Allow", "GET, PUT"),)))

    def test_the_document(self) -> None:
        self.assertEqual(problem_of(errors.NotFound("why")).document(), {
            "message": "why", "title": "Not Found", "status": 404, "detail": "why",
        })  # fmt: skip


class FormerClientTests(SynchronousTestCase):
    """Go's generated client shows no text of a status that its document did not name."""

    def answered(self, error: Exception, agent: bytes) -> tuple[int, dict[str, object]]:
        request = DummyRequest([b""])
        request.requestHeaders.setRawHeaders(b"user-agent", [agent])
        body = problem_of(error).write(request)
        return request.responseCode, json.loads(body)

    def test_what_it_does_not_know_is_a_500_with_the_same_document(self) -> None:
        for error in (errors.Unavailable("away"), errors.BootFailed("no"), errors.DeadlineExceeded("long")):
            status, document = self.answered(error, b"curl/8.0")
            self.assertEqual(status, problem_of(error).status)
            self.assertEqual(self.answered(error, b"OpenAPI-Generator/0.1.0/go"), (500, document))

    def test_what_it_knows_stays(self) -> None:
        for error, status in ((errors.Conflict("there"), 409), (errors.Invalid("no"), 400), (TooManyRequests("slow"), 429)):
            self.assertEqual(self.answered(error, b"OpenAPI-Generator/0.1.0/go")[0], status)

    def test_others_are_told_the_truth(self) -> None:
        for agent in (b"OpenAPI-Generator/0.1.0/python", b"Mozilla OpenAPI-Generator/1/go", b"OpenAPI-Generator/1/golang"):
            self.assertEqual(self.answered(errors.Unavailable("away"), agent)[0], 503)
