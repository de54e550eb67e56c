"""What streams ask of their sources."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from zope.interface import Interface

from webspaced.images.core.release import Asset, Release


class ISource(Interface):
    """Where a stream's releases come from."""

    async def releases() -> Sequence[Release]:
        """Give all releases as they are now.

        :raises Temporary: they cannot be had now; ``retry_after`` says when to ask again.
        :raises NotFound: there is no such repository or folder.
        """

    async def fetch(
        asset: Asset,  # noqa: N805
        start: int,
        begin: Callable[[int], None],
        feed: Callable[[bytes], None],
    ) -> None:
        """Hand a file's bytes on from an offset, as far as they come. Cancelling closes the connection.

        :param begin: is told first at which offset they begin; it may be 0, where nobody gives a part.
        :raises Temporary: the file's end has not come.
        :raises NotFound: there is no such file any more.
        """
