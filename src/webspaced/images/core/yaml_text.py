"""YAML that comes with an image, from whoever made it."""

from __future__ import annotations

from typing import Any

import yaml


def read_yaml(text: str, name: str) -> Any:
    """Read a document; ``ValueError`` names the file if it is none, or nested deeper than the interpreter goes."""
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        message = f"{name} is not YAML"
        raise ValueError(message) from error
