"""Writing files of root's into instances (``POST /1.0/instances/<name>/files``).

Source: https://documentation.ubuntu.com/lxd/en/latest/rest-api/. LXD reads its own headers, Incus its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from webspaced.lxd.client import LxdClient

PREFIXES = ("X-LXD-", "X-Incus-")


class Files:
    """See :meth:`webspaced.interfaces.IInsides.push_file` and the next one there."""

    def __init__(self, client: LxdClient) -> None:
        self._client = client

    async def push_file(self, name: str, path: str, contents: bytes, mode: int) -> None:
        """Write a file of root's; ``NotFound`` if there is no such instance or directory."""
        await self._push(name, path, contents, _headers("file", mode))

    async def push_directory(self, name: str, path: str, mode: int) -> None:
        """Make a directory of root's; one that exists is left as it is."""
        await self._push(name, path, b"", _headers("directory", mode))

    async def _push(self, name: str, path: str, contents: bytes, headers: Mapping[str, str]) -> None:
        await self._client.send_bytes("POST", f"/instances/{name}/files", contents, headers, {"path": path})


def _headers(kind: str, mode: int) -> dict[str, str]:
    values = {"type": kind, "mode": f"{mode:04o}", "uid": "0", "gid": "0"}
    return {f"{prefix}{name}": value for prefix in PREFIXES for name, value in values.items()}
