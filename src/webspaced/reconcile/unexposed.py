"""Forwards that visitors reach without a load balancer."""

from __future__ import annotations

from collections.abc import Collection

from zope.interface import implementer

from webspaced.interfaces import IExposure


@implementer(IExposure)
class Unexposed:
    """See :class:`webspaced.interfaces.IExposure`: there is nothing to keep."""

    def want(self, uid: int, ports: Collection[int]) -> None:
        """Do nothing."""

    def open(self) -> None:
        """Do nothing."""

    def check(self) -> None:
        """Do nothing."""

    def suspend(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""
