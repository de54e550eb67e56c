"""What objects hold, as far down as they are webspaced's own: to see that two of them are as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from types import FunctionType, MethodType
from typing import Any
from zoneinfo import ZoneInfo

from twisted.internet.defer import DeferredSemaphore
from twisted.internet.task import LoopingCall

from webspaced.reload.live import Live
from webspaced.settings import Settings

OF_OTHERS = (DeferredSemaphore, LoopingCall)
"""What is looked into although it is not ours."""
NOT_LOOKED_INTO = (Live, Settings)
SIMPLE = (bool, int, float, str, bytes, type(None), range)


def held(top: object) -> Mapping[str, str]:
    """Give the simple values below an object, by the first path that leads to each."""
    found: dict[str, str] = {}
    seen: set[int] = set()
    queue: list[tuple[str, object]] = [("", top)]
    while queue:
        path, each = queue.pop(0)
        if isinstance(each, SIMPLE) or _is_value(each):
            found[path] = repr(each)
        elif id(each) not in seen and not isinstance(each, NOT_LOOKED_INTO):
            seen.add(id(each))
            queue.extend((f"{path}.{name}", inner) for name, inner in _parts(each))
    return found


def differing(one: Mapping[str, str], other: Mapping[str, str]) -> set[str]:
    """Give the paths at which they differ."""
    return {path for path in one.keys() | other.keys() if one.get(path) != other.get(path)}


def _is_value(each: object) -> bool:
    return isinstance(each, ZoneInfo | frozenset) or type(each).__module__ in ("ipaddress", "pathlib", "datetime")


def _parts(each: Any) -> Iterator[tuple[str, object]]:
    if isinstance(each, Mapping):
        yield from ((repr(key), inner) for key, inner in each.items() if isinstance(key, SIMPLE))
    elif isinstance(each, list | tuple):
        yield from ((str(index), inner) for index, inner in enumerate(each))
    elif isinstance(each, partial):
        yield from (("func", each.func), ("args", each.args), ("keywords", each.keywords))
    elif isinstance(each, MethodType):
        yield "self", each.__self__
    elif isinstance(each, FunctionType):
        for name, cell in zip(each.__code__.co_freevars, each.__closure__ or (), strict=True):
            yield name, cell.cell_contents
    elif type(each).__module__.startswith("webspaced.") or isinstance(each, OF_OTHERS):
        yield from _attributes(each)


def _attributes(each: Any) -> Iterator[tuple[str, object]]:
    slots = [name for cls in type(each).__mro__ for name in getattr(cls, "__slots__", ())]
    for name in [*slots, *getattr(each, "__dict__", ())]:
        if not name.startswith("__") and hasattr(each, name):
            yield name, getattr(each, name)
