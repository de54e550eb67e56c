"""The images that a webspace can be made of. Anybody may ask for them, also without a token: LXD is asked now and then."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.interfaces import IReactorTime

from webspaced.core.instance import Image
from webspaced.errors import NotFound
from webspaced.interfaces import IInstances
from webspaced.lib.deferreds import Flights
from webspaced.lib.expiring import ExpiringCache

KEPT = 5.0
"""Seconds for which a list is good enough for who only wants to see it."""
FRESH = 1.0
"""Seconds for which it is good enough to say that an image is not there: somebody may have published it a moment ago."""


class Images:
    """What LXD said a moment ago. One request serves all who ask while it is under way; failures are not remembered."""

    def __init__(self, clock: IReactorTime, instances: IInstances) -> None:
        self._instances = instances
        self._flights: Flights[str, Sequence[Image]] = Flights()
        self._shown: ExpiringCache[str, Sequence[Image]] = ExpiringCache(clock, 1)
        self._fresh: ExpiringCache[str, bool] = ExpiringCache(clock, 1)

    async def all(self) -> Sequence[Image]:
        """Give every image."""
        shown = self._shown.get("")
        return await self._flights.join("", self._ask) if shown is None else shown

    async def find(self, wanted: str) -> Image:
        """Give the image of an alias or fingerprint; ``NotFound`` if there is none."""
        found = _among(await self.all(), wanted)
        if found is None and self._fresh.get("") is None:
            found = _among(await self._flights.join("", self._ask), wanted)
        if found is None:
            message = f"there is no image {wanted[:100]!r}"
            raise NotFound(message)
        return found

    async def _ask(self) -> Sequence[Image]:
        images = await self._instances.images()
        self._shown.put("", images, KEPT)
        self._fresh.put("", value=True, seconds=FRESH)
        return images


def _among(images: Sequence[Image], wanted: str) -> Image | None:
    for image in images:
        if wanted == image.fingerprint or any(wanted == name for name, _ in image.aliases):
            return image
    return None
