"""Whether the beginning of what a visitor says is all there, and how far a conversation over TLS got."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.core.opening import (
    HEAD_LIMIT,
    HELLO_LIMIT,
    HELLO_RECORDS,
    ONE_TICKET,
    Conversation,
    Records,
    is_whole_head,
    is_whole_hello,
)
from webspaced.lxd.certificate import make_certificate

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def record(kind: int, size: int, first: int = 0) -> bytes:
    return bytes([kind, 3, 3]) + size.to_bytes(2) + bytes([first]) + bytes(size - 1)


def hello(*sizes: int) -> bytes:
    """Give a ClientHello in records of these sizes."""
    whole = sum(sizes)
    message = b"\x01" + (whole - 4).to_bytes(3) + bytes(whole - 4)
    parts = []
    for size in sizes:
        parts.append(b"\x16\x03\x01" + size.to_bytes(2) + message[:size])
        message = message[size:]
    return b"".join(parts)


class HeadTests(SynchronousTestCase):
    def test_every_way_to_end_it(self) -> None:
        for whole in (REQUEST, b"GET / HTTP/1.0\n\n", b"GET / HTTP/1.0\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            self.assertTrue(is_whole_head(whole))
            self.assertTrue(is_whole_head(whole + b"body"))

    @given(st.integers(0, len(REQUEST) - 1))
    def test_a_part_is_not_enough(self, size: int) -> None:
        self.assertFalse(is_whole_head(REQUEST[:size]))

    def test_one_that_never_ends_is_not_waited_for(self) -> None:
        self.assertFalse(is_whole_head(b"x" * (HEAD_LIMIT - 1)))
        self.assertTrue(is_whole_head(b"x" * HEAD_LIMIT))


class HelloTests(SynchronousTestCase):
    @given(st.lists(st.integers(1, 300), min_size=1, max_size=4).filter(lambda sizes: sum(sizes) >= 4), st.data())
    def test_in_any_number_of_records_and_pieces(self, sizes: list[int], data: st.DataObject) -> None:
        whole = hello(*sizes)
        self.assertTrue(is_whole_hello(whole))
        self.assertTrue(is_whole_hello(whole + b"more"))
        self.assertFalse(is_whole_hello(whole[: data.draw(st.integers(0, len(whole) - 1))]))

    def test_what_is_no_tls_is_the_servers(self) -> None:
        for said in (b"GET / HTTP/1.1", b"\x00", b"\x16\x03\x01\x00\x03abc" + record(23, 1)):
            self.assertTrue(is_whole_hello(said), said)

    def test_nor_is_one_that_never_ends_waited_for(self) -> None:
        endless = b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + bytes(HELLO_LIMIT)
        self.assertFalse(is_whole_hello(endless[: HELLO_LIMIT - 1]))
        self.assertTrue(is_whole_hello(endless[:HELLO_LIMIT]))
        crumbs = hello(*[1] * (HELLO_RECORDS + 2))
        self.assertFalse(is_whole_hello(crumbs[: 6 * HELLO_RECORDS]))
        self.assertTrue(is_whole_hello(crumbs[: 6 * HELLO_RECORDS + 5]))


class RecordsTests(SynchronousTestCase):
    @given(st.lists(st.tuples(st.sampled_from([20, 21, 22, 23]), st.integers(1, 50)), max_size=8), st.data())
    def test_pieces_do_not_matter(self, records: list[tuple[int, int]], data: st.DataObject) -> None:
        whole = b"".join(record(kind, size) for kind, size in records)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
        pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
        seen = Records()
        for piece in pieces:
            seen.feed(memoryview(piece))
        sizes = [size for kind, size in records if kind == 23]
        self.assertEqual((seen.data, seen.data_bytes, seen.broken), (len(sizes), sum(sizes), False))

    def test_a_hello_in_several_records_is_still_one(self) -> None:
        for sizes in ((100, 100), (150, 25, 25)):
            seen = Records()
            seen.feed(hello(*sizes) + record(20, 1) + hello(200))
            self.assertEqual(seen.handshakes, 0, sizes)

    def test_what_follows_a_hello_is_of_an_older_tls(self) -> None:
        seen = Records()
        seen.feed(hello(200) + record(22, 70, first=16) + record(20, 1) + record(22, 40))
        self.assertEqual(seen.handshakes, 2)

    def test_a_second_hello_is_none_of_an_older_tls(self) -> None:
        seen = Records()
        seen.feed(hello(200) + record(20, 1) + hello(200))
        self.assertEqual(seen.handshakes, 0)
        # What is encrypted may begin like one.
        seen.feed(record(22, 64, first=1))
        self.assertEqual(seen.handshakes, 1)

    def test_what_is_no_tls(self) -> None:
        for said in (b"SSH-2.0-x", record(23, 1)[:3] + b"\0\0."):
            seen = Records()
            seen.feed(said)
            self.assertTrue(seen.broken)


class ConversationTests(SynchronousTestCase):
    """With both sides of a real TLS in memory."""

    def talk(self, version: ssl.TLSVersion) -> None:
        both = Path(self.mktemp())
        both.write_bytes(b"".join(make_certificate("a.example", dt.datetime.now(dt.UTC))))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(both)
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        context.num_tickets = 1
        trusting.maximum_version = version
        self.up, self.down, self.seen = ssl.MemoryBIO(), ssl.MemoryBIO(), Conversation()
        self.to_server, self.to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = trusting.wrap_bio(self.to_client, self.up, server_hostname="a.example")
        self.server = context.wrap_bio(self.to_server, self.down, server_side=True)
        done: set[object] = set()
        while len(done) < 2:
            for side in (self.client, self.server):
                try:
                    side.do_handshake()
                    done.add(side)
                except ssl.SSLWantReadError:
                    pass
                self.carry()
        self.carry()

    def carry(self) -> None:
        if said := self.up.read():
            self.seen.said(said)
            self.to_server.write(said)
        if said := self.down.read():
            self.seen.server.feed(said)
            self.to_client.write(said)

    def test_a_handshake_asks_nothing_a_request_does_and_an_answer_is_one(self) -> None:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            self.talk(version)
            self.assertEqual((self.seen.asked, self.seen.answered), (False, False), version)
            self.client.write(b"GET / HTTP/1.1\r\n")
            self.carry()
            self.assertEqual((self.seen.asked, self.seen.answered), (True, False), version)
            self.server.read(100)
            # One short answer and no more, as that to the upgrade of a WebSocket.
            self.server.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            self.carry()
            self.assertEqual((self.seen.asked, self.seen.answered), (True, True), version)

    def test_one_that_comes_after_the_request_may_be_a_ticket_unless_it_is_long(self) -> None:
        seen = Conversation()
        seen.said(hello(200) + record(23, 50) + record(23, 40))
        seen.server.feed(record(23, 200))
        self.assertEqual((seen.asked, seen.answered), (True, False))
        seen.server.feed(record(23, ONE_TICKET + 1))
        self.assertTrue(seen.answered)
