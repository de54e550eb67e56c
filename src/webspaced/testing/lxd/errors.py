"""What the API refuses: at once, or within an operation."""

from __future__ import annotations


class ApiError(Exception):
    """An error document; ``code`` is its ``error_code`` and the HTTP status."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Failed(Exception):
    """An operation failed. LXD gives every failure the code 400, Incus tells by ``code``."""

    def __init__(self, text: str, code: int = 500) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


def no_instance(flavour: str, name: str, project: str) -> ApiError:
    """Give the error for an instance that is not there."""
    if flavour == "lxd":
        return ApiError(404, "Instance not found")
    return ApiError(404, f'Failed to fetch instance "{name}" in project "{project}": Instance not found')
