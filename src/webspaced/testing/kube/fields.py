"""Fields, who owns them, and server-side apply.

Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/. Maps are merged field by field; lists are
one value, but for the ports of a Service, whose items are known by port and protocol.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from webspaced.testing.kube.errors import conflict

Field: TypeAlias = tuple[Any, ...]
"""A path to a value; an item of a keyed list is named by its key, a tuple."""
Owners: TypeAlias = dict[str, set[Field]]
KEYED = {("spec", "ports"): ("port", "protocol")}
DEFAULTS = {"protocol": "TCP"}
"""What an item's key has if it does not say."""
NOT_OWNED = {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace"), ("metadata", "resourceVersion")}
_ABSENT = object()


def leaves(document: Any, at: Field = ()) -> Iterator[tuple[Field, Any]]:
    """Give every value with its path."""
    if isinstance(document, Mapping) and document:
        for name, value in document.items():
            yield from leaves(value, (*at, name))
    elif isinstance(document, list) and at in KEYED:
        for item in document:
            key = tuple(item.get(name, DEFAULTS.get(name)) for name in KEYED[at])
            yield from leaves(item, (*at, key))
    elif at not in NOT_OWNED:
        yield at, document


def merged(document: Any, patch: Any) -> Any:
    """Give a document after a merge patch (RFC 7396)."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(document) if isinstance(document, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def applied(
    document: dict[str, Any], owners: Owners, manager: str, patch: dict[str, Any], *, force: bool
) -> dict[str, Any]:
    """Give a document after a server-side apply; ``owners`` are changed. 409 if others own what would change."""
    wanted, had = dict(leaves(patch)), dict(leaves(document))
    taken = [
        (owner, path)
        for owner, owned in owners.items()
        if owner != manager
        for path in wanted.keys() & owned
        if had.get(path, _ABSENT) != wanted[path]
    ]
    if taken and not force:
        causes = [{"reason": "FieldManagerConflict", "field": _shown(path), "message": owner} for owner, path in taken]
        raise conflict(f"Apply failed with {len(taken)} conflicts", causes)
    for owner, path in taken:
        owners[owner].discard(path)
    given_up = owners.get(manager, set()) - wanted.keys()
    owners[manager] = set(wanted)
    others: set[Field] = set().union(*(owned for owner, owned in owners.items() if owner != manager))
    result = copy.deepcopy(document)
    for path in given_up - others:
        _remove(result, path)
    for path, value in wanted.items():
        _put(result, path, value)
    return result


def changed_by(owners: Owners, manager: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Note who made a change that is no apply: what changed is the manager's now."""
    had, has = dict(leaves(before)), dict(leaves(after))
    own = {path for path, value in has.items() if had.get(path, _ABSENT) != value}
    lost = (had.keys() - has.keys()) | own
    for owned in owners.values():
        owned.difference_update(lost)
    owners.setdefault(manager, set()).update(own)


def _shown(path: Field) -> str:
    return "".join(f".{step}" for step in path)


def _found(items: list[Any], path: Field, key: tuple[Any, ...]) -> Any:
    names = KEYED[path]
    return next((item for item in items if tuple(item.get(name, DEFAULTS.get(name)) for name in names) == key), None)


def _item(items: list[Any], path: Field, key: tuple[Any, ...]) -> Any:
    found = _found(items, path, key)
    if found is None:
        found = dict(zip(KEYED[path], key, strict=True))
        items.append(found)
    return found


def _put(document: dict[str, Any], path: Field, value: Any) -> None:
    inner: Any = document
    for depth, step in enumerate(path[:-1]):
        if isinstance(step, tuple):
            inner = _item(inner, path[:depth], step)
        else:
            empty: Any = [] if path[: depth + 1] in KEYED else {}
            if not isinstance(inner.get(step), list | dict):
                inner[step] = empty
            inner = inner[step]
    inner[path[-1]] = copy.deepcopy(value)


def _remove(document: dict[str, Any], path: Field) -> None:
    """Remove a field; an item of a keyed list goes with its key."""
    inner: Any = document
    for depth, step in enumerate(path[:-1]):
        if isinstance(step, tuple):
            items, inner = inner, _found(inner, path[:depth], step)
            if inner is not None and path[-1] in KEYED[path[:depth]]:
                items.remove(inner)
                return
        else:
            inner = inner.get(step) if isinstance(inner, dict) else None
        if inner is None:
            return
    inner.pop(path[-1], None)
    if not inner and len(path) > 1 and not isinstance(path[-2], tuple):
        # What held nothing else goes along.
        _remove(document, path[:-1])
