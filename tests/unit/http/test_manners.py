"""What holds for every path: ids, CORS, limits, the access log, HEAD and OPTIONS."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.http.served import CLIENT, OFF, PROXY, Answer, ServedCase, request
from tests.unit.world import EXTERNAL
from webspaced.errors import Unavailable
from webspaced.http.about import request_id, shown
from webspaced.http.bodies import LARGEST
from webspaced.http.limits import LimitSettings
from webspaced.lib.buckets import Rate
from webspaced.lib.sparing import OF_A_CAUSE, SUMMING

SELF = "/v1/webspace/self"
PAGE = "https://panel.example.org"


class IdTests(ServedCase):
    def test_the_clients_own_if_it_is_well_formed(self) -> None:
        for given_id in ("7", "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "a/b+c=:_.~"):
            answer = self.ask("GET", "/v1/images", headers={"X-Request-ID": given_id})
            self.assertEqual(answer.headers["x-request-id"], given_id)

    def test_else_a_new_one(self) -> None:
        seen = set()
        for wrong in ("", "a b", "x" * 65, "a\tb", "\xe9"):
            answer = self.ask("GET", "/v1/images", headers={"X-Request-ID": wrong})
            seen.add(answer.headers["x-request-id"])
        self.assertEqual(len(seen), 5)
        self.assertTrue(all(len(found) == 16 for found in seen), seen)

    def test_in_every_problem(self) -> None:
        for path, status in ((SELF, 401), ("/nothing", 404), ("/v1/webspace/%FF", 400)):
            answer = self.ask("GET", path, headers={"X-Request-ID": "mine"})
            self.assertEqual((answer.status, answer.headers["x-request-id"]), (status, "mine"))
            if status != 400:
                self.assertEqual(answer.json["requestId"], "mine")

    def test_in_lines_that_are_written_on_behalf_of_it(self) -> None:
        self.ask("POST", SELF, {"image": "fast"}, token="alice")
        container = self.w.lxd.containers["ws-u1"]
        container.crashes = True
        for form in ("text", "json"):
            log = self.listen_to_log(form)
            self.ask("POST", f"{SELF}/state", token="alice", headers={"X-Request-ID": "mine"})
            lines = [line for line in log.getvalue().splitlines() if "ws-u1" in line or "webspaces" in line]
            self.assertTrue(lines, form)
            for line in lines:
                self.assertIn("mine", line)

    def test_two_at_once_do_not_mix(self) -> None:
        log = self.listen_to_log()
        one, two = self.line(), self.line()
        for line, name in ((one, "alice"), (two, "bob")):
            headers = {"X-Request-ID": f"of-{name}", "Connection": "close"}
            line.say(request("POST", SELF, {"image": "fast"}, token=name, headers=headers))
        self.wait(one)
        self.wait(two)
        told = {(event["request_id"], event["user"], event["status"]) for event in self.accesses(log)}
        self.assertEqual(told, {("of-alice", "alice", 201), ("of-bob", "bob", 201)})

    @given(st.text())
    def test_whatever_comes_is_made_well(self, text: str) -> None:
        found = request_id(text)
        self.assertTrue(found.isascii() and found.isprintable() and 0 < len(found) <= 64)


class AccessLogTests(ServedCase):
    def test_fields(self) -> None:
        log = self.listen_to_log()
        self.ask("POST", SELF, {"image": "fast"}, token="alice")
        self.ask("GET", f"{SELF}/ports?secret=1", token="alice")
        self.ask("GET", SELF)
        creation, ports, nobody = self.accesses(log)
        told = [(event["method"], event["path"], event["status"]) for event in (creation, ports, nobody)]
        self.assertEqual(told, [("POST", SELF, 201), ("GET", f"{SELF}/ports", 200), ("GET", SELF, 401)])
        for event in (creation, ports, nobody):
            self.assertEqual((event["address"], event["complete"]), (CLIENT, True))
        self.assertEqual([event["user"] for event in (creation, ports, nobody)], ["alice", "alice", "-"])
        self.assertEqual(ports["bytes"], 2)
        self.assertGreater(creation["seconds"], 0)

    def test_a_line_for_people(self) -> None:
        log = self.listen_to_log("text", "info")
        self.ask("GET", "/v1/images", headers={"X-Request-ID": "mine"})
        self.assertRegex(log.getvalue(), rf"access#info mine\] GET /v1/images 200 0\.\d+ s \d+ B - {CLIENT}\n")

    def test_probes_are_told_as_details_only(self) -> None:
        log = self.listen_to_log("json", "info")
        for path in ("/live", "/ready", "/health"):
            self.ask("GET", path)
        self.ask("GET", "/routes", inside=True)
        self.assertEqual(self.accesses(log), [])

    def test_a_client_that_goes_away(self) -> None:
        log = self.listen_to_log()
        line = self.line()
        line.say(request("POST", SELF, {"image": "fast"}, token="alice"))
        line.hang_up()
        self.w.clock.run_for(10)
        (event,) = self.accesses(log)
        self.assertFalse(event["complete"])
        self.assertIn("ws-u1", self.w.lxd.containers)

    def test_behind_a_proxy(self) -> None:
        log = self.listen_to_log()
        self.ask("GET", "/v1/images", address=PROXY, headers={"X-Forwarded-For": "203.0.113.1, 192.0.2.77"})
        self.ask("GET", "/v1/images", headers={"X-Forwarded-For": "192.0.2.77"})
        self.assertEqual([event["address"] for event in self.accesses(log)], ["192.0.2.77", CLIENT])

    def test_no_line_can_be_forged(self) -> None:
        log = self.listen_to_log("text", "info")
        for path in (b"/a\x1b[2J", b"/a\rb", b"/a%0Ab", b"/\xe2\x80\xa8x", b"/" + b"x" * 5000):
            line = self.line()
            line.say(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        for entry in log.getvalue().split("\n"):
            self.assertTrue((entry.isprintable() and entry.isascii()) or "…" in entry, entry)
            self.assertLess(len(entry), 500)

    @given(st.binary())
    def test_what_is_shown_is_printable(self, raw: bytes) -> None:
        self.assertTrue(shown(raw).isprintable())


class MethodTests(ServedCase):
    PAGES = ("/v1/images", SELF, *(f"{SELF}/{part}" for part in ("state", "config", "domains", "ports")), "/health", "/no")

    def test_head_is_get_without_its_body(self) -> None:
        self.ask("POST", SELF, {"image": "fast"}, token="alice")
        for path in self.PAGES:
            headers = {"X-Request-ID": "mine"}
            get, head = (self.ask(method, path, token="alice", headers=headers) for method in ("GET", "HEAD"))
            self.assertEqual(head.body, b"")
            self.assertEqual(head.status, get.status)
            get.headers.pop("date"), head.headers.pop("date")
            self.assertEqual(head.headers, get.headers, path)

    def test_options_tells_what_there_is(self) -> None:
        for path, methods in ((SELF, "DELETE, GET, HEAD, POST, OPTIONS"), ("/health", "GET, HEAD, OPTIONS")):
            answer = self.ask("OPTIONS", path)
            self.assertEqual((answer.status, answer.headers["allow"], answer.body), (204, methods, b""))
        self.assertEqual(self.ask("OPTIONS", "/nothing").status, 404)

    def test_an_empty_answer_has_no_type(self) -> None:
        self.ask("POST", SELF, {"image": "fast"}, token="alice")
        answer = self.ask("POST", f"{SELF}/ports/{EXTERNAL[0]}/22", token="alice")
        self.assertEqual((answer.status, answer.headers["content-length"]), (201, "0"))
        self.assertNotIn("content-type", answer.headers)
        self.assertNotIn("content-length", self.ask("DELETE", f"{SELF}/ports/{EXTERNAL[0]}", token="alice").headers)


class CorsTests(ServedCase):
    PREFLIGHT = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}  # noqa: RUF012

    def setUp(self) -> None:
        super().setUp()
        self.configure(origins=(PAGE,))

    def asking(self, method: str, path: str, origin: str = PAGE, **headers: str) -> Answer:
        return self.ask(method, path, headers={"Origin": origin, **headers})

    def test_a_preflight_needs_no_token(self) -> None:
        answer = self.ask("OPTIONS", f"{SELF}/config", headers={"Origin": PAGE, **self.PREFLIGHT})
        self.assertEqual((answer.status, answer.body), (204, b""))
        self.assertEqual(answer.headers["access-control-allow-origin"], PAGE)
        self.assertIn("PATCH", answer.headers["access-control-allow-methods"])
        self.assertEqual(answer.headers["access-control-allow-headers"], "authorization")

    def test_errors_can_be_read_by_the_page_too(self) -> None:
        for path in (SELF, "/nothing", "/v1/images"):
            answer = self.asking("GET", path)
            self.assertEqual(answer.headers["access-control-allow-origin"], PAGE)
            self.assertEqual(answer.headers["vary"], "Origin")

    def test_other_pages_cannot_read(self) -> None:
        for method, headers in (("GET", {}), ("OPTIONS", self.PREFLIGHT)):
            answer = self.asking(method, "/v1/images", "https://evil.example", **headers)
            self.assertEqual([name for name in answer.headers if name.startswith("access-control")], [])

    def test_not_inside(self) -> None:
        answer = self.ask("GET", "/health", inside=True, headers={"Origin": PAGE})
        self.assertNotIn("access-control-allow-origin", answer.headers)


class LimitTests(ServedCase):
    def limit(self, address: Rate = OFF.address, user: Rate = OFF.user) -> None:
        self.configure(limits=LimitSettings(address=address, user=user))

    def statuses(self, count: int, path: str = SELF, token: str | None = "bob", **more: str) -> list[int]:
        headers = {"X-Forwarded-For": more["client"]} if "client" in more else {}
        address = PROXY if "client" in more else CLIENT
        return [self.ask("GET", path, token=token, address=address, headers=headers).status for _ in range(count)]

    def test_of_an_address_before_anybody_is_asked(self) -> None:
        self.limit(address=Rate(1, 3))
        self.patch(self.identity, "authenticate", lambda _token: self.fail("asked"))
        self.assertEqual(self.statuses(3, token=None), [401] * 3)
        answer = self.ask("GET", SELF, token="alice")
        self.assertEqual((answer.status, answer.headers["retry-after"]), (429, "1"))
        self.assertIn("address", answer.json["message"])
        self.assertEqual(answer.json["requestId"], answer.headers["x-request-id"])

    def test_preflights_count_and_a_page_sees_that(self) -> None:
        self.limit(address=Rate(0.01, 3))
        headers = {"Origin": PAGE, **CorsTests.PREFLIGHT}
        answers = [self.ask("OPTIONS", SELF, headers=headers) for _ in range(4)]
        self.assertEqual([answer.status for answer in answers], [204, 204, 204, 429])
        self.assertIn("access-control-allow-origin", answers[3].headers)

    def test_who_waits_as_told_is_served(self) -> None:
        self.limit(address=Rate(0.1, 1))
        self.assertEqual(self.statuses(2), [404, 429])
        answer = self.ask("GET", SELF, token="bob")
        self.w.clock.run_for(float(answer.headers["retry-after"]))
        self.assertEqual(self.statuses(1), [404])

    def test_clients_behind_a_proxy_have_their_own(self) -> None:
        self.limit(address=Rate(0.01, 2))
        self.assertEqual(self.statuses(3, client="192.0.2.1"), [404, 404, 429])
        self.assertEqual(self.statuses(1, client="192.0.2.2"), [404])
        self.assertEqual(self.statuses(3, client="2001:db8::1"), [404, 404, 429])
        self.assertEqual(self.statuses(1, client="2001:db8::2"), [429])

    def test_of_a_member_wherever_they_come_from(self) -> None:
        self.limit(user=Rate(0.01, 2))
        self.assertEqual([self.statuses(1, client=f"192.0.2.{n}")[0] for n in range(3)], [404, 404, 429])
        self.assertEqual(self.statuses(1, token="carol"), [404])
        answer = self.ask("GET", SELF, token="bob")
        self.assertEqual((answer.status, answer.headers["retry-after"]), (429, "100"))
        self.assertEqual(self.statuses(3, token=None), [401] * 3)

    def test_a_body_counts_by_its_size(self) -> None:
        command = {"command": "x" * 40_000}
        for bound in ({"user": Rate(0.01, 25)}, {"address": Rate(0.01, 25)}):
            self.limit(**bound)
            found = [self.ask("POST", f"{SELF}/exec", command, token="alice").status for _ in range(4)]
            self.assertEqual(found, [404, 404, 429, 429])
            self.assertEqual(self.statuses(4, token="alice"), [404] * 4)

    def test_headers_count_too(self) -> None:
        self.limit(user=Rate(0.01, 11))
        many = {f"X-{number}": "y" * 70 for number in range(180)}
        found = [self.ask("GET", SELF, token="alice", headers=many).status for _ in range(4)]
        self.assertEqual(found, [404, 404, 404, 429])

    def test_an_answer_that_is_large_counts_for_more(self) -> None:
        async def log(_uid: int) -> bytes:
            return bytes(1024 * 1024)

        self.patch(self.w.interior, "console_log", log)
        self.limit(user=Rate(1, 20))
        self.assertEqual(self.statuses(3, f"{SELF}/log", token="alice"), [200, 200, 429])
        self.w.clock.run_for(40)
        self.assertEqual(self.statuses(1, f"{SELF}/log", token="alice"), [200])

    def test_probes_are_not_limited(self) -> None:
        self.limit(address=Rate(0.01, 1))
        self.assertEqual(self.statuses(5, "/health"), [204] * 5)

    def test_guessing_is_slow(self) -> None:
        self.limit(address=Rate(10, 50))
        guesses = 0
        for number in range(1000):
            guesses += self.ask("GET", SELF, token=f"guess{number}").status == 403
            self.w.clock.run_for(0.1)
        # 100 seconds, of which each allows one.
        self.assertLess(guesses, 110)
        self.assertGreater(guesses, 50)

    def test_guessing_tickets_is_no_faster(self) -> None:
        self.limit(address=Rate(10, 50))
        guesses = 0
        for number in range(300):
            headers = {"Sec-WebSocket-Protocol": f"webspaced, webspaced.ticket.guess{number}"}
            guesses += self.ask("GET", f"{SELF}/exec", token=None, headers=headers).status == 401
            self.w.clock.run_for(0.1)
        self.assertLess(guesses, 40)

    def test_one_token_that_has_expired_is_no_guessing(self) -> None:
        self.limit(address=Rate(10, 50))
        self.assertEqual(self.statuses(20, token="expired"), [403] * 20)
        self.assertEqual(self.statuses(20), [404] * 20)

    def test_iam_away_is_no_guess(self) -> None:
        self.limit(address=Rate(1, 3))

        async def away(_token: str, **_more: bool) -> None:
            raise Unavailable("IAM cannot be reached")

        self.patch(self.identity, "authenticate", away)
        self.assertEqual([self.ask("GET", SELF, token=f"t{n}").status for n in range(4)], [503, 503, 503, 429])

    def test_inside_is_not_limited(self) -> None:
        self.limit(address=Rate(0.01, 1), user=Rate(0.01, 1))
        path = "/internal/alice/ensure-started"
        found = [self.ask("POST", path, token="root", inside=True).status for _ in range(5)]
        self.assertEqual(found, [404] * 5)


class SparingTests(ServedCase):
    def test_who_asks_often_is_not_told_of_each_time_and_others_are(self) -> None:
        log = self.listen_to_log()
        for _ in range(int(OF_A_CAUSE.burst) + 40):
            self.ask("GET", SELF, address="192.0.2.1")
            self.ask("GET", SELF, token="alice", address="192.0.2.1")
        self.ask("GET", SELF, token="bob", address="192.0.2.1")
        self.ask("GET", SELF, address="192.0.2.2")
        told = self.accesses(log)
        users = Counter(event["user"] for event in told)
        self.assertLess(users["alice"], OF_A_CAUSE.burst + 20)
        self.assertLess(users["-"], OF_A_CAUSE.burst + 20)
        self.assertEqual((users["bob"], told[-1]["address"]), (1, "192.0.2.2"))
        self.w.clock.run_for(SUMMING)
        self.assertIn("are not written here", self.accesses(log)[-1]["message"])


class BodyTests(ServedCase):
    HEAD = f"POST {SELF} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer alice\r\n".encode()

    def test_a_declared_one_that_is_too_large_is_refused_unread(self) -> None:
        log = self.listen_to_log()
        line = self.line()
        line.say(self.HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % (LARGEST + 1))
        self.assertTrue(line.half_closed)
        self.assertTrue(line.value().startswith(b"HTTP/1.1 413 "), line.value())
        answer = Answer(line.value(), "POST")
        self.assertEqual((answer.status, answer.headers["connection"]), (413, "close"))
        self.assertIn(str(LARGEST), answer.json["message"])
        self.assertEqual(self.accesses(log)[0]["status"], 413)
        # What the client sends all the same is thrown away, for a moment.
        line.clear()
        for _ in range(10):
            line.say(b"x" * 10_000 + request("GET", "/v1/images"))
        self.assertEqual((line.value(), line.channel._dataBuffer), (b"", []))
        gone = self.line()
        gone.say(self.HEAD + b"Content-Length: %d\r\n\r\n" % (LARGEST + 1))
        timers = len(self.w.clock.getDelayedCalls())
        gone.hang_up()
        self.assertEqual(timers - len(self.w.clock.getDelayedCalls()), 2)
        self.w.clock.run_for(2)
        self.assertTrue(line.ended)
        self.assertEqual(self.w.clock.getDelayedCalls(), [])

    def test_one_in_chunks(self) -> None:
        line = self.line()
        line.say(self.HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(LARGEST // 0x400):
            line.say(b"400\r\n" + b" " * 0x400 + b"\r\n")
        self.assertEqual(line.value(), b"")
        # In one piece: the last byte too many, the end of the body, another request, and nonsense.
        line.say(b"1\r\nx\r\n0\r\n\r\n" + request("GET", "/v1/images") + b"\r\nnonsense\r\n")
        self.assertTrue(line.half_closed)
        self.assertEqual(line.value().count(b"HTTP/1.1 "), 1)
        self.assertEqual(Answer(line.value(), "POST").status, 413)
        line.say(b"8000\r\n")
        self.w.clock.run_for(3)
        self.assertTrue(line.ended)
        self.assertEqual(self.w.clock.getDelayedCalls(), [])

    def test_nonsense_behind_one_that_is_too_large(self) -> None:
        line = self.line()
        line.say(self.HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        line.say(b"200000\r\n" + b" " * 0x200000 + b"nonsense")
        self.assertEqual(line.value().count(b"HTTP/1.1 "), 1)
        self.assertEqual(Answer(line.value(), "POST").status, 413)

    def test_the_largest_that_is_taken(self) -> None:
        chunks = (b"Transfer-Encoding: chunked\r\n\r\n1000\r\n", b"\r\n0\r\n\r\n")
        for head, end in ((b"Content-Length: %d\r\n\r\n" % LARGEST, b""), chunks):
            line = self.line()
            line.say(self.HEAD + b"Connection: close\r\n" + head + b" " * LARGEST + end)
            self.wait(line)
            self.assertEqual(Answer(line.value(), "POST").status, 400)

    def test_lengths_that_are_none(self) -> None:
        for length in (b"9" * 5000, b"-1", b"1x", b"1\r\nContent-Length: 2"):
            line = self.line()
            line.say(self.HEAD + b"Content-Length: " + length + b"\r\n\r\n")
            self.assertTrue(line.value().startswith(b"HTTP/1.1 400"), line.value())
            self.assertTrue(line.ended)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_a_form_is_not_parsed(self) -> None:
        headers = {"Content-Type": "multipart/form-data"}
        answer = self.ask("POST", SELF, b"--x", token="alice", headers=headers)
        self.assertEqual((answer.status, answer.json["message"]), (400, "the body is not JSON"))


class ShownTests(SynchronousTestCase):
    def test_long_ones_are_cut(self) -> None:
        self.assertEqual(len(shown(b"x" * 1000)), 201)
        self.assertEqual(shown(b"/a\n\xff"), r"/a\x0a\xff")


