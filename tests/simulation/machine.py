"""Anything may happen, in any order; in the end what is reachable is what should be, and nobody met anybody else.

The rules are what members, visitors, operators and mishaps do. The truth is in :meth:`Everything.calm`, which may come at
any time, and in what is checked of every answer.
"""

from __future__ import annotations

import json

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.simulation.client import Exchange
from tests.simulation.deployment import EXTERNAL, MEMBERS, SETTLE, Deployment, default_host
from webspaced.core.sleep import DOZING_KEY
from webspaced.core.webspace import BOOT_PORT_KEY, KEY
from webspaced.testing.lxd.things import Phase

UIDS = st.sampled_from(list(MEMBERS))
FORWARDS = st.sampled_from([EXTERNAL[0], EXTERNAL[1]])
DOMAINS = st.sampled_from(["a.example", "b.example"])
TIMES = st.sampled_from([0.002, 0.05, 0.2, 0.3, 1.0, 3.0, 12.0, 40.0])
THEN = st.sampled_from([0.0, 0.0, 0.03, 0.3, 1.0, 3.0])
"""Seconds that pass after something was asked for: none, so that it meets the next thing, or enough for it to be done."""
CALM = 700.0
"""Seconds after which everything has come to rest: more than the longest operation, two full passes and a failure's rest."""
UNDER_WAY = 60.0
"""Seconds after which LXD, back by then, has carried out what it was asked for."""
UNHEARD = {0}
FINE = {200, 201, 204, 400, 403, 404, 409, 502, 503, 504}
"""What the API may answer; 500 would be a bug."""
REQUESTS = st.sampled_from([
    ("GET", "/1.0/instances*"), ("GET", "/1.0/instances/*"), ("GET", "/1.0/instances/*/state"), ("POST", "/1.0/instances"),
    ("PUT", "/1.0/instances/*/state"), ("PATCH", "/1.0/instances/*"), ("DELETE", "/1.0/instances/*"),
    ("GET", "/1.0/operations/*"), ("GET", "/1.0/events"), ("*", "*"),
])  # fmt: skip


class Everything(RuleBasedStateMachine):
    """The daemon between a simulated LXD and everybody who uses it."""

    def __init__(self) -> None:
        super().__init__()
        self.d = Deployment()
        self.calls: list[tuple[int, Exchange]] = []
        self.visits: list[tuple[str, Exchange]] = []
        self.commands: list[tuple[int, Exchange]] = []
        self.snapshots: dict[int, str] = {}
        self.holders: dict[str, tuple[object, object]] = {}
        """Of what two documents claimed, who had it when all was calm, and the documents."""
        self.owned: dict[tuple[str, int], float] = {}
        """When a member's webspace was last to be reached under a name or at a port."""

    @initialize(there=st.lists(st.sampled_from([True, True, True, False]), min_size=3, max_size=3))
    def begin(self, there: list[bool]) -> None:
        self.d.start()
        self.d.clock.run_until(lambda: self.d.ready)
        for uid, wanted in zip(MEMBERS, there, strict=True):
            if wanted:
                self.create(uid)
        self.time_passes(3.0)

    # --- members

    def do(self, uid: int, method: str, path: str, body: object = None, *, then: float = 0.0) -> None:
        self.calls.append((self.d.ends, self.d.ask(uid, method, path, body)))
        self.time_passes(then)

    @rule(uid=UIDS, then=THEN)
    def create(self, uid: int, then: float = 0.0) -> None:
        self.do(uid, "POST", "", {"image": "fast"}, then=then)

    @rule(uid=UIDS, then=THEN)
    def create_with_a_password(self, uid: int, then: float) -> None:
        self.do(uid, "POST", "", {"image": "fast", "password": "secret"}, then=then)

    @rule(uid=UIDS, seconds=st.sampled_from([0, 3, 70]), leaves=st.booleans(), then=THEN)
    def run_a_command(self, uid: int, seconds: int, leaves: bool, then: float) -> None:
        exchange = self.d.ask(uid, "POST", "/exec", {"command": f"sleep {seconds}; hostname"})
        self.time_passes(then)
        if leaves:
            exchange.leave()
        else:
            self.calls.append((self.d.ends, exchange))
            self.commands.append((uid, exchange))

    @rule(uid=UIDS, then=THEN)
    def delete(self, uid: int, then: float) -> None:
        self.do(uid, "DELETE", "", then=then)

    @rule(uid=UIDS, method=st.sampled_from(["POST", "PUT", "PATCH", "DELETE", "GET"]), then=THEN)
    def boot_reboot_resync_shut_down(self, uid: int, method: str, then: float) -> None:
        self.do(uid, method, "/state", then=then)

    @rule(uid=UIDS, change=st.sampled_from([
        {"httpPort": 80}, {"httpPort": 8080}, {"sniPassthrough": True}, {"sniPassthrough": False}, {"startupDelay": 0},
    ]), then=THEN)  # fmt: skip
    def configure(self, uid: int, change: dict[str, object], then: float) -> None:
        self.do(uid, "PATCH", "/config", change, then=then)

    @rule(uid=UIDS, port=FORWARDS, then=THEN)
    def add_forward(self, uid: int, port: int, then: float) -> None:
        self.do(uid, "POST", f"/ports/{port}/80", then=then)

    @rule(uid=UIDS, port=FORWARDS, then=THEN)
    def remove_forward(self, uid: int, port: int, then: float) -> None:
        self.do(uid, "DELETE", f"/ports/{port}", then=then)

    @rule(uid=UIDS, domain=DOMAINS, then=THEN)
    def add_domain(self, uid: int, domain: str, then: float) -> None:
        self.do(uid, "POST", f"/domains/{domain}", then=then)

    @rule(uid=UIDS, domain=DOMAINS, then=THEN)
    def remove_domain(self, uid: int, domain: str, then: float) -> None:
        self.do(uid, "DELETE", f"/domains/{domain}", then=then)

    # --- what is wanted

    @rule(uid=UIDS, wish=st.sampled_from(["auto", "auto", "stopped"]), then=THEN)
    def switch(self, uid: int, wish: str, then: float) -> None:
        self.do(uid, "PUT", "/desired", {"desired": wish}, then=then)

    @rule(uid=UIDS, off=st.booleans(), then=THEN)
    def suspend(self, uid: int, off: bool, then: float) -> None:
        wish = {"desired": "suspended", "reason": "spam"} if off else {"desired": "auto"}
        self.calls.append((self.d.ends, self.d.ask_as_admin(uid, "PUT", "/desired", wish)))
        self.time_passes(then)

    # --- visitors

    def visit(self, host: str, data: st.DataObject) -> None:
        view = data.draw(st.sampled_from(self.d.views()))
        exchange = self.d.visit(host, view)
        if exchange is not None:
            self.visits.append((host, exchange))

    @rule(uid=UIDS, data=st.data(), then=THEN)
    def visit_default(self, uid: int, data: st.DataObject, then: float) -> None:
        self.visit(default_host(uid), data)
        self.time_passes(then)

    @rule(domain=DOMAINS, data=st.data(), then=THEN)
    def visit_own(self, domain: str, data: st.DataObject, then: float) -> None:
        self.visit(domain, data)
        self.time_passes(then)

    @rule(port=FORWARDS, then=THEN)
    def visit_forward(self, port: int, then: float) -> None:
        self.visits.append((str(port), self.d.connect("127.0.0.1", port)))
        self.time_passes(then)

    @precondition(lambda self: self.visits)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.visits))[1].leave()

    # --- on LXD itself

    @rule(
        uid=UIDS, action=st.sampled_from(["start", "stop", "restart", "freeze", "unfreeze"]), force=st.booleans(), then=THEN
    )
    def change_behind(self, uid: int, action: str, force: bool, then: float) -> None:
        self.d.put_state(uid, action, force=force)
        self.time_passes(then)

    @rule(uid=UIDS, how=st.sampled_from(["crash", "reboot"]), then=THEN)
    def from_inside(self, uid: int, how: str, then: float) -> None:
        for other, instance in self.d.instances():
            if other == uid and instance.phase.alive and not self.d.lxd_is_away:
                getattr(self.d.lxd.machine, how)(instance.name)
        self.time_passes(then)

    @rule(uid=UIDS, other=UIDS, how=st.sampled_from(["delete", "rename", "copy"]), then=THEN)
    def rearrange_behind(self, uid: int, other: int, how: str, then: float) -> None:
        path = f"/instances/ws-u{uid}"
        if how == "delete":
            self.d.lxd_ask("DELETE", path)
        elif how == "rename":
            self.d.lxd_ask("POST", path, {"name": f"ws-u{other}"})
        else:
            source = {"type": "copy", "source": f"ws-u{uid}"}
            self.d.lxd_ask("POST", "/instances", {"name": f"ws-u{other}", "source": source})
        self.time_passes(then)

    @rule(uid=UIDS)
    def take_a_snapshot(self, uid: int) -> None:
        for other, instance in self.d.instances():
            if other == uid:
                self.snapshots[uid] = instance.config[KEY]

    @precondition(lambda self: self.snapshots)
    @rule(uid=UIDS, then=THEN)
    def restore_a_snapshot(self, uid: int, then: float) -> None:
        if uid in self.snapshots and not self.d.lxd_is_away:
            self.d.lxd_ask("PATCH", f"/instances/ws-u{uid}", {"config": {KEY: self.snapshots[uid]}})
        self.time_passes(then)

    @rule(uid=UIDS, other=UIDS, then=THEN)
    def root_takes_an_address(self, uid: int, other: int, then: float) -> None:
        there = dict(self.d.instances())
        if uid != other and uid in there and other in there and there[uid].phase.alive:
            self.d.lxd.machine.add_address(f"ws-u{uid}", f"{there[other].address}/24")
            self.do(uid, "PATCH", "/state")
        self.time_passes(then)

    # --- mishaps

    @rule(uid=UIDS, untold=st.booleans(), then=THEN)
    def lxd_cannot_tell(self, uid: int, untold: bool, then: float) -> None:
        for other, instance in self.d.instances():
            if other == uid:
                instance.untold = untold
        self.time_passes(then)

    @rule(seconds=st.sampled_from([-1e7, -3600.0, 60.0, 3600.0, 1e7]))
    def somebody_sets_the_clock(self, seconds: float) -> None:
        self.d.day += seconds

    @rule(finish=st.booleans(), seconds=TIMES, then=THEN)
    def lxd_is_away_for(self, seconds: float, finish: bool, then: float) -> None:
        self.d.lose_lxd(seconds, finish=finish)
        self.time_passes(then)

    @rule(count=st.integers(0, 3))
    def lose_events_or_stall_them(self, count: int) -> None:
        if count:
            self.d.lxd.faults.lose_events(count)
        else:
            self.d.lxd.faults.stall_events()

    @rule(kind=st.sampled_from(["refuse", "hang", "cut", "doom"]), request=REQUESTS)
    def break_a_request(self, kind: str, request: tuple[str, str]) -> None:
        getattr(self.d.lxd.faults, kind)(*request)

    @rule(orderly=st.booleans(), then=THEN)
    def restart(self, orderly: bool, then: float) -> None:
        if orderly:
            self.d.stop()
        self.d.kill()
        self.d.start()
        self.time_passes(then)

    @rule(seconds=TIMES)
    def time_passes(self, seconds: float) -> None:
        self.d.pass_time(seconds)

    # --- what is always so

    @invariant()
    def nobody_meets_anybody_else(self) -> None:
        self.d.look_at_routes()
        self.note_owners()
        for host, exchange in self.visits:
            if exchange.status == 200:
                uid = int(exchange.body.decode().strip().removeprefix("ws-u"))
                owned = self.owned.get((host, uid), -1.0)
                assert owned >= exchange.began - SETTLE, f"{exchange} reached {uid}"
        self.visits = [each for each in self.visits if not each[1].done]

    def note_owners(self) -> None:
        now = self.d.clock.seconds()
        for name, route in self.d.views()[0].items():
            self.owned.update({(host, int(name.removeprefix("ws-u"))): now for host in route.hosts})
        for uid, _ in self.d.instances():
            document = self.d.document(uid) or {}
            hosts = [default_host(uid), *document.get("domains", ()), *document.get("ports", {})]
            self.owned.update({(host, uid): now for host in hosts})

    @invariant()
    def no_backend_and_no_name_is_shared(self) -> None:
        routes = self.d.views()[0].values()
        for values in ([route.backend for route in routes], [host for route in routes for host in route.hosts]):
            assert len(set(values)) == len(values), values

    @invariant()
    def nothing_was_logged_that_only_a_bug_logs(self) -> None:
        assert not self.d.mishaps, self.d.mishaps

    # --- what is so in the end

    @rule()
    def calm(self) -> None:
        self.come_to_rest()
        self.check_calls()
        there = dict(self.d.instances())
        assert sorted(self.d.views()[0]) == sorted(instance.name for instance in there.values())
        self.check_ports()
        self.check_holders()
        for uid in MEMBERS:
            self.check_names(uid, [*self.names(uid)] if uid in there else [])
            self.check_forwards(uid)
            if uid in there and self.wanted(uid) != "auto":
                assert there[uid].phase is Phase.STOPPED, (uid, "runs although it is to stay off")
        self.come_to_rest()
        self.check_calls()

    def come_to_rest(self) -> None:
        self.d.lxd.faults.waiting.clear()
        self.d.lxd.faults.lose_events(0)
        # What was asked of LXD a moment ago is done first.
        self.d.pass_time(UNDER_WAY)
        for uid, instance in self.d.instances():
            instance.untold = False
            if instance.phase is Phase.FROZEN and not instance.config.get(DOZING_KEY):
                # Nobody but who froze it thaws it.
                self.d.put_state(uid, "unfreeze")
        self.d.pass_time(CALM)
        assert self.d.ready, "the daemon is not ready"

    def check_calls(self) -> None:
        for ends, call in self.calls:
            assert call.done, f"{call} waits for ever"
            assert call.status in FINE | (UNHEARD if self.d.ends != ends else set()), call
        self.calls.clear()
        for uid, command in self.commands:
            result = json.loads(command.body) if command.status == 200 else {"exitCode": None}
            if result["exitCode"] == 0:
                assert result["stdout"] == f"ws-u{uid}\n", f"{command} ran in another's webspace"
        self.commands.clear()
        assert all(visit.done for _, visit in self.visits), self.visits

    def check_holders(self) -> None:
        """Of two documents that name the same one webspace has it, and always the same one while they stay as they are."""
        documents = {uid: self.d.document(uid) for uid in MEMBERS}
        for host in {host for uid in MEMBERS for host in self.names(uid)}:
            has = sorted(uid for uid in MEMBERS if host in self.served(uid))
            seen, before = self.holders.get(host, (None, None))
            assert seen != documents or before == has, (host, before, has)
            self.holders[host] = (documents, has)

    def served(self, uid: int) -> tuple[str, ...]:
        route = self.d.views()[0].get(f"ws-u{uid}")
        return () if route is None else route.hosts

    def wanted(self, uid: int) -> str:
        desired: str = (self.d.document(uid) or {}).get("desired", {}).get("desired", "auto")
        return desired

    def names(self, uid: int) -> list[str]:
        document = self.d.document(uid)
        return [] if document is None else [default_host(uid), *document["domains"]]

    def check_names(self, uid: int, expected: list[str]) -> None:
        """Every name of a webspace leads to it, awake or asleep, and no other name does."""
        route = self.d.views()[0].get(f"ws-u{uid}")
        # Of a name that two documents claim (copied, renamed), one webspace keeps it.
        claimed = [host for other in MEMBERS if other != uid for host in self.names(other)]
        served = list(route.hosts) if route is not None else []
        # What another one had meanwhile is to be proved again, and its DNS may name that one.
        claimed += (self.d.document(uid) or {}).get("granted", {}).get("lost", [])
        assert set(expected) - set(claimed) <= set(served) <= set(expected), (uid, served, expected)
        config = (self.d.document(uid) or {}).get("config", {})
        if self.wanted(uid) != "auto":
            for host in served if not config.get("sniPassthrough") else []:
                self.refused(self.d.visit(host, self.d.views()[0]))
            return
        if config.get("httpPort", 80) != 80:
            return
        for host in served:
            self.reached(uid, self.d.visit(host, self.d.views()[0]))
        if served:
            self.d.pass_time(3.0)
            assert str(self.d.views()[0][f"ws-u{uid}"].backend.host).startswith("10.7."), "the route is not direct"

    def check_forwards(self, uid: int) -> None:
        document = self.d.document(uid) or {"ports": {}}
        claimed = [port for other in MEMBERS if other != uid for port in (self.d.document(other) or {"ports": {}})["ports"]]
        for port in document["ports"]:
            if port not in claimed and self.wanted(uid) == "auto":
                self.reached(uid, self.d.connect("127.0.0.1", int(port)))

    def check_ports(self) -> None:
        """What listens is what LXD says: no forward too many, every boot port its own."""
        documents = [self.d.document(uid) or {} for uid in MEMBERS]
        every = {int(port) for document in documents for port in document.get("ports", {})}
        suspended = [uid for uid in MEMBERS if self.wanted(uid) == "suspended"]
        closed = {int(port) for uid in suspended for port in (self.d.document(uid) or {}).get("ports", {})}
        taken = {port for port in EXTERNAL if self.d.reactor.taken(("127.0.0.1", port))}
        assert every - closed <= taken <= every, (every, closed, taken)
        boot = [instance.config[BOOT_PORT_KEY] for _, instance in self.d.instances()]
        assert len(set(boot)) == len(boot), boot
        bound = {port for port in range(20000, 20031) if self.d.reactor.taken(("127.0.0.1", port))}
        assert bound == {int(port) for port in boot}

    def refused(self, exchange: Exchange | None) -> None:
        assert exchange is not None
        assert self.d.clock.run_until(lambda: exchange.done), f"{exchange} waits for ever"
        assert exchange.status == 503, exchange

    def reached(self, uid: int, exchange: Exchange | None) -> None:
        assert exchange is not None
        assert self.d.clock.run_until(lambda: exchange.done), f"{exchange} waits for ever"
        self.d.look_at_routes()
        assert exchange.body == f"ws-u{uid}\n".encode(), exchange

    def teardown(self) -> None:
        try:
            self.calm()
        finally:
            self.d.close()
