"""A DNS server for tests: it tells the TXT records that a test gave it, over UDP on loopback."""

from __future__ import annotations

import socket
import threading

from twisted.names import dns


class DnsServer:
    """``texts`` by domain; other names do not exist. While ``silent``, nobody is answered."""

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {}
        self.silent = False
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End."""
        # Closing alone does not wake who reads; an empty datagram does.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                data, peer = self._socket.recvfrom(4096)
            except OSError:
                return
            if not data:
                return
            if not self.silent:
                self._socket.sendto(self._answer(data), peer)

    def _answer(self, data: bytes) -> bytes:
        message = dns.Message()
        message.fromStr(data)
        (query,) = message.queries
        name = query.name.name.decode().lower()
        texts = self.texts.get(name)
        answer = dns.Message(message.id, answer=1, rCode=dns.OK if texts else dns.ENAME)
        answer.queries = [query]
        answer.answers = [
            dns.RRHeader(name.encode(), dns.TXT, payload=dns.Record_TXT(text.encode())) for text in texts or []
        ]
        encoded: bytes = answer.toStr()
        return encoded
