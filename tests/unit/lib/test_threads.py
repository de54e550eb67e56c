"""Calls in threads of one's own."""

from __future__ import annotations

import threading

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from webspaced.lib.threads import Threads


class ThreadsTests(TestCase):
    def setUp(self) -> None:
        self.threads = Threads(reactor, 2, "test")

    async def test_results_and_errors_come_back(self) -> None:
        self.addCleanup(self.threads.stop)
        self.assertEqual(await self.threads.run(divmod, 7, 2), (3, 1))
        await self.assertFailure(self.threads.run(divmod, 7, 0), ZeroDivisionError)
        self.assertIsNot(await self.threads.run(threading.current_thread), threading.current_thread())

    async def test_so_many_at_once_and_the_next_when_one_is_free(self) -> None:
        self.addCleanup(self.threads.stop)
        both, third = threading.Barrier(3), threading.Event()
        waiting = [self.threads.run(both.wait), self.threads.run(both.wait)]
        last = self.threads.run(third.set)
        self.assertFalse(third.is_set())
        both.wait()
        for each in (*waiting, last):
            await each
        self.assertTrue(third.is_set())

    async def test_one_that_hangs_keeps_nobody(self) -> None:
        go_on = threading.Event()
        hanging = self.threads.run(go_on.wait)
        (thread,) = self.threads._pool.threads
        self.assertTrue(thread.daemon)
        self.threads.stop()
        go_on.set()
        self.assertTrue(await hanging)
        thread.join()

    def test_stopping_what_never_began(self) -> None:
        self.threads.stop()
        self.assertEqual(self.threads._pool.threads, [])
