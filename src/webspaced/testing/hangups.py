"""Noticing that a paused connection is gone, on the network in memory (see :mod:`webspaced.forward.hangup`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zope.interface import implementer

from webspaced.forward.hangup import IHangups


@implementer(IHangups)
class WireHangups:
    """Tells of hang-ups of :class:`webspaced.testing.wires.Wire`, once each, as the kernel would."""

    def __init__(self) -> None:
        self._watched: dict[int, tuple[Any, Callable[[bool], None]]] = {}

    @property
    def watched(self) -> int:
        """See :class:`IHangups`."""
        return len(self._watched)

    def watch(self, transport: Any, gone: Callable[[], None], *, half: bool) -> None:
        """See :meth:`IHangups.watch`."""

        def tell(over: bool) -> None:
            if (half or over) and self._watched.get(id(transport), (None, None))[1] is tell:
                transport.on_gone.remove(tell)
                gone()

        transport.on_gone.append(tell)
        self._watched[id(transport)] = (transport, tell)

    def unwatch(self, transport: Any) -> None:
        """See :meth:`IHangups.unwatch`."""
        _, tell = self._watched.pop(id(transport), (None, None))
        if tell in transport.on_gone:
            transport.on_gone.remove(tell)

    def close(self) -> None:
        """Forget all."""
        self._watched.clear()
