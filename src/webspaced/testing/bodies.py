"""Request bodies that need no reactor.

treq sends bytes by Twisted's ``FileBodyProducer``, whose turns are those of the process's one reactor: on a clock they never
come. While :func:`written_at_once` holds, treq writes bodies at once instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import treq  # noqa: F401  (registers what is replaced here)
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConsumer
from twisted.python.components import globalRegistry
from twisted.web.iweb import IBodyProducer
from zope.interface import implementedBy, implementer


@implementer(IBodyProducer)
class BytesBody:
    """Writes bytes at once."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        """Nothing is left to pause."""

    resumeProducing = stopProducing = pauseProducing


def written_at_once() -> Callable[[], None]:
    """Let treq write bodies of bytes at once; gives what undoes it."""
    required: list[Any] = [implementedBy(bytes)]
    before = globalRegistry.registered(required, IBodyProducer)
    globalRegistry.register(required, IBodyProducer, "", BytesBody)
    return lambda: globalRegistry.register(required, IBodyProducer, "", before)
