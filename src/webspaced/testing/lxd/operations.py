"""LXD's operations: begun, waited for, ended, and forgotten five seconds later."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import Factory, define
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from webspaced.testing.lxd.errors import Failed

RUNNING, PENDING, CANCELLED, SUCCESS, FAILURE = 103, 105, 401, 200, 400
NAMES = {RUNNING: "Running", PENDING: "Pending", CANCELLED: "Cancelled", SUCCESS: "Success", FAILURE: "Failure"}


@define(eq=False, kw_only=True)
class Operation:
    """One operation. ``code`` is what Incus makes of its failure."""

    id: str
    kind: str
    description: str
    created_at: str
    project: str
    resources: Mapping[str, Sequence[str]]
    location: str = "none"
    updated_at: str = ""
    status: int = RUNNING
    metadata: Any = None
    may_cancel: bool = False
    error: str = ""
    code: int = 0
    on_cancel: Callable[[], None] | None = None
    sockets: Any = None
    doom: str = ""
    """Why it is going to fail where it would have ended well (an injected fault)."""
    waits_on: bool = False
    """Whether it goes on after its first part, and is ended by that."""
    waiters: list[Deferred[None]] = Factory(list)

    @property
    def path(self) -> str:
        """Where it is asked for."""
        return f"/1.0/operations/{self.id}"

    @property
    def over(self) -> bool:
        """Whether it ended."""
        return self.status != RUNNING

    def document(self) -> dict[str, Any]:
        """Give it as the API shows it."""
        return {
            "id": self.id,
            "class": self.kind,
            "description": self.description,
            "created_at": self.created_at,
            "updated_at": self.updated_at or self.created_at,
            "status": NAMES[self.status],
            "status_code": self.status,
            "resources": self.resources,
            "metadata": self.metadata,
            "may_cancel": self.may_cancel,
            "err": self.error,
            "location": self.location,
        }


class Operations:
    """All operations of a server. ``tell`` is called with each one that begins or changes."""

    def __init__(self, clock: IReactorTime, kept: float, now: Callable[[], str], tell: Callable[[Operation], None]) -> None:
        self._clock = clock
        self._kept = kept
        self._now = now
        self._tell = tell
        self._count = 0
        self._all: dict[str, Operation] = {}
        self._forgetting: dict[str, IDelayedCall] = {}

    def begin(self, description: str, project: str, resources: Mapping[str, Sequence[str]], **more: Any) -> Operation:
        """Begin an operation."""
        self._count += 1
        identity = f"{self._count:08x}-0000-4000-8000-{self._count:012x}"
        operation = Operation(
            id=identity,
            description=description,
            created_at=self._now(),
            project=project,
            resources=resources,
            **{"kind": "task", **more},
        )
        self._all[identity] = operation
        for operation.status in (PENDING, RUNNING):
            self._tell(operation)
        return operation

    def get(self, identity: str) -> Operation | None:
        """Give an operation, if it is still known."""
        return self._all.get(identity)

    def all(self, project: str | None = None) -> list[Operation]:
        """Give all that are known of a project, or of all."""
        return [each for each in self._all.values() if project is None or each.project == project]

    def succeed(self, operation: Operation, metadata: Any = None) -> None:
        """End one well."""
        if metadata is not None:
            operation.metadata = metadata
        self._end(operation, SUCCESS)

    def fail(self, operation: Operation, failed: Failed) -> None:
        """End one with an error."""
        operation.error, operation.code = failed.text, failed.code
        self._end(operation, FAILURE)

    def cancel(self, operation: Operation) -> None:
        """End one because somebody asked for it."""
        operation.error = "Operation cancelled"
        operation.code = CANCELLED
        self._end(operation, CANCELLED)

    def _end(self, operation: Operation, status: int) -> None:
        if operation.over or operation.id not in self._all:
            # LXD died meanwhile, or somebody was faster.
            return
        operation.status = status
        operation.updated_at = self._now()
        self._forgetting[operation.id] = self._clock.callLater(self._kept, self._forget, operation)
        self._tell(operation)
        waiters, operation.waiters = operation.waiters, []
        for waiter in waiters:
            waiter.callback(None)

    def _forget(self, operation: Operation) -> None:
        del self._all[operation.id], self._forgetting[operation.id]

    async def ended(self, operation: Operation, timeout: float) -> bool:
        """Wait until one ended, for so many seconds (negative: for ever); whether it did."""
        if operation.over:
            return True
        if timeout == 0:
            return False
        waiter: Deferred[None] = Deferred(operation.waiters.remove)
        operation.waiters.append(waiter)
        if timeout > 0:
            waiter.addTimeout(timeout, self._clock, lambda *_: None)
        await waiter
        return operation.over

    def drop(self) -> None:
        """Forget all: LXD died."""
        for call in self._forgetting.values():
            call.cancel()
        self._forgetting.clear()
        self._all.clear()
