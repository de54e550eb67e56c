"""What every :class:`webspaced.interfaces.ILease` does: run on the simulated stores and again on the real ones."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from tests.contracts.instances import contract
from webspaced.errors import Changed
from webspaced.interfaces import ILease


class LeaseContract:
    """Mixed into a trial test case that sets ``first`` and ``second``, two views of one lease that nobody wrote yet."""

    first: ILease
    second: ILease
    assertEqual: Any
    assertNotEqual: Any

    def drive(self, test: Coroutine[Any, Any, None]) -> Any:
        """Run a coroutine as a test."""
        raise NotImplementedError

    async def refused(self, lease: ILease, holder: str, over: Any) -> None:
        try:
            await lease.write(holder, over)
        except Changed:
            return
        raise AssertionError("it was written over what somebody else wrote")

    @contract
    async def test_it_begins_with_nobody(self) -> None:
        self.assertEqual(await self.first.read(), None)

    @contract
    async def test_what_one_writes_the_other_reads(self) -> None:
        written = await self.first.write("a", None)
        read = await self.second.read()
        self.assertEqual((written.holder, read), ("a", written))

    @contract
    async def test_each_renewal_differs(self) -> None:
        claim = await self.first.write("a", None)
        for _ in range(3):
            before, claim = claim, await self.first.write("a", claim)
            self.assertNotEqual(claim, before)
            self.assertEqual(await self.second.read(), claim)

    @contract
    async def test_nobody_writes_over_what_he_has_not_seen(self) -> None:
        claim = await self.first.write("a", None)
        seen = await self.second.read()
        await self.first.write("a", claim)
        await self.refused(self.second, "b", seen)
        await self.refused(self.first, "a", claim)
        self.assertEqual((await self.second.read()).holder, "a")

    @contract
    async def test_what_is_given_up_is_taken(self) -> None:
        claim = await self.first.write("a", None)
        free = await self.first.write("", claim)
        self.assertEqual((free.holder, (await self.second.read()).holder), ("", ""))
        taken = await self.second.write("b", await self.second.read())
        self.assertEqual(await self.first.read(), taken)
        await self.refused(self.first, "a", free)

    @contract
    async def test_one_is_taken_over(self) -> None:
        await self.first.write("a", None)
        await self.second.write("b", await self.second.read())
        self.assertEqual((await self.first.read()).holder, "b")
