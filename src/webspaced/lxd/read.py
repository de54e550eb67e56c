"""Reading LXD's answers: what is not of the documented shape is LXD's error, and not ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from webspaced.errors import RemoteError

T = TypeVar("T")


def read(reading: Callable[[], T]) -> T:
    """Give what was read.

    :raises RemoteError: it is not what LXD's API describes.
    """
    try:
        return reading()
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        message = "LXD's answer is not what its API describes"
        raise RemoteError(message, 0) from error
