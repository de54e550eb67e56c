"""What clients ask for inside a webspace: bodies of plain commands, and the text messages of terminals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from webspaced.core.command import Command, Size
from webspaced.errors import Invalid
from webspaced.http.bodies import check_known, parse_object, text_member
from webspaced.interfaces import ITerminal

Order: TypeAlias = Callable[[ITerminal], None]
"""Something that is done to a terminal."""

USUAL_SIZE = Size(80, 24)
"""Of a terminal whose client does not know its own."""
LARGEST_SIDE = 65535
LARGEST_ID = 2**32 - 2
LAST_SIGNAL = 64
LONGEST_COMMAND = 128 * 1024 - 1
"""Bytes: Linux takes no longer argument (MAX_ARG_STRLEN, of which one is the null at the end)."""


def plain_command(body: Mapping[str, Any]) -> Command:
    """Read the body ``{command}`` of a plain command, which a shell runs."""
    check_known(body, ("command",))
    return Command(argv=("sh", "-c", _argument(text_member(body, "command"), "command")))


def exec_message(first: Mapping[str, Any]) -> tuple[Command, Size]:
    """Read the first message of a terminal."""
    known = ("command", "user", "group", "environment", "width", "height", "workingDirectory")
    check_known(first, known)
    command = Command(
        argv=_argv(first.get("command")),
        environment=_environment(first.get("environment") or {}),
        user=_integer(first, "user", LARGEST_ID),
        group=_integer(first, "group", LARGEST_ID),
        directory=_directory(first.get("workingDirectory") or ""),
    )
    return command, _size(first) or USUAL_SIZE


def exec_order(message: str) -> Order:
    """Read a later message of a terminal: ``{resize: {width, height}, signal}``, of which 0 and absent mean none."""
    document = parse_object(message)
    check_known(document, ("resize", "signal"))
    resize = document.get("resize") or {}
    if not isinstance(resize, dict):
        raise Invalid("resize must be an object")
    check_known(resize, ("width", "height"))
    size, signal = _size(resize), _integer(document, "signal", LAST_SIGNAL)

    def order(terminal: ITerminal) -> None:
        if size:
            terminal.resize(size)
        if signal:
            terminal.signal(signal)

    return order


def console_message(first: Mapping[str, Any]) -> Size:
    """Read the first message of a console: ``{width, height}``."""
    check_known(first, ("width", "height"))
    return _size(first) or USUAL_SIZE


def console_order(message: str) -> Order:
    """Read a later message of a console, which resizes it."""
    document = parse_object(message)
    check_known(document, ("width", "height"))
    size = _size(document)
    return lambda terminal: terminal.resize(size) if size else None


def _argv(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
        raise Invalid("command must be a list of texts, and not empty")
    return tuple(_argument(each, "command") for each in value)


def _argument(value: str, name: str) -> str:
    # What execve(2) cannot take.
    if "\0" in value:
        raise Invalid(f"{name} must not have null characters")
    try:
        length = len(value.encode())
    except UnicodeEncodeError as error:
        raise Invalid(f"{name} must be text") from error
    if length > LONGEST_COMMAND:
        raise Invalid(f"{name} must not be longer than {LONGEST_COMMAND} bytes in UTF-8")
    return value


def _environment(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise Invalid("environment must be an object of texts")
    if any(not name or "=" in name for name in value):
        raise Invalid("a name in environment must not be empty nor have an equals sign")
    return {_argument(name, "environment"): _argument(each, "environment") for name, each in value.items()}


def _directory(value: Any) -> str:
    if not isinstance(value, str) or (value and not value.startswith("/")):
        raise Invalid("workingDirectory must be an absolute path")
    return _argument(value, "workingDirectory")


def _size(document: Mapping[str, Any]) -> Size | None:
    width, height = (_integer(document, side, LARGEST_SIDE) for side in ("width", "height"))
    return Size(width, height) if width and height else None


def _integer(document: Mapping[str, Any], name: str, largest: int) -> int:
    value = document.get(name)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= largest:
        raise Invalid(f"{name} must be an integer from 0 to {largest}")
    return value
