"""The objects of a cluster, the version of each, and what happened to them."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from uuid import uuid4

from attrs import define, field, frozen

from webspaced.kube.resources import Resource
from webspaced.testing.kube.errors import ApiError, conflict, expired, invalid, not_found
from webspaced.testing.kube.fields import Owners, applied, changed_by, merged
from webspaced.testing.kube.kinds import CUSTOM, UNCONDITIONAL, Allocator, admitted

Key: TypeAlias = tuple[Resource, str, str]
"""Kind, namespace, name."""
REMEMBERED = 100_000
CREATED_AT = "2026-01-01T00:00:00Z"


@frozen
class Happening:
    """What a write did to an object: ``before`` is ``None`` for a new one, ``after`` for one that is gone."""

    version: int
    key: Key
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@define(eq=False)
class _Kept:
    document: dict[str, Any]
    owners: Owners = field(factory=dict)


def metadata_of(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give an object's metadata; 400 if it has none."""
    metadata = document.get("metadata")
    if not isinstance(metadata, Mapping):
        raise ApiError(400, "BadRequest", "metadata is missing")
    return metadata


class Objects:
    """All of them; ``told`` hears of every change."""

    def __init__(self, namespaces: tuple[str, ...], told: Callable[[Happening], None]) -> None:
        self.version = 1
        self.history: deque[Happening] = deque(maxlen=REMEMBERED)
        self._namespaces = namespaces
        self._told = told
        self._kept: dict[Key, _Kept] = {}
        self._oldest = 0
        self._allocator = Allocator()

    def get(self, key: Key) -> Mapping[str, Any]:
        """Give an object."""
        if key not in self._kept:
            raise not_found(f'{key[0]} "{key[2]}" not found')
        return self._kept[key].document

    def find(self, resource: Resource, namespace: str | None) -> list[Mapping[str, Any]]:
        """Give all objects of a kind, in one namespace or all, ordered as etcd has them."""
        found = [key for key in self._kept if key[0] == resource and namespace in (None, key[1])]
        return [self._kept[key].document for key in sorted(found, key=lambda key: key[1:])]

    def create(self, resource: Resource, namespace: str, document: dict[str, Any], manager: str) -> Mapping[str, Any]:
        """Keep a new object."""
        metadata = metadata_of(document)
        if namespace not in self._namespaces:
            raise not_found(f'namespaces "{namespace}" not found')
        if not metadata.get("name"):
            raise invalid("metadata.name: Required value: name or generateName is required")
        key = (resource, namespace, metadata["name"])
        if metadata.get("resourceVersion"):
            raise ApiError(500, "InternalError", "resourceVersion should not be set on objects to be created")
        if key in self._kept:
            raise ApiError(409, "AlreadyExists", f'{resource} "{key[2]}" already exists')
        kept = _Kept({})
        document = self._identified(document, key, None)
        changed_by(kept.owners, f"update {manager}", {}, document)
        return self._write(key, kept, document)

    def replace(self, key: Key, document: dict[str, Any], manager: str) -> Mapping[str, Any]:
        """Put a document in the place of an object."""
        if key not in self._kept:
            raise not_found(f'{key[0]} "{key[2]}" not found')
        metadata = metadata_of(document)
        if metadata.get("name") != key[2]:
            raise ApiError(400, "BadRequest", "the name of the object does not match the name on the URL")
        if not metadata.get("resourceVersion") and key[0] not in UNCONDITIONAL:
            raise invalid("metadata.resourceVersion: Invalid value: 0: must be specified for an update")
        return self._update(key, document, manager)

    def merge_patch(self, key: Key, patch: dict[str, Any], manager: str) -> Mapping[str, Any]:
        """Change single fields."""
        return self._update(key, merged(self.get(key), patch), manager)

    def apply(self, key: Key, patch: dict[str, Any], manager: str, *, force: bool) -> Mapping[str, Any]:
        """Make an object have these fields, or make it."""
        if "apiVersion" not in patch or "kind" not in patch:
            raise ApiError(400, "BadRequest", "apiVersion and kind are needed")
        kept = self._kept.get(key)
        if kept is None:
            if key[1] not in self._namespaces:
                raise not_found(f'namespaces "{key[1]}" not found')
            kept = _Kept({})
        else:
            self._check_version(kept, patch)
        owners = copy.deepcopy(kept.owners)
        after = applied(kept.document, owners, f"apply {manager}", patch, force=force)
        written = self._write(key, _Kept(kept.document, owners), self._identified(after, key, kept))
        self._kept[key].owners = owners
        return written

    def delete(self, key: Key, preconditions: Mapping[str, Any]) -> Mapping[str, Any]:
        """Forget an object, if it is the one that is meant."""
        document = self.get(key)
        for name in ("resourceVersion", "uid"):
            if preconditions.get(name) not in (None, document["metadata"][name]):
                raise conflict(f"Precondition failed: {name}")
        del self._kept[key]
        self.version += 1
        gone = {**document, "metadata": {**document["metadata"], "resourceVersion": str(self.version)}}
        self._remember(Happening(self.version, key, gone, None))
        return document

    def since(self, version: int) -> list[Happening]:
        """Give what happened after a version; 410 if that is forgotten."""
        if version < self._oldest:
            raise expired(f"too old resource version: {version} ({self._oldest})")
        return [each for each in self.history if each.version > version]

    def forget_history(self) -> None:
        """As etcd's compaction: who watches from before now has to list again."""
        self._oldest = self.version
        self.history.clear()

    def _update(self, key: Key, document: dict[str, Any], manager: str) -> Mapping[str, Any]:
        kept = self._kept[key]
        self._check_version(kept, document)
        document = self._identified(document, key, kept)
        written = self._write(key, kept, document)
        return written if written is kept.document else self._owned(key, kept, manager)

    def _owned(self, key: Key, before: _Kept, manager: str) -> Mapping[str, Any]:
        after = self._kept[key]
        changed_by(after.owners, f"update {manager}", before.document, after.document)
        return after.document

    @staticmethod
    def _check_version(kept: _Kept, document: Mapping[str, Any]) -> None:
        said = metadata_of(document).get("resourceVersion")
        if said and said != kept.document["metadata"]["resourceVersion"]:
            raise conflict("the object has been modified; please apply your changes to the latest version and try again")

    @staticmethod
    def _identified(document: dict[str, Any], key: Key, kept: _Kept | None) -> dict[str, Any]:
        """Give a document with what the server says of every object."""
        resource, namespace, name = key
        known = kept.document.get("metadata", {}) if kept else {}
        metadata = {
            **{name: value for name, value in document["metadata"].items() if name != "managedFields"},
            "name": name,
            "namespace": namespace,
            "uid": known.get("uid") or str(uuid4()),
            "creationTimestamp": known.get("creationTimestamp") or CREATED_AT,
            "resourceVersion": known.get("resourceVersion", ""),
        }
        if resource.group in CUSTOM:
            metadata["generation"] = known.get("generation", 1)
        return {**document, "apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}

    def _write(self, key: Key, kept: _Kept, document: dict[str, Any]) -> Mapping[str, Any]:
        """Keep a document if it is another one."""
        before = kept.document or None
        after = admitted(key[0], document, before, self._allocator)
        if before is not None and after == before:
            return before
        self.version += 1
        after["metadata"]["resourceVersion"] = str(self.version)
        if before is not None and "generation" in after["metadata"] and after.get("spec") != before.get("spec"):
            after["metadata"]["generation"] += 1
        self._kept[key] = _Kept(after, copy.deepcopy(kept.owners))
        self._remember(Happening(self.version, key, before, after))
        return after

    def _remember(self, happening: Happening) -> None:
        if len(self.history) == self.history.maxlen:
            self._oldest = self.history[0].version
        self.history.append(happening)
        self._told(happening)
