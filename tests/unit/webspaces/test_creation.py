"""Creation with a password and an SSH server: all of it or nothing, and nobody gets in before it is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import Watched, watch
from tests.unit.world import EXTERNAL, SSH_KEY, World
from webspaced.core.creation import LONGEST, Step, marker
from webspaced.core.forward import Forward
from webspaced.core.instance import Status
from webspaced.core.user import User
from webspaced.core.webspace import BOOT_PORT_KEY, CREATING_KEY
from webspaced.errors import BootFailed, Conflict, Invalid, NotFound, Refused, RemoteError, SetUpFailed, Unavailable
from webspaced.testing.lxd.timings import Behaviour
from webspaced.webspaces.conditions import Kind

ALICE = User(id=1, username="alice", ssh_key=SSH_KEY)
SECRET = "geheim:$(reboot) 'x\""


class CreationCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.w = World().start()

    def begin(self, *, password: str | None = SECRET, ssh: bool = True) -> Watched:
        return watch(self.w.service.create(ALICE, "fast", password, ssh=ssh))

    def end(self, creating: Watched) -> Any:
        self.w.clock.run_until(lambda: creating.done)
        return creating.value

    def create(self, **wanted: Any) -> Any:
        return self.end(self.begin(**wanted))

    def at(self, step: Step) -> None:
        """Let time go by until a creation is at a step."""
        creation = self.w.creator.creations.get(1)
        self.assertTrue(self.w.clock.run_until(lambda: creation.progress.step is step), step)

    def fails(self, kind: type[Exception], creating: Watched) -> str:
        self.w.clock.run_until(lambda: creating.done)
        self.assertIsInstance(creating.error, kind)
        return str(creating.error)

    def restart(self) -> None:
        """Let webspaced die, and another one take over from LXD alone."""
        before = self.w
        self.w = World()
        self.w.clock.advance(before.clock.seconds())
        self.w.lxd.containers = before.lxd.containers
        self.w.start()

    def nothing_is_left(self) -> None:
        self.w.clock.run_for(5)
        self.assertEqual(self.w.lxd.containers, {})
        self.assertEqual((self.w.store.routes, self.w.listeners.boot_ports, self.w.listeners.reserved), ({}, {}, set()))
        self.assertEqual(self.w.listeners.forwards.get(1, {}), {})


class DoneTests(CreationCase):
    def test_password_key_server_and_forward(self) -> None:
        webspace = self.create()
        self.assertEqual(dict(webspace.ports), {EXTERNAL[0]: 22})
        container, inside = self.w.lxd.containers["ws-u1"], self.w.insides.of("ws-u1")
        self.assertIs(container.status, Status.STOPPED)
        self.assertEqual(inside.passwords, {"root": SECRET})
        self.assertEqual((inside.files["/root/.ssh"].type, inside.files["/root/.ssh"].mode), ("directory", "0700"))
        keys = inside.files["/root/.ssh/authorized_keys"]
        self.assertEqual((keys.contents, keys.mode, keys.uid), (f"{SSH_KEY}\n".encode(), "0600", "0"))
        self.assertEqual((inside.installed, inside.enabled), ({"sshd", "ssh-keygen"}, {"ssh"}))
        self.assertNotIn(CREATING_KEY, container.config)
        self.w.clock.run_for(1)
        self.assertEqual(self.w.listeners.forwards[1], {EXTERNAL[0]: 22})
        self.assertEqual(self.w.store.backend("ws-u1"), "127.0.0.1:20000")
        self.assertEqual(self.w.clock.result_of(self.w.service.read(1)), webspace)

    def test_nothing_of_the_members_is_in_an_argument_vector_or_environment(self) -> None:
        self.create()
        for command in self.w.insides.commands:
            for text in (*command.argv, *command.environment.values()):
                self.assertFalse(SECRET in text or SSH_KEY.split()[1] in text, command.argv)
        self.assertEqual([c.stdin for c in self.w.insides.commands if c.stdin], [f"root:{SECRET}\n".encode()])

    def test_a_password_alone_needs_no_packages_and_no_forward(self) -> None:
        self.assertEqual(dict(self.create(ssh=False).ports), {})
        self.assertEqual([command.argv for command in self.w.insides.commands], [("chpasswd",)])

    def test_a_key_alone_leaves_the_password(self) -> None:
        self.create(password=None)
        self.assertEqual(self.w.insides.of("ws-u1").passwords, {})

    def test_neither_of_them_starts_nothing(self) -> None:
        self.create(password=None, ssh=False)
        self.assertEqual((self.w.insides.commands, self.w.calls("start")), ([], []))
        self.assertNotIn(CREATING_KEY, self.w.lxd.containers["ws-u1"].config)

    def test_the_server_punishes_nobody_by_the_address_that_all_visitors_have(self) -> None:
        self.create()
        setting = self.w.insides.of("ws-u1").files["/etc/ssh/sshd_config.d/10-webspaced.conf"]
        self.assertIn(b"\nPerSourcePenalties no\n", setting.contents)
        self.assertEqual(setting.mode, "0644")

    def test_one_that_knows_no_penalties_is_left_as_it_is(self) -> None:
        creating = self.begin()
        self.at(Step.PACKAGES)
        inside = self.w.insides.of("ws-u1")
        inside.behaviour = evolve(inside.behaviour, failing=frozenset({"old-sshd"}))
        self.end(creating)
        self.assertNotIn("/etc/ssh/sshd_config.d/10-webspaced.conf", inside.files)

    def test_modes_that_the_image_had_are_put_right(self) -> None:
        creating = self.begin()
        self.at(Step.PACKAGES)
        files = self.w.insides.of("ws-u1").files
        files["/root/.ssh"] = type(files["/root"])("directory", mode="0777")
        files["/root/.ssh/authorized_keys"] = type(files["/root"])(contents=b"other", mode="0666")
        self.end(creating)
        self.assertEqual((files["/root/.ssh"].mode, files["/root/.ssh/authorized_keys"].mode), ("0700", "0600"))


class OpenedAtItsEndTests(CreationCase):
    def test_nobody_gets_in_before(self) -> None:
        creating = self.begin()
        for step in (Step.BOOT, Step.PASSWORD, Step.PACKAGES, Step.SSH, Step.STOP):
            self.at(step)
            for visit in (self.w.ready(1), self.w.ready(1, 22, http=False), self.w.booter.boot(1, by_api=True)):
                self.assertIsInstance(watch(visit).error, Refused, step)
            self.assertEqual((self.w.store.routes, self.w.listeners.boot_ports), ({}, {}), step)
            self.assertEqual(self.w.listeners.forwards.get(1, {}), {}, step)
        self.assertEqual(self.w.probe.tried, [])
        self.end(creating)
        self.assertEqual(str(self.w.clock.result_of(self.w.ready(1)).host), "10.7.0.10")

    def test_the_owners_other_calls_find_no_webspace_yet(self) -> None:
        creating = self.begin()
        self.at(Step.PACKAGES)
        service = self.w.service
        calls: tuple[Callable[[], Any], ...] = (
            lambda: service.read(1),
            lambda: service.state(1),
            lambda: service.set_config(1, {"httpPort": 8080}),
            lambda: service.add_port(1, EXTERNAL[5], Forward(22)),
            lambda: service.add_random_port(1, Forward(22)),
            lambda: service.power.boot(1),
            lambda: service.power.reboot(1),
            lambda: service.power.shut_down(1),
            lambda: self.w.domains.names(1),
        )
        for call in calls:
            self.assertIsInstance(self.error_of(call()), NotFound)
        for call in (lambda: service.delete(1), lambda: service.create(ALICE, "fast")):
            self.assertIsInstance(self.error_of(call()), Conflict)
        self.end(creating)
        self.assertEqual(len(self.w.seen(1).webspace.ports), 1)

    def error_of(self, work: Any) -> BaseException:
        doing = watch(work)
        self.w.clock.run_for(0.1)
        return doing.error

    def test_a_pass_or_an_iam_meanwhile_changes_nothing_of_it(self) -> None:
        creating = self.begin()
        self.at(Step.PACKAGES)
        config = dict(self.w.lxd.containers["ws-u1"].config)
        self.w.identity.members[1] = "alicia"
        watch(self.w.reconciler.full_pass())
        self.w.clock.run_for(1)
        self.assertEqual(self.w.lxd.containers["ws-u1"].config, config)
        self.assertEqual(self.w.store.routes, {})
        self.end(creating)

    def test_it_is_deleted_as_any_other_afterwards(self) -> None:
        self.create()
        self.w.clock.result_of(self.w.service.delete(1))
        self.nothing_is_left()


class FailedTests(CreationCase):
    def test_whatever_fails_is_undone_and_named(self) -> None:
        cases: tuple[tuple[Behaviour, str], ...] = (
            (Behaviour(failing=frozenset({"chpasswd"})), "the password could not be set"),
            (Behaviour(failing=frozenset({"apt-get"})), "the SSH server could not be installed: E: [31mno space left"),
            (Behaviour(failing=frozenset({"services"})), "the SSH server could not be enabled: Failed to enable unit"),
            (Behaviour(mirror=None), "the SSH server could not be installed: W: Temporary failure resolving"),
            (Behaviour(stuck=frozenset({"apt-get"})), "600 s"),
        )
        for behaviour, said in cases:
            self.w = World().start()
            self.w.insides.behaviour = behaviour
            message = self.fails(SetUpFailed, self.begin())
            self.assertIn(said, message)
            self.assertFalse(SECRET in message or "\x1b" in message)
            self.nothing_is_left()
        self.flushLoggedErrors()

    def test_and_the_next_one_works(self) -> None:
        self.w.insides.behaviour = Behaviour(failing=frozenset({"apt-get"}))
        self.fails(SetUpFailed, self.begin())
        self.w.insides.behaviour = Behaviour()
        self.assertEqual(dict(self.create().ports), {EXTERNAL[0]: 22})
        self.assertEqual(self.w.seen(1).boot_port, 20000)

    def test_a_boot_that_fails(self) -> None:
        self.w.lxd.behaviour = {"crashes": True}
        self.assertIn("stopped again", self.fails(BootFailed, self.begin()))
        self.nothing_is_left()

    def test_it_dies_in_the_middle(self) -> None:
        creating = self.begin()
        self.at(Step.PACKAGES)
        self.w.lxd.crash("ws-u1")
        self.fails(SetUpFailed, creating)
        self.nothing_is_left()

    def test_somebody_deletes_it_in_the_middle(self) -> None:
        creating = self.begin()
        self.at(Step.PACKAGES)
        self.w.lxd.remove("ws-u1")
        self.fails(SetUpFailed, creating)
        self.nothing_is_left()

    def test_what_somebody_else_put_there_meanwhile_is_not_undone(self) -> None:
        creating = self.begin()
        self.at(Step.PACKAGES)
        config = self.w.lxd.containers["ws-u1"].config
        config[BOOT_PORT_KEY] = "20777"
        del config[CREATING_KEY]
        self.w.lxd.crash("ws-u1")
        self.fails(SetUpFailed, creating)
        self.w.clock.run_for(5)
        self.assertEqual(list(self.w.lxd.containers), ["ws-u1"])

    def test_the_last_write_fails(self) -> None:
        self.w.lxd.fail_next("configure", RemoteError("no", 500))
        self.fails(RemoteError, self.begin())
        self.nothing_is_left()

    def test_a_system_that_nobody_knows(self) -> None:
        self.w.insides.system = "plan9"
        self.assertIn("no SSH server can be installed", self.fails(SetUpFailed, self.begin()))
        self.nothing_is_left()

    def test_a_package_manager_that_is_missing(self) -> None:
        self.w.insides.system = "sles"
        self.assertIn("SSH server", self.fails(SetUpFailed, self.begin()))
        self.nothing_is_left()

    def test_what_can_be_told_early_is_not_begun(self) -> None:
        self.w.listeners.taken |= set(EXTERNAL)
        self.w.ports.most = 0
        self.fails(Invalid, self.begin())
        self.fails(Invalid, watch(self.w.service.create(User(id=1, username="alice"), "fast", ssh=True)))
        self.assertEqual(self.w.calls("create"), [])
        self.assertRaises(NotFound, self.w.creator.creations.get, 1)

    def test_no_port_is_left_at_the_end(self) -> None:
        self.w.listeners.taken |= set(EXTERNAL)
        self.fails(Conflict, self.begin())
        self.nothing_is_left()


class PatienceTests(CreationCase):
    def test_the_lists_are_tried_until_the_network_is_there(self) -> None:
        self.w.insides.behaviour = Behaviour(mirror=10.0)
        self.create()
        self.assertEqual(self.w.insides.of("ws-u1").enabled, {"ssh"})
        refreshes = [c for c in self.w.insides.commands if c.argv[-1] == "update"]
        self.assertGreater(len(refreshes), 2)
        self.assertEqual(refreshes[0].environment["DEBIAN_FRONTEND"], "noninteractive")


class SystemTests(CreationCase):
    def enabled(self, system: str, *brings: str) -> set[str]:
        self.w = World().start()
        self.w.insides.system = system
        self.w.insides.behaviour = Behaviour(brings=frozenset(brings))
        self.create()
        return self.w.insides.of("ws-u1").enabled

    def test_each_of_them(self) -> None:
        for system in ("alpine", "archlinux", "fedora", "rocky", "centos", "opensuse"):
            self.assertEqual(self.enabled(system), {"sshd"}, system)
        for system in ("debian", "ubuntu"):
            self.assertEqual(self.enabled(system), {"ssh"}, system)

    def test_what_is_there_is_used(self) -> None:
        self.assertEqual(self.enabled("debian", "sshd"), {"ssh"})
        self.assertEqual(self.enabled("alpine", "dropbear"), {"dropbear"})
        self.assertEqual(self.w.insides.of("ws-u1").installed, {"dropbear"})
        # Nothing there knows services: the image itself starts it.
        self.assertEqual(self.enabled("busybox", "dropbear"), set())


class LeftTests(CreationCase):
    """LXD or webspaced goes away in the middle: what is left never looks finished, and is removed."""

    def test_lxd_away_at_any_step(self) -> None:
        for step in (Step.UNPACK, Step.BOOT, Step.PASSWORD, Step.PACKAGES, Step.SSH, Step.STOP, Step.FINISH):
            for finish in (False, True):
                self.w = World().start()
                creating = self.begin()
                self.at(step)
                self.w.lose_lxd(finish=finish)
                self.fails(Unavailable, creating)
                self.w.clock.run_for(1)
                self.assertEqual(self.w.listeners.boot_ports, {}, step)
                self.w.regain_lxd()
                self.nothing_is_left()
                self.create()

    def test_lxd_away_just_after_the_last_write(self) -> None:
        for ssh in (False, True):
            self.w = World().start()
            configure = self.w.lxd.configure

            async def last(*args: Any, configure: Any = configure) -> None:
                await configure(*args)
                self.w.lose_lxd()
                raise Unavailable("LXD cannot be reached")

            self.w.lxd.configure = last
            creating = self.begin(ssh=ssh)
            self.fails(Unavailable, creating)
            self.assertNotIn(CREATING_KEY, self.w.lxd.containers["ws-u1"].config)
            self.w.lxd.configure = configure
            self.w.regain_lxd()
            self.nothing_is_left()
            self.create(ssh=ssh)
            self.w.clock.result_of(self.w.reconciler.full_pass())
            self.w.clock.run_for(5)
            self.assertIn("ws-u1", self.w.lxd.containers)

    def test_webspaced_restarted_at_any_step(self) -> None:
        for step in (Step.BOOT, Step.PASSWORD, Step.PACKAGES, Step.SSH, Step.STOP, Step.FINISH):
            self.w = World().start()
            self.begin()
            self.at(step)
            self.restart()
            self.assertEqual(self.w.store.routes, {}, step)
            self.nothing_is_left()
            self.assertEqual(self.w.probe.tried, [])

    def test_another_try_does_not_wait_for_the_sweep(self) -> None:
        self.w.webspace(1, running=True)
        self.w.lxd.set_keys("ws-u1", **{CREATING_KEY: marker("ws-u1", 0)})
        self.w.lxd.fail_next("force", *[RemoteError("busy", 400)] * 1000)
        self.w.clock.run_for(60)
        self.assertIn("ws-u1", self.w.lxd.containers)
        self.w.lxd.fail_no_more()
        self.create()
        self.assertNotIn(CREATING_KEY, self.w.lxd.containers["ws-u1"].config)

    def test_what_cannot_be_removed_is_tried_again_by_the_next_pass(self) -> None:
        self.w.webspace(1, running=True)
        self.w.lxd.fail_next("force", *[RemoteError("busy", 400)] * 1000)
        self.w.lxd.set_keys("ws-u1", **{CREATING_KEY: marker("ws-u1", 0)})
        self.w.clock.run_for(60)
        self.assertIn("ws-u1", self.w.lxd.containers)
        self.assertEqual(self.w.listeners.boot_ports, {})
        self.w.lxd.fail_no_more()
        self.w.clock.result_of(self.w.reconciler.full_pass())
        self.nothing_is_left()

    def test_a_copy_of_one_is_not_swept(self) -> None:
        creating = self.begin()
        self.at(Step.PACKAGES)
        self.w.lxd.copy("ws-u1", "ws-u2")
        self.end(creating)
        self.w.clock.run_for(5)
        self.assertEqual(sorted(self.w.lxd.containers), ["ws-u1", "ws-u2"])
        self.assertNotEqual(self.w.lxd.containers["ws-u2"].config[BOOT_PORT_KEY], "20000")


class RestoredTests(CreationCase):
    """A snapshot that was taken within a creation has its marker; what it is restored in was finished long ago."""

    def restored(self) -> None:
        creating = self.begin()
        self.at(Step.PACKAGES)
        self.w.lxd.snapshot("ws-u1")
        self.end(creating)
        self.w.lxd.restore("ws-u1")

    def is_kept(self) -> None:
        self.w.clock.run_for(5)
        self.w.clock.result_of(self.w.reconciler.full_pass())
        self.w.clock.run_for(5)
        self.assertEqual((self.w.calls("delete"), self.w.calls("force")), ([], []))
        self.assertIn(Kind.UNFINISHED, self.w.conditions.of(1))
        self.assertEqual(self.w.store.routes, {})

    def test_it_is_not_removed(self) -> None:
        self.restored()
        self.is_kept()

    def test_it_is_not_removed_where_it_is_found_at_a_start(self) -> None:
        self.restored()
        self.restart()
        self.is_kept()

    def test_it_is_not_removed_a_day_later_without_its_snapshots(self) -> None:
        self.restored()
        self.w.lxd.containers["ws-u1"].snapshots.clear()
        self.w.clock.advance(LONGEST + 60)
        self.restart()
        self.is_kept()

    def test_it_is_not_replaced_by_a_new_one(self) -> None:
        self.restored()
        self.fails(Conflict, self.begin())
        self.is_kept()

    def test_a_marker_without_a_time_removes_nothing(self) -> None:
        self.w.webspace(1)
        self.w.lxd.set_keys("ws-u1", **{CREATING_KEY: "ws-u1"})
        self.is_kept()

    def test_it_is_served_once_the_marker_is_gone(self) -> None:
        self.restored()
        self.w.clock.run_for(5)
        self.w.lxd.set_keys("ws-u1", **{CREATING_KEY: ""})
        self.w.clock.run_for(5)
        self.assertNotIn(Kind.UNFINISHED, self.w.conditions.of(1))
        self.assertEqual(list(self.w.store.routes), ["ws-u1"])
