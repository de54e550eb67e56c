"""The words of admins, kept in a profile of their own, which no instance uses: changing it costs LXD next to nothing."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.logger import Logger
from zope.interface import implementer

from webspaced.errors import NotFound, RemoteError
from webspaced.interfaces import IWords
from webspaced.lxd.client import LxdClient

KEY = "user._webspaced_word."
DESCRIPTION = "Which webspaces admins of webspaced have suspended, or given back. No instance needs it."
FORBIDDEN = 403


@implementer(IWords)
class ProfileWords:
    """See :class:`webspaced.interfaces.IWords`. Needs the right to make a profile; without it nothing is kept."""

    log = Logger()

    def __init__(self, client: LxdClient, project: str, prefix: str) -> None:
        """Daemons with another project, or another prefix of their instances' names, serve other webspaces."""
        self._client = client
        # Projects may share their profiles.
        self._name = f"webspaced-words-{project}-{prefix}".rstrip("-")

    async def words(self) -> Mapping[int, str]:
        try:
            document = (await self._client.get(f"/profiles/{self._name}")).metadata
        except NotFound:
            return {}
        ours = {key.removeprefix(KEY): text for key, text in (document.get("config") or {}).items() if key.startswith(KEY)}
        return {int(uid): text for uid, text in ours.items() if uid.isascii() and uid.isdigit()}

    async def keep_word(self, uid: int, text: str) -> None:
        try:
            await self._write({"config": {f"{KEY}{uid}": text}})
        except RemoteError as error:
            if error.code != FORBIDDEN:
                raise
            self.log.warn("LXD does not let us write the profile {name}: restoring an older snapshot undoes what admins"
                          " say of webspaces", event="lxd.no-words", name=self._name)  # fmt: skip

    async def _write(self, change: Mapping[str, Mapping[str, str]]) -> None:
        # Of all else in it nothing is changed, so no ETag is needed.
        try:
            await self._client.send("PATCH", f"/profiles/{self._name}", change)
        except NotFound:
            await self._client.send("POST", "/profiles", {"name": self._name, "description": DESCRIPTION, **change})
