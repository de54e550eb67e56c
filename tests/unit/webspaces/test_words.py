"""An admin's word outlives the restore of a snapshot that was made before it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.fake_instances import NIC
from tests.unit.timing import watch
from tests.unit.world import RULE, World, keys_of
from webspaced.core.desired import AUTO, Desired, Wish, suspension
from webspaced.core.instance import Status
from webspaced.errors import Refused, RemoteError, Unavailable

SUSPENDED = suspension("root", "sends spam", "for a break")
OFF = Desired(wish=Wish.STOPPED)


class WordsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.w = World()
        self.w.webspace(1)
        self.w.start()
        self.w.lxd.snapshot("ws-u1")

    def want(self, desired: Desired, *, by_admin: bool = True) -> None:
        self.w.clock.result_of(self.w.power.want(1, desired, by_admin=by_admin))

    def restart(self) -> None:
        """Let another daemon take over from LXD alone."""
        before, self.w = self.w, World()
        self.w.clock.advance(before.clock.seconds())
        self.w.lxd.containers, self.w.lxd.admins_words = before.lxd.containers, before.lxd.admins_words
        self.w.start()

    def is_suspended(self) -> None:
        visitor = watch(self.w.ready(1))
        self.w.clock.run_for(10)
        self.assertIsInstance(visitor.error, Refused)
        self.assertIs(self.w.lxd.containers["ws-u1"].status, Status.STOPPED)
        self.assertEqual(self.w.seen(1).webspace.desired, SUSPENDED)

    def documented(self) -> Desired:
        """Give what another daemon would read that knows no words."""
        other = World()
        other.lxd.containers = self.w.lxd.containers
        return other.start().seen(1).webspace.desired

    def test_a_restore_undoes_no_suspension(self) -> None:
        self.want(SUSPENDED)
        self.w.lxd.restore("ws-u1")
        self.is_suspended()
        self.assertEqual(self.documented(), SUSPENDED)

    def test_nor_one_while_webspaced_is_down(self) -> None:
        self.want(SUSPENDED)
        self.w.lose_lxd()
        self.w.lxd.restore("ws-u1")
        self.restart()
        self.is_suspended()

    def test_a_restore_revives_no_suspension_that_is_over(self) -> None:
        self.want(SUSPENDED)
        self.w.lxd.snapshot("ws-u1")
        self.want(AUTO)
        self.w.lxd.restore("ws-u1")
        self.w.clock.run_for(1)
        self.assertTrue(self.w.clock.result_of(self.w.ready(1)))
        self.assertEqual(self.documented(), AUTO)

    def test_what_its_member_wants_counts_where_no_admin_wants_it_off(self) -> None:
        self.want(SUSPENDED)
        self.want(AUTO)
        self.want(OFF, by_admin=False)
        self.w.clock.run_for(5)
        self.assertEqual((self.w.seen(1).webspace.desired, self.documented()), (OFF, OFF))

    def test_a_suspension_from_before_words_were_kept_is_kept(self) -> None:
        self.w.lxd.set_keys("ws-u1", **keys_of(1, desired=SUSPENDED))
        self.w.clock.run_for(5)
        self.w.lxd.restore("ws-u1")
        self.is_suspended()

    def test_a_new_webspace_of_the_same_member_is_not_suspended(self) -> None:
        self.want(SUSPENDED)
        self.w.clock.result_of(self.w.service.delete(1, by_admin=True))
        self.w.webspace(1)
        self.w.clock.run_for(5)
        self.assertTrue(self.w.clock.result_of(self.w.ready(1)))

    def test_a_daemon_that_takes_over_knows_what_the_other_one_was_told(self) -> None:
        standby = World()
        standby.lxd.containers, standby.lxd.admins_words = self.w.lxd.containers, self.w.lxd.admins_words
        standby.registry.prepare(NIC, RULE, standby.ownership)
        standby.clock.result_of(standby.reconciler.connected())
        self.want(SUSPENDED)
        self.w.lxd.restore("ws-u1")
        standby.clock.result_of(standby.reconciler.lead())
        self.assertEqual(standby.seen(1).webspace.desired, SUSPENDED)

    def test_a_word_that_cannot_be_kept_is_not_carried_out(self) -> None:
        self.w.lxd.fail_next("keep_word", Unavailable("LXD is busy"))
        self.assertRaises(Unavailable, self.want, SUSPENDED)
        self.assertEqual(self.w.seen(1).webspace.desired, AUTO)

    def test_who_was_never_suspended_has_no_word(self) -> None:
        for desired in (AUTO, OFF):
            self.want(desired)
        self.assertEqual(self.w.lxd.admins_words, {})

    def test_where_words_cannot_be_read_the_document_counts(self) -> None:
        async def forbidden() -> object:
            raise RemoteError("not allowed", 403)

        self.want(SUSPENDED)
        self.w.lxd.words = forbidden  # type: ignore[assignment, method-assign]
        self.w.clock.result_of(self.w.reconciler.full_pass())
        self.is_suspended()
