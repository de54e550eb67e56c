"""All webspaces' documents as one: to keep, to compare, and to put back what was lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webspaced.core.webspace import BOOT_PORT_KEY, KEY, USERNAME_KEY
from webspaced.errors import Invalid, NotFound
from webspaced.webspaces.documents import Documents
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.registry import Registry

KEYS = (KEY, USERNAME_KEY, BOOT_PORT_KEY)
"""What is a webspace's own. Marks of what is under way are of a moment, and certificates are secrets."""
FORMAT = 1


def exported(registry: Registry) -> dict[str, Any]:
    """Give ``{"format": 1, "webspaces": {instance: {key: value}}}``."""
    return {"format": FORMAT, "webspaces": {observed.name: _keys(observed) for observed in registry}}


def _keys(observed: Observed) -> dict[str, str]:
    return {key: observed.instance.config[key] for key in KEYS if key in observed.instance.config}


def parsed(document: Mapping[str, Any]) -> Mapping[str, Mapping[str, str]]:
    """Read what was exported.

    :raises Invalid: it was not.
    """
    webspaces = document.get("webspaces")
    if document.get("format") != FORMAT or not isinstance(webspaces, Mapping):
        message = f"this is no export of webspaced (format {FORMAT})"
        raise Invalid(message)
    for name, keys in webspaces.items():
        known = isinstance(keys, Mapping) and all(key in KEYS and isinstance(text, str) for key, text in keys.items())
        if not known:
            message = f"{name}: its keys must be texts of {', '.join(KEYS)}"
            raise Invalid(message)
    return webspaces


def differences(registry: Registry, wanted: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Give what an import would change: by instance the keys with their present and their new value.

    ``missing``: instances that LXD does not have; ``beside``: webspaces that the export does not know.
    """
    there = {observed.name: _keys(observed) for observed in registry}
    changes = {
        name: {key: [there[name].get(key), text] for key, text in keys.items() if there[name].get(key) != text}
        for name, keys in wanted.items()
        if name in there
    }
    return {
        "changes": {name: keys for name, keys in changes.items() if keys},
        "missing": sorted(wanted.keys() - there.keys()),
        "beside": sorted(there.keys() - wanted.keys()),
    }


async def restore(documents: Documents, registry: Registry, name: str, keys: Mapping[str, str]) -> None:
    """Write one webspace's keys; ``NotFound`` where LXD does not have it."""
    uid = registry.uid_of(name)
    if uid is None:
        message = f"{name} is no webspace's name"
        raise NotFound(message)
    await documents.change_keys(uid, lambda _now: dict(keys))
