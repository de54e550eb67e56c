"""Keys of versions in the documents: what clients compare, as strings, to find the newest.

The first eight characters must be a date, and new LXDs read ``YYYYMMDD_HHMM`` as the moment of the build. So each version
has the minute in which it was made, unless that is not after the one before it: a rebuild of an old version is not newer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from webspaced.images.core.version import Version

_MINUTE = timedelta(minutes=1)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


def version_keys(made: Mapping[Version, float]) -> Mapping[Version, str]:
    """Give a key for each version, greater as a string the newer the version is.

    :param made: when each was made, in seconds since the epoch.
    """
    keys: dict[Version, str] = {}
    before = _EARLIEST - _MINUTE
    for version in sorted(made):
        before = max(datetime.fromtimestamp(made[version], UTC), before + _MINUTE).replace(second=0, microsecond=0)
        keys[version] = before.strftime("%Y%m%d_%H%M")
    return keys
