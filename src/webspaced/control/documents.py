"""All webspaces' documents as one: to keep, to compare, and to put back what was lost.

As LXD has them, and not as they are understood: one that cannot be read is the one that has to be put back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from webspaced.core.instance import Instance
from webspaced.core.webspace import BOOT_PORT_KEY, KEY, USERNAME_KEY, boot_port_of, username_of
from webspaced.errors import Invalid, NotFound, WebspacedError
from webspaced.interfaces import IInstances
from webspaced.webspaces.documents import Documents
from webspaced.webspaces.registry import Registry

KEYS = (KEY, USERNAME_KEY, BOOT_PORT_KEY)
"""What is a webspace's own. Marks of what is under way are of a moment, and certificates are secrets."""
FORMAT = 1
PARALLEL = 8
"""Webspaces that are written at a time."""


@frozen
class Kept:
    """What reads and writes them."""

    registry: Registry
    instances: IInstances
    documents: Documents

    async def present(self) -> Mapping[str, Mapping[str, str]]:
        """Give the keys of all webspaces by instance, as LXD has them now."""
        found: dict[str, Mapping[str, str]] = {}

        def note(instance: Instance) -> None:
            if self.registry.uid_of(instance.name) is not None and KEY in instance.config:
                found[instance.name] = {key: instance.config[key] for key in KEYS if key in instance.config}

        await self.instances.go_through(note)
        return found

    async def exported(self) -> dict[str, Any]:
        """Give ``{"format": 1, "webspaces": {instance: {key: value}}}``."""
        return {"format": FORMAT, "webspaces": await self.present()}

    def parsed(self, document: Mapping[str, Any]) -> Mapping[str, Mapping[str, str]]:
        """Read what was exported.

        :raises Invalid: it was not, or one of its documents could not be read by LXD's webspace either.
        """
        webspaces = document.get("webspaces")
        # True is 1, too, to Python.
        is_ours = document.get("format") == FORMAT and not isinstance(document.get("format"), bool)
        if not is_ours or not isinstance(webspaces, Mapping):
            message = f"this is no export of webspaced (format {FORMAT})"
            raise Invalid(message)
        for name, keys in webspaces.items():
            try:
                self._check(name, keys)
            except Invalid as error:
                message = f"{name}: {error}"
                raise Invalid(message) from error
        return webspaces

    def _check(self, name: str, keys: object) -> None:
        uid = self.registry.uid_of(name)
        if uid is None:
            message = "that is no webspace's name"
            raise Invalid(message)
        if not isinstance(keys, Mapping) or not all(key in KEYS and isinstance(text, str) for key, text in keys.items()):
            message = f"its keys must be texts of {', '.join(KEYS)}"
            raise Invalid(message)
        if KEY in keys and self.registry.document(keys[KEY]).user != uid:
            message = "its document is another webspace's"
            raise Invalid(message)
        if (keys.get(USERNAME_KEY) and username_of(keys) is None) or (BOOT_PORT_KEY in keys and boot_port_of(keys) is None):
            message = "its username or its boot port cannot be one"
            raise Invalid(message)

    async def differences(self, wanted: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
        """Give what an import would change: by instance the keys with their present and their new value.

        ``missing``: instances that LXD does not have; ``beside``: webspaces that the export does not know.
        """
        there = await self.present()
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

    async def restore(self, wanted: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
        """Write these, one's failure being its own; gives why some could not be written, by instance."""
        failed: dict[str, str] = {}

        async def write(name: str) -> None:
            try:
                await self._write(name, wanted[name])
            except WebspacedError as error:
                failed[name] = str(error)

        await self.registry.gently.side_by_side(PARALLEL, list(wanted), write)
        return failed

    async def _write(self, name: str, keys: Mapping[str, str]) -> None:
        uid = self.registry.uid_of(name)
        if uid is None:
            message = f"{name} is no webspace's name"
            raise NotFound(message)
        observed = self.registry.get(uid)
        if observed is not None and KEY in keys:
            # It is an admin's word: else one that was given back since would stay so, whatever its document says.
            await self.registry.words.say(observed, self.registry.document(keys[KEY]).desired)
        if observed is None:
            # It cannot be read as it is: nobody else changes it either.
            await self.instances.configure(name, dict(keys), "")
            await self.registry.look(uid)
        else:
            await self.documents.change_keys(uid, lambda _now: dict(keys))
