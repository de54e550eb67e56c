"""The API's document as its tests use it: which calls it names, and whether an answer is as it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import yaml
from openapi_schema_validator import OAS30Validator

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
EVERYWHERE = (405, 408, 413)
"""What the document's introduction says of every call."""


@cache
def document() -> Any:
    """Give the document as it is shipped, with every reference replaced by what it names."""
    text = (files("webspaced") / "static" / "api.yaml").read_text(encoding="utf-8")
    raw = yaml.safe_load(text)
    return _resolved(raw, raw)


def _resolved(node: Any, root: Any) -> Any:
    if isinstance(node, list):
        return [_resolved(each, root) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        found = root
        for name in node["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        return _resolved(found, root)
    return {name: _resolved(each, root) for name, each in node.items()}


def operations() -> Iterator[tuple[str, str, Any]]:
    """Give the method, path and description of every call."""
    for path, item in document()["paths"].items():
        for method in METHODS:
            if method in item:
                yield method.upper(), path, item[method]


def _matches(template: str, path: str) -> bool:
    return bool(re.fullmatch(re.sub(r"\\{.*?\\}", "[^/]+", re.escape(template)), path))


@lru_cache(4096)
def operation(method: str, path: str) -> Any | None:
    """Give the call that a request is, if the document has it; a HEAD is a GET."""
    wanted = "GET" if method == "HEAD" else method
    found = [(template, each) for made, template, each in operations() if made == wanted and _matches(template, path)]
    # The one with the fewest parameters is meant.
    return min(found, key=lambda pair: pair[0].count("{"))[1] if found else None


def closed(schema: Any) -> Any:
    """Give a schema of which every object has no members but those it names: what is shown is to be said."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    more = {} if not isinstance(schema.get("properties"), dict) else {"additionalProperties": False}
    return {**more, **{name: closed(each) for name, each in schema.items()}}


def faults(value: Any, schema: Any) -> list[str]:
    """Give what is wrong with a value."""
    return [f"{'/'.join(map(str, each.path))}: {each.message}" for each in OAS30Validator(schema).iter_errors(value)]


@lru_cache(4096)
def _closed_of(method: str, path: str, status: int, kind: str) -> Any:
    call: Any = operation(method, path)
    return closed(call["responses"][str(status)]["content"][kind]["schema"])


def check_answer(method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Fail unless an answer is as the document says; of what is no call of the document it says nothing."""
    call = operation(method, path.partition("?")[0])
    if call is None or status in EVERYWHERE:
        return
    about = (method, path, status, body[:300])
    described = call["responses"].get(str(status))
    assert described is not None, f"the document does not name this status: {about}"
    content = described.get("content")
    kind = headers.get("content-type", "").partition(";")[0]
    if content is None:
        assert not body, f"the document names no body: {about}"
        return
    assert kind in content, f"the document does not name {kind}: {about}"
    if method != "HEAD" and kind.endswith("json"):
        wrong = faults(json.loads(body), _closed_of(method, path.partition("?")[0], status, kind))
        assert not wrong, f"{wrong}: {about}"
