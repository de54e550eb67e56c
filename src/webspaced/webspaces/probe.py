"""Asking a port whether it answers, on sockets of its own (design decision 3)."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred, FailureGroup, race
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, TimeoutError  # noqa: A004
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

from webspaced.core.address import Endpoint
from webspaced.core.probing import Answer, Ask, judged
from webspaced.lib.deferreds import sleep
from webspaced.lib.unverified_tls import UnverifiedConnections

ANSWER_TIMEOUT = 0.25
"""Seconds in which a server that is there says something."""
HEAD_START = 0.025
LONGEST_STATUS_LINE = 256
# RFC 9112 section 4.
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: |\r?\n)")


def client_endpoint(reactor: Any, endpoint: Endpoint, timeout: float) -> IStreamClientEndpoint:
    """Give what connects to an endpoint within so many seconds."""
    kind = TCP4ClientEndpoint if endpoint.host.version == 4 else TCP6ClientEndpoint  # noqa: PLR2004
    client: IStreamClientEndpoint = kind(reactor, str(endpoint.host), endpoint.port, timeout=timeout)
    return client


class _Question(Protocol):
    """Says something and gives what was answered, once that is enough; no bytes at all if it hung up before a word."""

    transport: Any

    def __init__(self, says: bytes, enough: Callable[[bytes], bool]) -> None:
        self.answered: Deferred[bytes] = Deferred(lambda _: self._drop())
        self.received = b""
        self._says = says
        self._enough = enough

    def connectionMade(self) -> None:
        if self._says:
            self.transport.write(self._says)

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        if self._enough(self.received):
            self._answer()

    def connectionLost(self, reason: Failure = Failure(ConnectError())) -> None:  # noqa: B008
        self._answer()

    def _answer(self) -> None:
        if not self.answered.called:
            self.answered.callback(self.received)
            self._drop()

    def _drop(self) -> None:
        if self.transport is not None:
            self.transport.abortConnection()


class _Probes(Factory):
    """Builds protocols for short-lived connections, without a line in the log for each."""

    noisy = False


class PortProbe:
    """Tries ports of containers."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._clock: IReactorTime = reactor

    async def accepts(self, endpoint: Endpoint, timeout: float) -> bool:
        """Whether the port takes a connection within so many seconds."""
        try:
            protocol: Any = await client_endpoint(self._reactor, endpoint, timeout).connect(_Probes.forProtocol(Protocol))
        except ConnectError:
            return False
        protocol.transport.abortConnection()
        return True

    async def ask(self, endpoint: Endpoint, ask: Ask, host: str, timeout: float = ANSWER_TIMEOUT) -> Answer:
        """Give what the port answers within so many seconds, on a connection of its own.

        :param host: whom to ask for, where that can be said.
        """
        plain = client_endpoint(self._reactor, endpoint, timeout)
        if ask is Ask.HTTP:
            return await self._head(plain, host, timeout)
        says = _FIRST_WORDS[ask]()
        answer = await self._said(plain, says, bool, timeout)
        if ask is Ask.HTTPS and answer is Answer.GOOD:
            status = await ask_head(self._clock, wrapClientTLS(UnverifiedConnections(host.encode()), plain), host, timeout)
            # It is there: one that speaks HTTP/2 only (gRPC) hangs up on what it does not know.
            return Answer.GOOD if status is None else judged(status)
        return answer

    async def _head(self, endpoint: IStreamClientEndpoint, host: str, timeout: float) -> Answer:
        return await self._said(endpoint, head_request(host), _has_status_line, timeout)

    async def _said(
        self, endpoint: IStreamClientEndpoint, says: bytes, enough: Callable[[bytes], bool], timeout: float
    ) -> Answer:
        try:
            said = await _answer(self._clock, endpoint, says, enough, timeout)
        except TimeoutError:
            return Answer.SILENT
        except ConnectError:
            return Answer.REFUSED
        if said is None:
            return Answer.SILENT
        status = status_of(said)
        # Whatever else was said: there is a server, which speaks in another way.
        return Answer.NOT_YET if not said else Answer.GOOD if status is None else judged(status)


async def first_that_accepts(
    clock: IReactorTime, probe: PortProbe, endpoints: Sequence[Endpoint], timeout: float
) -> Endpoint | None:
    """Give the first of some endpoints that takes a connection within so many seconds, ``None`` if none does.

    The one before has a head start of some milliseconds (RFC 8305, section 5).
    """

    async def attempt(place: int, endpoint: Endpoint) -> Endpoint:
        if place:
            await sleep(clock, place * HEAD_START)
        if await probe.accepts(endpoint, timeout):
            return endpoint
        raise ConnectError

    if not endpoints:
        # A race of nobody never ends.
        return None
    try:
        _, found = await race([Deferred.fromCoroutine(attempt(*each)) for each in enumerate(endpoints)])
    except FailureGroup as failures:
        _raise_what_is_no_refusal(failures)
        return None
    return found


def _raise_what_is_no_refusal(failures: FailureGroup) -> None:
    for failure in failures.failures:
        if not failure.check(ConnectError):
            failure.raiseException()


async def ask_head(clock: IReactorTime, endpoint: IStreamClientEndpoint, host: str, timeout: float) -> int | None:
    """Give the status of ``HEAD /`` at an endpoint; ``None`` if nobody answers within so many seconds, or not in HTTP."""
    try:
        said = await _answer(clock, endpoint, head_request(host), _has_status_line, timeout)
    except ConnectError:
        return None
    return None if said is None else status_of(said)


async def _answer(
    clock: IReactorTime, endpoint: IStreamClientEndpoint, says: bytes, enough: Callable[[bytes], bool], timeout: float
) -> bytes | None:
    """Give what is answered, ``None`` if that is not enough in time; raises ``ConnectError``."""
    protocol: Any = await endpoint.connect(_Probes.forProtocol(lambda: _Question(says, enough)))
    answered: Deferred[bytes] = protocol.answered
    return await answered.addTimeout(timeout, clock, lambda *_: None)


def head_request(host: str) -> bytes:
    """Give a request that every web server answers (RFC 9110, section 9.3.2)."""
    return f"HEAD / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: webspaced\r\nConnection: close\r\n\r\n".encode()


def status_of(said: bytes) -> int | None:
    """Give the status out of the beginning of an answer; ``None`` if it is no HTTP/1."""
    match = _STATUS_LINE.match(said)
    return int(match[1]) if match else None


def _has_status_line(said: bytes) -> bool:
    return b"\n" in said or len(said) >= LONGEST_STATUS_LINE


def _client_hello() -> bytes:
    """Give what a client of TLS says first."""
    said = ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), said).do_handshake()
    return said.read()


_FIRST_WORDS: Mapping[Ask, Callable[[], bytes]] = {
    Ask.CONNECTION: bytes,
    Ask.DATA: bytes,
    # The preface, and SETTINGS that set nothing (RFC 9113, section 3.4).
    Ask.H2C: lambda: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    Ask.HTTPS: _client_hello,
    Ask.TLS: _client_hello,
}
