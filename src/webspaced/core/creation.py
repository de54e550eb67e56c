"""How far the creation of a webspace is, as values for who waits."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from webspaced.core.login import check_key, check_password
from webspaced.core.user import User
from webspaced.errors import Invalid

LONGEST = 86400.0
"""Seconds after its begin for which what a creation left is removed unasked: an older marker came back in some way."""
MOST_DIGITS = 20
_PERCENT = re.compile(r"([0-9]{1,3})%")


def marker(name: str, now: float) -> str:
    """Give what marks an instance as being created: its name, and when that began, in seconds since the epoch."""
    return f"{name} {round(now)}"


def is_marked(text: str, name: str) -> bool:
    """Whether a marker is this instance's own: of a copy, or of one that somebody renamed meanwhile, it tells nothing."""
    return text.partition(" ")[0] == name


def is_recent(text: str, now: float) -> bool:
    """Whether a marker's creation began so lately that it may have been left unfinished; ``now`` as in :func:`marker`."""
    begun = text.partition(" ")[2]
    return begun.isascii() and begun.isdigit() and abs(now - int(begun[:MOST_DIGITS])) <= LONGEST


class Step(enum.Enum):
    """The steps, in their order; the value is what clients see."""

    WAIT = "wait"
    """Others are being created."""
    DOWNLOAD = "download"
    """LXD fetches the image."""
    UNPACK = "unpack"
    BOOT = "boot"
    """It is started, to be set up."""
    PASSWORD = "password"  # noqa: S105
    PACKAGES = "packages"
    """The package lists are fetched, and an SSH server is installed unless there is one."""
    SSH = "ssh"
    """The server is enabled and gets the key."""
    STOP = "stop"
    FINISH = "finish"
    """It is opened to visitors."""


@frozen(kw_only=True)
class Progress:
    """Where a creation is. ``percent`` of the step (0 to 100) is known for some only."""

    step: Step
    percent: int | None = None


@frozen(kw_only=True)
class Wishes:
    """What somebody wants of a new webspace, checked. ``image`` is an alias or fingerprint, ``key`` comes with SSH."""

    image: str
    password: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)

    @property
    def inside(self) -> bool:
        """Whether something must be done inside the webspace."""
        return self.password is not None or self.key is not None


def wishes(user: User, image: str, password: str | None, *, ssh: bool) -> Wishes:
    """Check what is wanted.

    :raises Invalid: the password cannot be set, or SSH is wanted and the account has no usable key.
    """
    if ssh and not (user.ssh_key or "").strip():
        message = "SSH needs an SSH key on the account, and there is none"
        raise Invalid(message)
    return Wishes(
        image=image,
        password=None if password is None else check_password(password),
        key=check_key(user.ssh_key or "") if ssh else None,
    )


def progress_of(metadata: object) -> Progress | None:
    """Read the ``metadata`` of LXD's (and Incus's) operation that creates an instance; ``None`` if it tells nothing.

    Both keep ``progress: {stage, percent, speed}`` there, all of them texts, and a download's ``download_progress`` such
    as ``rootfs: 42% (12.30MB/s)``.
    """
    if not isinstance(metadata, Mapping):
        return None
    told = metadata.get("progress")
    if isinstance(told, Mapping):
        stage = Step.UNPACK if "unpack" in str(told.get("stage", "")) else Step.DOWNLOAD
        return Progress(step=stage, percent=_bounded(told.get("percent")))
    if "download_progress" in metadata:
        found = _PERCENT.search(str(metadata["download_progress"]))
        return Progress(step=Step.DOWNLOAD, percent=_bounded(found[1] if found else None))
    return None


def _bounded(percent: Any) -> int | None:
    text = str(percent)
    return min(100, int(text)) if text.isascii() and text.isdigit() and len(text) < 4 else None  # noqa: PLR2004
