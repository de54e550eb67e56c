"""How a section of the settings declares its fields."""

from __future__ import annotations

from typing import Any, Final, TypeVar, cast

import attrs

from webspaced.settings.kinds import Kind

T = TypeVar("T")
D = TypeVar("D")

SETTING: Final = "webspaced.setting"
SECTION: Final = "webspaced.section"


@attrs.frozen(kw_only=True)
class Setting:
    """Everything there is to know about one setting.

    - ``reason``: one sentence, what it is and why one would set it;
    - ``default``: the value when nothing is given, `attrs.NOTHING` where one must be given;
    - ``computed``: how the default is found, where it follows from other settings or the machine;
    - ``unit``: of the Python value;
    - ``example``: a value for the sample file where the default shows nothing;
    - ``secret``: its value is never shown;
    - ``live``: a reload puts it into effect, without a restart;
    - ``from_file``: the twin key with the suffix ``_file`` names a file that holds the value.
    """

    kind: Kind[Any]
    reason: str
    default: object
    computed: str = ""
    unit: str = ""
    example: object = None
    secret: bool = False
    live: bool = False
    from_file: bool = False

    @property
    def required(self) -> bool:
        """Whether there is no default."""
        return self.default is attrs.NOTHING


def setting(kind: Kind[T], reason: str, *, default: D, **more: Any) -> T | D:
    """Declare a setting of a section; ``more`` are further fields of `Setting`."""
    return cast("T | D", _field(Setting(kind=kind, reason=reason, default=default, **more)))


def required(kind: Kind[T], reason: str, **more: Any) -> T:
    """Declare a setting that has no default."""
    return cast("T", _field(Setting(kind=kind, reason=reason, default=attrs.NOTHING, **more)))


def secret(kind: Kind[str], reason: str, *, shown: bool = False, live: bool = False) -> str | None:
    """Declare a text that a file may give; unless ``shown`` (certificates), `repr` omits it."""
    return setting(kind, reason, default=None, secret=not shown, live=live, from_file=True)


def _field(about: Setting) -> object:
    return attrs.field(default=about.default, repr=not about.secret, metadata={SETTING: about})


def section(cls: type[T]) -> T:
    """Declare a section within a section; left out, all of its settings have their defaults."""
    return attrs.field(factory=cls, metadata={SECTION: cls})
