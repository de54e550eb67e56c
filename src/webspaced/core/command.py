"""Commands that run inside a webspace, as values."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen


@frozen(kw_only=True)
class Command:
    """An argument vector and what surrounds it. ``stdin`` may be secret; so may the environment."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(factory=dict, repr=False)
    user: int = 0
    group: int = 0
    directory: str = ""
    """Absolute; the home of root if empty."""
    stdin: bytes = field(default=b"", repr=False)


@frozen(kw_only=True)
class Bounds:
    """What a command may take: ``seconds`` to its end, and ``output`` bytes of stdout and stderr together."""

    seconds: float
    output: int


@frozen(kw_only=True)
class Completed:
    """A command that ended by itself. A command that a signal ended has 128 and its number as ``code``."""

    code: int
    stdout: bytes = b""
    stderr: bytes = b""


@frozen
class Size:
    """A terminal's size in characters."""

    width: int
    height: int
