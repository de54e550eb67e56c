"""Schemas of all kinds that a real API server knows, by its own word (``/openapi/v3``), for kubeconform."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.crds import strict
from tests.kube_server import KubeServer

KINDS = "x-kubernetes-group-version-kind"


def write_schemas(server: KubeServer, versions: Iterable[str], folder: Path) -> None:
    """Write a strict schema for each kind of these API versions (``apps/v1``), as ``<group>_<version>_<kind>.json``."""
    folder.mkdir(exist_ok=True)
    paths = server.ask("GET", "/openapi/v3")["paths"]
    for version in set(versions):
        path = f"apis/{version}" if "/" in version else f"api/{version}"
        document = server.ask("GET", paths[path]["serverRelativeURL"])
        components = {"schemas": strict(document["components"]["schemas"])}
        group, _, number = version.rpartition("/")
        for kind, name in _kinds(components["schemas"], group, number):
            schema = {"$ref": f"#/components/schemas/{name}", "components": components}
            # kubeconform takes the version for the group of the first kinds, which have none.
            (folder / f"{group or number}_{number}_{kind.lower()}.json").write_text(json.dumps(schema))


def _kinds(schemas: dict[str, Any], group: str, version: str) -> Iterator[tuple[str, str]]:
    for name, schema in schemas.items():
        for each in schema.get(KINDS, ()):
            if (each["group"], each["version"]) == (group, version):
                yield each["kind"], name
