"""The schemas of Traefik's and cert-manager's custom resources, which are not ours to keep here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest import SkipTest

import yaml

VARIABLE = "WEBSPACED_TEST_CRDS"
"""The folder that they are in; ``make test`` fetches them (``harness/crds.py``)."""


def custom_resource_definitions() -> list[dict[str, Any]]:
    """Give all of them; skips the test where there are none."""
    folder = os.environ.get(VARIABLE)
    files = sorted(Path(folder).glob("*.yaml")) if folder else []
    if not files:
        message = f"no custom resource definitions of Traefik and cert-manager ({VARIABLE}): run this by `make test`"
        raise SkipTest(message)
    documents = [document for file in files for document in yaml.safe_load_all(file.read_text())]
    return [document for document in documents if document and document["kind"] == "CustomResourceDefinition"]


def strict_schema(api_version: str, kind: str) -> dict[str, Any]:
    """Give the schema of a kind in which a field that it does not know is an error: a server drops it without a word."""
    group, _, version = api_version.partition("/")
    for definition in custom_resource_definitions():
        spec = definition["spec"]
        if (spec["group"], spec["names"]["kind"]) == (group, kind):
            (found,) = (each for each in spec["versions"] if each["name"] == version)
            schema: dict[str, Any] = strict(found["schema"]["openAPIV3Schema"])
            # What every object has is not in these schemas.
            schema["properties"]["metadata"] = {"type": "object"}
            return schema
    message = f"no definition of {kind} in {api_version}"
    raise AssertionError(message)


def strict(schema: Any) -> Any:
    """Give a schema in which no mapping may have fields that it does not name."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: strict(value) for name, value in schema.items()}
    keeps_all = schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object" and not keeps_all:
        closed["additionalProperties"] = False
    return closed
