"""What tests of waking share."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import Watched, watch
from tests.unit.world import World


class BooterCase(SynchronousTestCase):
    def world(self, *uids: int, **more: int) -> World:
        self.w = World(**more)
        for uid in uids or (1,):
            self.w.webspace(uid)
        self.w.start()
        self.w.lxd.calls.clear()
        return self.w

    def boot(self, uid: int = 1, *, by_api: bool = False) -> Watched:
        return watch(self.w.booter.boot(uid, by_api=by_api))

    def booted(self, uid: int = 1, *, by_api: bool = False) -> str:
        return str(self.w.clock.result_of(self.w.booter.boot(uid, by_api=by_api)).address)

    def refusal(self, kind: type[Exception], uid: int = 1, *, by_api: bool = False) -> Exception:
        return self.assertRaises(kind, self.w.clock.result_of, self.w.booter.boot(uid, by_api=by_api))

    def starts(self) -> int:
        return len(self.w.calls("start"))
