"""What a visitor of a web server says first, as far as it shows from outside: whether that is all there yet.

Sources: RFC 9112 section 2.1 (a message's head ends with an empty line) and RFC 9113 section 3.4 (so does the first line of
HTTP/2); RFC 8446 sections 4 and 5.1, RFC 5246 section 6.2.1 (handshake messages in TLS records).
"""

from __future__ import annotations

from enum import IntEnum
from typing import TypeAlias

from attrs import define, field

HEAD_LIMIT = 65536
"""Bytes that a request's head may have."""
HELLO_LIMIT, HELLO_RECORDS = 16384, 8
"""Bytes and records of a ClientHello after which it is the server's to judge: with each piece all are read again."""
RECORD_HEADER, MESSAGE_HEADER = 5, 4
ONE_TICKET = 1024
"""Bytes of one record of a server's that may be a ticket for later (RFC 8446 section 4.6.1) and no answer."""


Piece: TypeAlias = bytes | memoryview


class Record(IntEnum):
    """Content types of TLS records."""

    CHANGE_CIPHER_SPEC = 20
    ALERT = 21
    HANDSHAKE = 22
    APPLICATION_DATA = 23


CLIENT_HELLO = 1
"""Type of a handshake message."""
LONGEST_MESSAGE = 65536
"""Bytes: so long a message servers take."""


def has_ended(said: bytes) -> bool:
    """Whether a request's head has ended."""
    # A single line feed is taken for a line's end, too (RFC 9112 section 2.2).
    return b"\n\r\n" in said or b"\n\n" in said


def is_whole_head(said: Piece, seen: int = 0) -> bool:
    """Whether a request's head has ended, or is longer than it may be.

    :param seen: so many bytes of it were looked at before, and it had not ended.
    """
    return len(said) >= HEAD_LIMIT or has_ended(bytes(said[max(0, seen - 2) :]))


def is_whole_hello(said: Piece, _seen: int = 0) -> bool:
    """Whether a ClientHello is there, or something that is none."""
    if not said:
        return False
    if said[0] != Record.HANDSHAKE or len(said) >= HELLO_LIMIT:
        return True
    message, at, records = b"", 0, 0
    while len(said) >= at + RECORD_HEADER:
        records += 1
        if said[at] != Record.HANDSHAKE or records > HELLO_RECORDS:
            return True
        size = int.from_bytes(said[at + 3 : at + RECORD_HEADER])
        message += bytes(said[at + RECORD_HEADER : at + RECORD_HEADER + size])
        at += RECORD_HEADER + size
        if len(message) >= MESSAGE_HEADER and len(message) - MESSAGE_HEADER >= int.from_bytes(message[1:MESSAGE_HEADER]):
            return True
    return False


@define
class Records:
    """Follows one direction of TLS by the headers of its records; what is in them is nobody's business.

    ``handshakes``: of those after the first, of an older version of TLS than 1.3. ``data``: records of application data, and
    their bytes together. ``broken``: this is no TLS.
    """

    handshakes: int = 0
    data: int = 0
    data_bytes: int = 0
    broken: bool = False
    _seen: int = 0
    _header: bytes = b""
    _left: int = 0
    _hello_left: int = 0
    """Bytes of a ClientHello that are still to come, in further records."""

    def feed(self, piece: Piece) -> None:
        """Take what comes next."""
        at, end = 0, len(piece)
        while at < end and not self.broken:
            if self._left:
                step = min(self._left, end - at)
                self._left -= step
            else:
                step = min(self._wanted() - len(self._header), end - at)
                self._header += bytes(piece[at : at + step])
                self._begin()
            at += step

    def _wanted(self) -> int:
        """Give how much of a record's beginning is looked at: of a handshake the message's header, too."""
        if len(self._header) < RECORD_HEADER:
            return RECORD_HEADER
        return RECORD_HEADER + min(MESSAGE_HEADER, self._size())

    def _size(self) -> int:
        return int.from_bytes(self._header[3:RECORD_HEADER])

    def _begin(self) -> None:
        if len(self._header) < RECORD_HEADER or (self._size() and len(self._header) < self._wanted()):
            return
        kind, size, message = self._header[0], self._size(), self._header[RECORD_HEADER:]
        self.broken = kind not in tuple(Record) or not size
        self._left, self._header = size - len(message), b""
        self._seen += 1
        if kind == Record.APPLICATION_DATA:
            self.data += 1
            self.data_bytes += size
        elif kind == Record.HANDSHAKE:
            self._shake(message, size)

    def _shake(self, message: bytes, size: int) -> None:
        """Tell hellos, in any number of records, from what only older versions show."""
        length = int.from_bytes(message[1:]) if len(message) == MESSAGE_HEADER else LONGEST_MESSAGE
        is_hello = message[:1] == bytes([CLIENT_HELLO]) and size - MESSAGE_HEADER <= length <= LONGEST_MESSAGE
        if self._hello_left:
            self._hello_left = max(0, self._hello_left - size)
        elif self._seen == 1 or is_hello:
            # In TLS 1.3 only hellos show as such: a second one if the server asked for it.
            self._hello_left = max(0, min(length, LONGEST_MESSAGE) + MESSAGE_HEADER - size)
        else:
            self.handshakes += 1


@define
class Conversation:
    """Both directions of a connection with TLS: how far it got."""

    client: Records = field(factory=Records)
    server: Records = field(factory=Records)
    _before: tuple[int, int] | None = None
    """What the server had said when the client's handshake was over, or nearly."""

    def said(self, piece: Piece) -> None:
        """Take what the client says next."""
        self.client.feed(piece)
        if self._before is None and self.client.data:
            # In TLS 1.3 the first of these ends the handshake, and a ticket is sent upon it, before any answer.
            self._before = (self.server.data, self.server.data_bytes)

    @property
    def asked(self) -> bool:
        """Whether the client said something after the handshake, whose end is such a record itself in TLS 1.3."""
        return self.client.broken or self.client.data > (0 if self.client.handshakes else 1)

    @property
    def answered(self) -> bool:
        """Whether the server has said more than a ticket since the handshake."""
        if self.server.broken:
            return True
        before, size = self._before or (0, 0)
        records, size = self.server.data - before, self.server.data_bytes - size
        return self.asked and (records > (0 if self.client.handshakes else 1) or size > ONE_TICKET)
