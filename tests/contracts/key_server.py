"""What the store of routes takes for granted of a Redis: run on the fake in the fast tier, and on a real one.

The tests are coroutines; a subclass says how they are run, and plays the operator.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from tests.contracts.instances import contract
from webspaced.errors import Unavailable
from webspaced.traefik.redis_server import News, Notifications

ROOT = "traefik"
MARK = f"{ROOT}/http/routers/webspaced/rule"
QUIET = News()


class KeyServerContract:
    """Mixed into a trial test case that sets ``server``, a new one."""

    server: Any
    assertEqual: Any
    assertTrue: Any

    def drive(self, test: Coroutine[Any, Any, None]) -> Any:
        """Run a coroutine as a test."""
        raise NotImplementedError

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a method of the server."""
        raise NotImplementedError

    def change(self, put: dict[str, str], *remove: str) -> None:
        """Set and delete, as somebody else."""
        raise NotImplementedError

    def flush(self) -> None:
        """Delete everything, as somebody else."""
        raise NotImplementedError

    def subscribe(self) -> None:
        """Begin to listen, as Traefik does."""
        raise NotImplementedError

    def stop(self) -> None:
        """End it, and lose what it has."""
        raise NotImplementedError

    def restart(self) -> None:
        """Start it again."""
        raise NotImplementedError

    # --- helpers

    async def read(self) -> dict[str, str]:
        found: dict[str, str] = await self.call(self.server.read, lambda _key: True)
        return found

    async def next_news(self) -> News:
        """Give the next that are any; a change may be told in parts."""
        while (news := await self.call(self.server.news)) == QUIET:
            pass
        assert isinstance(news, News)
        return news

    async def keys_told(self, count: int) -> set[str]:
        told: set[str] = set()
        while len(told) < count:
            news = await self.next_news()
            self.assertEqual((news.lost, news.subscribed), (False, False))
            told |= news.keys
        return told

    async def fails(self, function: Callable[..., Any], *arguments: Any) -> None:
        try:
            await self.call(function, *arguments)
        except Unavailable:
            return
        message = "it is away, and answers"
        raise AssertionError(message)

    # --- the tests

    @contract
    async def test_what_is_written_is_read(self) -> None:
        await self.call(self.server.write, {f"{ROOT}/a": "1", f"{ROOT}/b/c": "2"}, ())
        self.assertEqual(await self.read(), {f"{ROOT}/a": "1", f"{ROOT}/b/c": "2"})
        await self.call(self.server.write, {f"{ROOT}/a": "3"}, [f"{ROOT}/b/c", f"{ROOT}/none"])
        self.assertEqual(await self.read(), {f"{ROOT}/a": "3"})
        await self.call(self.server.write, {}, [f"{ROOT}/a"])
        self.assertEqual(await self.read(), {})

    @contract
    async def test_only_ours_below_the_root_are_read(self) -> None:
        self.change({f"{ROOT}/ours": "1", f"{ROOT}/theirs": "2", f"{ROOT}-2/ours": "3", "ours": "4"})
        self.assertEqual(await self.call(self.server.read, lambda key: key.endswith("ours")), {f"{ROOT}/ours": "1"})

    @contract
    async def test_some_are_read(self) -> None:
        self.change({f"{ROOT}/a": "1", f"{ROOT}/b": "2", f"{ROOT}/empty": ""})
        found = await self.call(self.server.read_some, [f"{ROOT}/a", f"{ROOT}/none", f"{ROOT}/empty"])
        self.assertEqual(found, {f"{ROOT}/a": "1", f"{ROOT}/empty": ""})
        self.assertEqual(await self.call(self.server.read_some, []), {})

    @contract
    async def test_the_first_news_say_that_all_may_be_lost(self) -> None:
        self.change({MARK: "1"})
        self.assertTrue((await self.next_news()).lost)
        self.assertEqual(await self.call(self.server.news), QUIET)

    @contract
    async def test_changes_are_told(self) -> None:
        self.change({MARK: "1", f"{ROOT}/a": "1"})
        await self.next_news()
        self.change({f"{ROOT}/b": "1", f"{ROOT}-2/c": "1"}, f"{ROOT}/a")
        self.assertEqual(await self.keys_told(2), {f"{ROOT}/a", f"{ROOT}/b"})
        # Own ones, too.
        await self.call(self.server.write, {f"{ROOT}/d": "1"}, ())
        self.assertEqual(await self.keys_told(1), {f"{ROOT}/d"})

    @contract
    async def test_a_reminder_is_told_as_a_change(self) -> None:
        self.change({MARK: "1"})
        await self.next_news()
        await self.call(self.server.remind, "2")
        self.assertEqual(await self.keys_told(1), {MARK})
        self.assertEqual(await self.read(), {MARK: "2"})

    @contract
    async def test_a_reminder_does_not_hide_that_the_mark_is_missing(self) -> None:
        self.change({MARK: "1"})
        await self.next_news()
        self.change({}, MARK)
        await self.call(self.server.remind, "2")
        self.assertEqual(await self.read(), {})
        self.assertTrue((await self.next_news()).lost)

    @contract
    async def test_a_flush_is_told(self) -> None:
        self.change({MARK: "1"})
        await self.next_news()
        self.flush()
        self.assertTrue((await self.next_news()).lost)

    @contract
    async def test_a_mark_that_is_missing_is_told(self) -> None:
        self.assertTrue((await self.next_news()).lost)
        self.assertTrue((await self.next_news()).lost)
        self.change({MARK: "1"})
        while (await self.call(self.server.news)).lost:
            pass
        self.change({}, MARK)
        while not (await self.call(self.server.news)).lost:
            pass

    @contract
    async def test_who_listens_is_told_once(self) -> None:
        self.change({MARK: "1"})
        self.subscribe()
        self.assertTrue((await self.next_news()).subscribed)
        self.subscribe()
        self.assertEqual(await self.next_news(), News(subscribed=True))
        self.assertEqual(await self.call(self.server.news), QUIET)
        self.assertTrue(self.server.sees_subscribers)

    @contract
    async def test_while_it_is_away_everything_fails(self) -> None:
        self.change({MARK: "1"})
        await self.next_news()
        self.stop()
        await self.fails(self.server.news)
        await self.fails(self.server.news)
        await self.fails(self.server.read, lambda _key: True)
        await self.fails(self.server.read_some, ["a"])
        await self.fails(self.server.write, {"a": "1"}, ())
        await self.fails(self.server.ensure_notifications)
        self.restart()
        self.assertEqual(await self.read(), {})
        self.assertTrue((await self.next_news()).lost)

    @contract
    async def test_notifications_are_switched_on_once_for_each_start(self) -> None:
        for _ in range(2):
            self.assertEqual(await self.call(self.server.ensure_notifications), Notifications.SET)
            self.assertEqual(await self.call(self.server.ensure_notifications), Notifications.ON)
            self.stop()
            self.restart()
