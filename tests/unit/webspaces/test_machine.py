"""Anything may happen in any order: in the end routes are what the rules want, and nobody waits."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.fake_instances import Container
from tests.unit.timing import Watched, watch
from tests.unit.world import BOOT_ADDRESS, DOMAIN, EXTERNAL, MEMBERS, World
from webspaced.core.address import Endpoint
from webspaced.core.boot import Hold
from webspaced.core.forward import Forward
from webspaced.core.instance import Status
from webspaced.core.probing import Ask
from webspaced.core.sleep import SleepRules, Usage
from webspaced.core.user import User
from webspaced.core.webspace import BOOT_PORT_KEY, KEY
from webspaced.errors import RemoteError, WebspacedError

UIDS = st.sampled_from([1, 2, 3])
PORTS = st.sampled_from([80, 8080])
SLEEP = SleepRules(doze_after=1.0, stop_after=2000.0, least=0.5)
CALM = 400.0
"""Seconds after which everything has come to rest: more than every bound on a boot, a probe and a failure's rest."""


def name(uid: int) -> str:
    return f"ws-u{uid}"


class Everything(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.w = World(max_concurrent=2, max_running=2, ready_timeout=5.0, sleep=SLEEP)
        self.waiting: list[Watched] = []
        self.visitors: list[Watched] = []

    @initialize(running=st.lists(st.sampled_from([True, False, True, False, None]), min_size=3, max_size=3))
    def begin(self, running: list[bool | None]) -> None:
        for uid, runs in enumerate(running, 1):
            if runs is not None:
                self.w.webspace(uid, running=runs)
        self.w.start()

    # --- what members do

    def do(self, work: object) -> None:
        self.waiting.append(watch(work))

    @rule(uid=UIDS)
    def create(self, uid: int) -> None:
        self.do(self.w.service.create(User(id=uid, username=MEMBERS[uid]), "fast"))

    @rule(uid=UIDS)
    def delete(self, uid: int) -> None:
        self.do(self.w.service.delete(uid))

    @rule(uid=UIDS)
    def boot(self, uid: int) -> None:
        self.do(self.w.power.boot(uid))

    @rule(uid=UIDS)
    def shut_down(self, uid: int) -> None:
        self.do(self.w.power.shut_down(uid))

    @rule(uid=UIDS)
    def reboot(self, uid: int) -> None:
        self.do(self.w.power.reboot(uid))

    @rule(uid=UIDS, port=PORTS)
    def change_port(self, uid: int, port: int) -> None:
        self.do(self.w.service.set_config(uid, {"httpPort": port}))

    @rule(uid=UIDS, passthrough=st.booleans())
    def change_passthrough(self, uid: int, passthrough: bool) -> None:
        self.do(self.w.service.set_config(uid, {"sniPassthrough": passthrough}))

    @rule(uid=UIDS, port=st.sampled_from([EXTERNAL[0], EXTERNAL[1]]), add=st.booleans())
    def change_forward(self, uid: int, port: int, add: bool) -> None:
        self.do(self.w.service.add_port(uid, port, Forward(22)) if add else self.w.service.remove_port(uid, port))

    @rule(uid=UIDS)
    def resync(self, uid: int) -> None:
        self.do(self.w.reconciler.resync(uid))

    # --- what sleep does

    @rule()
    def look(self) -> None:
        self.do(self.w.sleeper.look())

    @rule(seconds=st.sampled_from([0.5, 1.0, 1.5, 2000.0]))
    def look_twice(self, seconds: float) -> None:
        self.do(self.w.sleeper.look())
        self.w.clock.run_for(seconds)
        self.do(self.w.sleeper.look())

    @rule(uid=UIDS, sent=st.sampled_from([0, 100, 10_000]), cpu=st.sampled_from([0.0, 5.0]))
    def use(self, uid: int, sent: int, cpu: float) -> None:
        if self.there(uid, Status.RUNNING):
            self.w.lxd.use(name(uid), sent=sent, cpu=cpu)

    @rule(uid=UIDS, usage=st.builds(Usage, cpu=st.floats(0, 1e12), sent=st.integers(0, 1 << 70)))
    def lie(self, uid: int, usage: Usage) -> None:
        if container := self.there(uid, *Status):
            container.usage = usage

    @rule(call=st.sampled_from(["usages", "state", "freeze", "resume", "others_work"]), times=st.integers(1, 3))
    def refuse(self, call: str, times: int) -> None:
        self.w.lxd.fail_next(call, *[RemoteError("not now", 500)] * times)

    @rule(short=st.booleans())
    def run_out_of_memory(self, short: bool) -> None:
        self.w.room.short = {"none": 1} if short else {}
        self.w.room.look()
        self.w.room.wanted()

    @rule(uid=UIDS)
    def speak_on_a_silent_connection(self, uid: int) -> None:
        if uid in self.w.listeners.watched:
            self.w.listeners.watched[uid]()

    @rule(uid=UIDS, unread=st.booleans())
    def knock(self, uid: int, unread: bool) -> None:
        if container := self.there(uid, *Status):
            container.unread = unread
            self.w.host.packets[f"veth{uid}"] = self.w.host.packets.get(f"veth{uid}", 0) + 1
            container.config["volatile.eth0.host_name"] = f"veth{uid}"
            self.do(self.w.dozers.look())

    # --- what visitors do

    @rule(uid=UIDS, port=st.sampled_from([22, 80, 8080]), http=st.booleans())
    def visit(self, uid: int, port: int, http: bool) -> None:
        self.do(self.w.gate.ready(uid, port, Ask.HTTP if http else Ask.CONNECTION))
        self.visitors.append(self.waiting[-1])

    @precondition(lambda self: self.visitors)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        # Only visitors can leave: changes are shielded.
        visitor = data.draw(st.sampled_from(self.visitors))
        self.visitors.remove(visitor)
        if not visitor.done:
            self.waiting.remove(visitor)
            visitor.deferred.cancel()

    @rule(uid=UIDS, refused=st.booleans())
    def suspect(self, uid: int, refused: bool) -> None:
        observed = self.w.registry.get(uid)
        if observed is not None and observed.address is not None:
            self.do(self.w.gate.suspect(uid, Endpoint(observed.address, 80), refused=refused, asks=Ask.HTTP))

    # --- what happens in LXD

    def there(self, uid: int, *statuses: Status) -> Container | None:
        container = self.w.lxd.containers.get(name(uid))
        return container if container is not None and container.status in statuses else None

    @rule(uid=UIDS)
    def crash(self, uid: int) -> None:
        if self.there(uid, Status.RUNNING, Status.FROZEN):
            self.w.lxd.crash(name(uid))

    @rule(uid=UIDS)
    def start_behind(self, uid: int) -> None:
        if self.there(uid, Status.STOPPED):
            self.w.lxd.power_on(name(uid))

    @rule(uid=UIDS)
    def reboot_inside(self, uid: int) -> None:
        if self.there(uid, Status.RUNNING):
            self.w.lxd.reboot(name(uid))

    @rule(uid=UIDS)
    def freeze(self, uid: int) -> None:
        if self.there(uid, Status.RUNNING):
            self.w.lxd.pause(name(uid))

    @rule(uid=UIDS)
    def delete_behind(self, uid: int) -> None:
        if self.there(uid, *Status):
            self.w.lxd.remove(name(uid))

    @rule(uid=UIDS, other=UIDS)
    def rename_behind(self, uid: int, other: int) -> None:
        if self.there(uid, Status.STOPPED) and not self.there(other, *Status):
            self.w.lxd.rename(name(uid), name(other))

    @rule(uid=UIDS, other=UIDS)
    def copy_behind(self, uid: int, other: int) -> None:
        if self.there(uid, *Status) and not self.there(other, *Status):
            self.w.lxd.copy(name(uid), name(other))

    @rule(uid=UIDS, crashes=st.booleans())
    def break_it(self, uid: int, crashes: bool) -> None:
        if container := self.there(uid, *Status):
            container.crashes = crashes

    @rule(uid=UIDS, silent=st.booleans())
    def close_port(self, uid: int, silent: bool) -> None:
        if container := self.there(uid, Status.STOPPED):
            container.opens = {80: None} if silent else {}

    @rule(finish=st.booleans())
    def lose_lxd(self, finish: bool) -> None:
        if not self.w.lxd.away:
            self.w.lose_lxd(finish=finish)

    @rule()
    def regain_lxd(self) -> None:
        if self.w.lxd.away:
            self.w.regain_lxd()

    @rule(errors=st.integers(1, 3))
    def store_fails(self, errors: int) -> None:
        self.w.store.errors = [OSError("disk full")] * errors

    @rule(seconds=st.sampled_from([0.001, 0.05, 0.3, 1.0, 3.0]))
    def time_passes(self, seconds: float) -> None:
        self.w.clock.run_for(seconds)

    # --- what is always so

    @invariant()
    def no_route_names_anothers_address_or_boot_port(self) -> None:
        backends = [route.backend for route in self.w.store.routes.values()]
        assert len({(str(b.host), b.port) for b in backends}) == len(backends), self.w.store.routes
        direct = [b.host for b in backends if b.host != BOOT_ADDRESS]
        assert len(set(direct)) == len(direct), self.w.store.routes

    # --- what is so in the end

    @rule()
    def calm(self) -> None:
        if self.w.lxd.away:
            self.w.regain_lxd()
        self.w.lxd.fail_no_more()
        self.run_out_of_memory(short=False)
        for _ in range(3):
            # Who waits for room has it once somebody was idle for long enough.
            self.w.clock.run_for(CALM)
            self.w.clock.result_of(self.w.sleeper.look())
        # The periodic pass.
        self.w.clock.result_of(self.w.reconciler.periodic_pass())
        self.w.clock.run_for(CALM)
        self.check_sleep()
        self.visit_what_runs()
        assert all(each.done for each in self.waiting), "somebody waits for ever"
        for each in self.waiting:
            result = each.results[0]
            error = getattr(result, "value", None) if hasattr(result, "getTraceback") else None
            assert error is None or isinstance(error, WebspacedError), result.getTraceback()
        self.waiting.clear()
        self.visitors.clear()
        self.check_routes()
        self.check_listeners()

    def check_sleep(self) -> None:
        living = [each for each in self.w.lxd.containers.values() if each.status is not Status.STOPPED]
        for container in living:
            observed = self.w.registry.get(int(container.name.removeprefix("ws-u")))
            assert observed is not None
            if observed.runs:
                assert not observed.doze_mark, "a mark is left"
            if observed.dozes:
                # Whoever comes wakes it, or is told why not.
                visit = watch(self.w.gate.ready(observed.uid, 80, Ask.HTTP))
                self.w.clock.run_for(CALM)
                self.waiting.append(visit)
                woken = self.w.lxd.containers[container.name].status is not Status.FROZEN
                assert woken or self.w.booter.unwanted(observed), container
                after = self.w.registry.get(observed.uid)
                assert after is None or after.dozes or not after.doze_mark, "a mark is left"

    def visit_what_runs(self) -> None:
        # A port that once refused has its route at webspaced until a visitor finds it open again.
        for observed in self.w.registry:
            if observed.runs:
                self.do(self.w.gate.ready(observed.uid, observed.webspace.config.http_port, observed.web_asks))
        self.w.clock.run_for(CALM)

    def check_routes(self) -> None:
        containers = self.w.lxd.containers
        assert sorted(self.w.store.routes) == sorted(containers), (list(self.w.store.routes), list(containers))
        for uid, member in MEMBERS.items():
            if name(uid) not in containers:
                continue
            container, route = containers[name(uid)], self.w.store.routes[name(uid)]
            config = self.w.seen(uid).webspace.config
            assert self.w.booter.memory(uid).hold is Hold.NONE
            assert route.hosts == (f"{member}.{DOMAIN}",)
            assert route.passthrough == config.sni_passthrough
            direct = Endpoint(container.address, config.http_port)
            boot = Endpoint(BOOT_ADDRESS, int(container.config[BOOT_PORT_KEY]))
            assert route.backend == (direct if self.w.lxd.answers(direct) is container else boot), (route, container)

    def check_listeners(self) -> None:
        containers = self.w.lxd.containers
        wanted = {uid: int(containers[name(uid)].config[BOOT_PORT_KEY]) for uid in MEMBERS if name(uid) in containers}
        assert self.w.listeners.boot_ports == wanted
        for uid in wanted:
            assert f'"user":{uid}' in containers[name(uid)].config[KEY]
            assert self.w.listeners.forwards[uid] == dict(self.w.seen(uid).webspace.ports)
        assert not any(ports for uid, ports in self.w.listeners.forwards.items() if uid not in wanted)
        assert self.w.listeners.reserved == set()

    def teardown(self) -> None:
        self.calm()
        self.w.clock.calls.clear()


class MachineTests(SynchronousTestCase):
    def test_any_sequence(self) -> None:
        bounds = settings(
            deadline=None, max_examples=100, stateful_step_count=25, suppress_health_check=list(HealthCheck), print_blob=True
        )
        run_state_machine_as_test(Everything, settings=bounds)
