"""What only some need, and is installed by an extra of this distribution (pyproject.toml)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from webspaced.errors import Invalid


@contextmanager
def extra(name: str, module: str, what: str) -> Iterator[None]:
    """Import a package of an extra within this.

    :param name: the extra's.

    :param what: the setting that asks for it, for the message.
    :raises Invalid: it is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != module:
            raise
        raise Invalid(missing(name, module, what)) from error


def missing(name: str, module: str, what: str) -> str:
    """Say what is not installed, what asks for it, and how it is installed."""
    return f"{what} needs {module}, which is not installed: pip install 'webspaced[{name}]'"
