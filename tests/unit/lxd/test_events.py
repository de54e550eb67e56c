"""The event stream: an event is a hint, a silent stream is dead, and a lost one is opened anew."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import Time
from webspaced.errors import Unavailable
from webspaced.lxd import events
from webspaced.lxd.events import PING_INTERVAL, SILENCE_LIMIT, EventSubscription, read_event


def event(source: str, **metadata: Any) -> str:
    return json.dumps({"type": "lifecycle", "metadata": {"action": "instance-started", "source": source, **metadata}})


class ReadTests(SynchronousTestCase):
    def test_an_instance(self) -> None:
        self.assertEqual(read_event(event("/1.0/instances/ws-u7")), ("ws-u7",))

    def test_with_its_project(self) -> None:
        self.assertEqual(read_event(event("/1.0/instances/ws-u7?project=web")), ("ws-u7",))

    def test_of_an_old_version(self) -> None:
        self.assertEqual(read_event(event("/1.0/containers/ws-u7", action="container-started")), ("ws-u7",))

    def test_something_below_an_instance(self) -> None:
        self.assertEqual(read_event(event("/1.0/instances/ws-u7/snapshots/a")), ("ws-u7",))

    def test_a_rename_is_about_both_names(self) -> None:
        message = event("/1.0/instances/new", action="instance-renamed", context={"old_name": "old"})
        self.assertEqual(read_event(message), ("new", "old"))

    def test_quoted_names(self) -> None:
        self.assertEqual(read_event(event("/1.0/instances/a%20b")), ("a b",))

    def test_anything_else_is_about_nothing(self) -> None:
        for message in (
            "", "{", "[]", "[" * 100_000, "3", "null", "{}", '{"metadata": 3}', '{"metadata": {"source": 3}}', event(""),
            event("/1.0/images/f"), event("/1.0"), event("/1.0/instances/x", context=[1]),
        ):  # fmt: skip
            self.assertEqual(read_event(message), (), message)

    @settings(deadline=None, max_examples=100)
    @given(st.text(max_size=30) | st.text(max_size=20).map(event))
    def test_no_message_is_an_error(self, message: str) -> None:
        self.assertIsInstance(read_event(message), tuple)


class Listener:
    def __init__(self) -> None:
        self.said: list[Any] = []
        self.error: Exception | None = None
        self.listing: Deferred[None] | None = None

    async def _connected(self) -> None:
        self.said.append("connected")
        if self.error is not None:
            raise self.error

    def connected(self) -> Deferred[None]:
        listed = Deferred.fromCoroutine(self._connected())
        return listed if self.listing is None else self.listing

    def happened(self, name: str) -> None:
        self.said.append(name)

    def disconnected(self, reason: str) -> None:
        self.said.append("disconnected")


class Socket:
    def __init__(self) -> None:
        self.pings = self.aborted = 0

    def ping(self) -> None:
        self.pings += 1


class SubscriptionTests(SynchronousTestCase):
    """With the WebSocket of Twisted replaced: ``streams`` are the handlers that were handed to it."""

    def setUp(self) -> None:
        self.clock, self.listener = Time(), Listener()
        self.streams: list[Any] = []
        self.urls: list[str] = []
        self.sockets: list[Socket] = []
        self.opens: Exception | None = None
        self.patch(events, "WebSocketClientEndpoint", self.endpoint)
        self.subscription = EventSubscription(self.clock, None, "my project", self.listener)
        self.subscription.startService()

    def endpoint(self, _endpoints: Any, url: str) -> SubscriptionTests:
        self.urls.append(url)
        return self

    async def connect(self, stream: Any) -> None:
        self.streams.append(stream)
        if self.opens is not None:
            raise self.opens

    def open(self) -> Any:
        stream, socket = self.streams[-1], Socket()
        self.sockets.append(socket)
        stream.negotiationStarted(socket)
        stream.negotiationFinished()
        stream.pongReceived(b"")
        return stream

    def test_asks_for_lifecycle_events_of_its_project(self) -> None:
        self.assertEqual(self.urls, ["ws://lxd/1.0/events?type=lifecycle&project=my%20project"])

    def test_lists_once_it_is_subscribed_and_then_streams(self) -> None:
        self.assertEqual(self.listener.said, [])
        stream = self.open()
        stream.textMessageReceived(event("/1.0/instances/ws-u7"))
        stream.bytesMessageReceived(bytearray(event("/1.0/instances/ws-u8").encode()))
        stream.textMessageReceived("rubbish")
        self.assertEqual(self.listener.said, ["connected", "ws-u7", "ws-u8"])

    def test_the_answer_to_the_handshake_is_no_subscription_yet(self) -> None:
        stream, socket = self.streams[-1], Socket()
        stream.negotiationStarted(socket)
        stream.negotiationFinished()
        self.assertEqual((socket.pings, self.listener.said), (1, []))
        stream.pongReceived(b"")
        stream.pongReceived(b"")
        self.assertEqual(self.listener.said, ["connected"])

    def test_an_event_that_comes_first_is_a_sign_of_life_too(self) -> None:
        stream = self.streams[-1]
        stream.negotiationStarted(Socket())
        stream.negotiationFinished()
        stream.textMessageReceived(event("/1.0/instances/ws-u7"))
        self.assertEqual(self.listener.said, ["connected", "ws-u7"])

    def test_one_that_ends_is_told_and_opened_anew(self) -> None:
        self.open().connectionLost(Failure(ConnectionLost()))
        self.assertEqual(self.listener.said, ["connected", "disconnected"])
        self.clock.run_for(0.1)
        self.open()
        self.assertEqual(self.listener.said, ["connected", "disconnected", "connected"])

    def test_pauses_grow_while_lxd_is_away_and_are_short_again_after_it_was_there(self) -> None:
        self.opens = ConnectionRefusedError()
        self.open().connectionLost(Failure(ConnectionLost()))
        moments: list[float] = []
        while len(self.streams) < 12:
            count, before = len(self.streams), self.clock.seconds()
            self.clock.run_until(lambda count=count: len(self.streams) > count)
            moments.append(round(self.clock.seconds() - before, 3))
        self.assertEqual(moments[:7], [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2])
        self.assertEqual(set(moments[7:]), {5.0})
        self.opens = None
        self.clock.run_for(5)
        self.open().connectionLost(Failure(ConnectionLost()))
        count = len(self.streams)
        self.clock.run_for(0.06)
        self.assertEqual(len(self.streams), count + 1)

    def test_a_listing_that_fails_is_tried_again_with_a_new_stream(self) -> None:
        self.listener.error = Unavailable("LXD cannot be reached")
        self.open()
        self.clock.run_for(0.06)
        self.assertEqual(self.listener.said, ["connected", "disconnected"])
        self.listener.error = None
        self.open()
        self.assertEqual(self.listener.said[-1], "connected")
        self.assertEqual(len(self.streams), 2)

    def test_a_stream_that_falls_silent_while_everything_is_listed_ends_the_listing(self) -> None:
        cancelled: list[object] = []
        self.listener.listing = Deferred(cancelled.append)
        self.open()
        self.clock.run_for(SILENCE_LIMIT + PING_INTERVAL)
        self.assertEqual(len(cancelled), 1)
        self.assertEqual(self.listener.said, ["connected", "disconnected"])
        self.listener.listing = None
        self.clock.run_for(1)
        self.open()
        self.assertEqual(self.listener.said[-1], "connected")

    def test_a_handshake_that_never_ends_is_given_up(self) -> None:
        self.clock.run_for(10.1)
        self.assertEqual(len(self.streams), 2)
        self.assertEqual(self.listener.said, ["disconnected"])

    def test_pings_every_ten_seconds_and_a_silent_stream_is_dead_after_thirty(self) -> None:
        self.open()
        self.clock.run_for(29.9)
        self.assertEqual(self.sockets[0].pings, 3)
        self.assertEqual(self.listener.said, ["connected"])
        self.clock.run_for(0.2)
        self.assertEqual(self.listener.said, ["connected", "disconnected"])

    def test_pongs_and_events_are_signs_of_life(self) -> None:
        stream = self.open()
        for _ in range(10):
            self.clock.run_for(20)
            stream.pongReceived(b"")
        for _ in range(10):
            self.clock.run_for(20)
            stream.textMessageReceived("{}")
        self.assertEqual(self.listener.said, ["connected"])

    def test_a_stream_that_ended_is_not_pinged(self) -> None:
        self.open().connectionLost(Failure(ConnectionLost()))
        self.clock.run_for(9)
        self.assertEqual(self.sockets[0].pings, 1)

    def test_stopping_opens_no_other(self) -> None:
        self.open()
        self.subscription.stopService()
        self.clock.run_for(100)
        self.assertEqual(len(self.streams), 1)

    def test_stopping_during_a_pause(self) -> None:
        self.open().connectionLost(Failure(ConnectionLost()))
        self.subscription.stopService()
        self.clock.run_for(100)
        self.assertEqual(len(self.streams), 1)
