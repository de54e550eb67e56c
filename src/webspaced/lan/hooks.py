"""Programs that are run when the device is there, and when peers come or go; one after the other."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.utils import getProcessOutputAndValue
from twisted.logger import Logger

from webspaced.lan.overlay import IPAddress

LONGEST_SAID = 500
MOST_WAITING = 1000


class Hooks:
    """Variables are those of kubelan: ``IFACE``, and for changes ``SERVICE``, ``IPS`` and ``DELETED``."""

    log = Logger()

    def __init__(self, reactor: Any, up: Sequence[str], change: Sequence[str]) -> None:
        self._reactor = reactor
        self._up, self._change = up, change
        self._waiting: list[tuple[Sequence[str], Mapping[str, str]]] = []
        self._is_running = False

    def up(self, interface: str) -> None:
        """Run the program for the device, if there is one."""
        self._queue(self._up, {"IFACE": interface})

    def change(self, interface: str, source: str, addresses: Collection[IPAddress], *, gone: bool) -> None:
        """Run the program for changes, if there is one."""
        told = " ".join(map(str, sorted(addresses, key=int)))
        deleted = "true" if gone else "false"
        self._queue(self._change, {"IFACE": interface, "SERVICE": source, "IPS": told, "DELETED": deleted})

    def _queue(self, program: Sequence[str], variables: Mapping[str, str]) -> None:
        if not program or len(self._waiting) >= MOST_WAITING:
            return
        self._waiting.append((program, variables))
        if not self._is_running:
            self._is_running = True
            Deferred.fromCoroutine(self._run())

    async def _run(self) -> None:
        while self._waiting:
            program, variables = self._waiting.pop(0)
            try:
                await self._run_one(program, variables)
            except Exception as error:  # noqa: BLE001  (a program's failure is its own)
                self._failed(program, str(error))
        self._is_running = False

    async def _run_one(self, program: Sequence[str], variables: Mapping[str, str]) -> None:
        # By env, which looks the program up in PATH as a shell does.
        said, errors, code = await getProcessOutputAndValue(
            "/usr/bin/env", program, env={**os.environ, **variables}, reactor=self._reactor
        )
        if code:
            text = (errors or said).decode(errors="replace").strip()
            self._failed(program, f"status {code}: {text[-LONGEST_SAID:]}")

    def _failed(self, program: Sequence[str], error: str) -> None:
        self.log.warn("the hook {what} failed: {error}", event="lan.hook-failed", what=program[0], error=error)
