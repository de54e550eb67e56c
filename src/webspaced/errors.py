"""What can go wrong, told apart by type.

These know nothing of HTTP: ``http/problems.py`` holds the one table that maps them to statuses. The text of an error may
be shown to a member, so it never holds a secret.
"""

from __future__ import annotations

from collections.abc import Mapping


class WebspacedError(Exception):
    """The root of everything that webspaced raises on purpose."""


class Invalid(WebspacedError):
    """The caller's input cannot be accepted; trying again unchanged cannot help."""


class Unauthenticated(WebspacedError):
    """No usable token came along, or the call needs an admin's."""


class Forbidden(WebspacedError):
    """IAM refused the token, or the caller may not touch this webspace."""


class NotFound(WebspacedError):
    """The user, webspace, image or port does not exist."""


class NotRunning(NotFound):
    """The webspace exists but does not run, and the call needs it to."""


class Conflict(WebspacedError):
    """The thing exists already, runs already, or somebody else has it."""


class Temporary(WebspacedError):
    """Trying again later may help.

    ``retry_after``: seconds after which another try makes sense.
    """

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(Temporary):
    """LXD, IAM or a store cannot be reached now, or webspaced is still starting."""


class RoutesUnwritable(Unavailable):
    """The store does not take a webspace's route, so that visitors are still led as before."""


class PartlyWritten(Temporary):
    """A store took some routes and refused others, which may be tried again.

    ``refused``: why, by the route's name. ``generation``: the one that tells of the others, as of a write that went well.
    """

    def __init__(self, message: str, refused: Mapping[str, str] | None = None, generation: int | None = None) -> None:
        super().__init__(message)
        self.refused = refused or {}
        self.generation = generation


class Distrusted(Unavailable):
    """LXD or a store is not who it should be, or does not trust us: only somebody's change makes another try help."""


class Refused(Temporary):
    """The boot gate does not wake the webspace now: it is being stopped, failed a moment ago, or all places are taken."""


class Momentary(Refused):
    """There is no place for one more visitor, for reasons that have nothing to do with the webspace and soon pass."""


class BootFailed(WebspacedError):
    """The webspace was started, but did not come up.

    ``detail``: what LXD said of it, for the member and the log, but not for everybody who visits.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class SetUpFailed(WebspacedError):
    """A step of what was to be done inside a new webspace failed; the text says which, and in short why."""


class PortSilent(BootFailed):
    """The webspace runs, but nothing in it answers on the wanted port."""


class DeadlineExceeded(WebspacedError):
    """Somebody else's answer did not come in time."""


class RemoteError(WebspacedError):
    """LXD answered with an error that is not the caller's fault.

    ``code``: LXD's ``error_code``, or the operation's ``status_code``.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class OutputTooLarge(WebspacedError):
    """A command inside a webspace wrote more than is given back."""


class Changed(RemoteError):
    """The object changed since it was read (ETag mismatch, 412): read it again and redo the change."""
