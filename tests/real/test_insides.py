"""Commands and consoles on the real servers."""

from __future__ import annotations

from unittest import mock

from tests.contracts.insides import SIZE, InsidesContract, Screen
from tests.real.test_lxd_api import ApiCase, IncusCase
from webspaced.core.command import Command
from webspaced.lxd import insides

MARK = "0" * 32


class LxdInsidesTests(ApiCase, InsidesContract):
    async def test_what_is_not_ended_with_its_terminal_is_killed_but_not_what_was_to_outlive_it(self) -> None:
        await self.create_and_start()
        script = 'trap "" HUP; sleep 611 >/dev/null 2>&1 & exec sleep 612'
        with mock.patch.object(insides.secrets, "token_hex", return_value=MARK):
            terminal = await self.insides.attach(self.name, Command(argv=("sh", "-c", script)), SIZE, Screen())
        await self.until("both run", lambda: self.sleeping(b"611", b"612"))
        # As a terminal does when LXD does not.
        await self.insides._kill(self.name, MARK, insides.HANGING_UP)
        self.assertNotEqual(await terminal.ended, 0)
        await self.until("one is left", lambda: self.sleeping(b"611"))

    async def is_gone(self, argument: str) -> bool:
        # LXD 5.0 may list a command as running that is dead.
        listed = await self.run_in("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
        return argument.encode() not in listed.stdout.split()

    async def sleeps(self, argument: str) -> bool:
        # Neither LXD's own program on its way to it nor what LXD believes.
        look = 'for each in /proc/[0-9]*/cmdline; do [ "$(tr "\\0" " " <$each)" = "sleep $0 " ] && exit 0; done; exit 1'
        return (await self.run_in("sh", "-c", look, argument)).code == 0

    async def sleeping(self, *seconds: bytes) -> bool:
        """Whether exactly these sleep."""
        listed = await self.run_in("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
        words = listed.stdout.split()
        return {each for each in (b"611", b"612") if each in words} == set(seconds)


class IncusInsidesTests(IncusCase, LxdInsidesTests):
    pass
