"""The container network in the kernel: pods are namespaces, and nothing of it is simulated."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self
from unittest import TestCase

from tests.namespaces import require_namespaces
from tests.pods import Below, Pod
from tests.stack import wait_until

DEVICE = "kubelan"


class Pings(threading.Thread):
    """Asks for an answer every few ms while the context lasts; ``answers`` are the numbers of those that got one."""

    def __init__(self, pod: Pod, address: str) -> None:
        super().__init__()
        self.answers: list[int] = []
        self.sent = 0
        # -O: what is not answered until the next one is told, too.
        self._process = pod.space.start("ping", "-n", "-O", "-i", "0.02", address, stdout=subprocess.PIPE)

    def run(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if found := re.search(rb"bytes from .* icmp_seq=(\d+) ", line):
                self.answers.append(int(found[1]))
            elif found := re.match(rb"(\d+) packets transmitted", line):
                self.sent = int(found[1])

    def __enter__(self) -> Self:
        self.start()
        wait_until("the first one is answered", lambda: self.answers)
        return self

    def __exit__(self, *_: object) -> None:
        before = len(self.answers)
        wait_until("one is answered after all that", lambda: len(self.answers) > before)
        self._process.send_signal(signal.SIGINT)
        self.join()

    @property
    def unanswered(self) -> list[int]:
        """The numbers of those that got none. The last one may be under way at the end."""
        return sorted(set(range(1, self.sent)) - set(self.answers))


class LanTests(TestCase):
    def setUp(self) -> None:
        require_namespaces("ping")
        self.folder = Path(self.enterContext(TemporaryDirectory()))

    def pods(self, count: int) -> list[Pod]:
        below = Below(self, self.folder)
        return [below.pod() for _ in range(count)]

    def begin(self, pods: list[Pod], **more: Any) -> None:
        """Let each have an agent that knows all of them."""
        for pod in pods:
            pod.begin(pod.settings([each.address for each in pods], **more))

    def writes(self, pod: Pod) -> float:
        found = re.search(r"webspaced_lan_writes_total ([0-9.]+)", pod.get("metrics"))
        assert found
        return float(found[1])

    def test_pods_are_on_one_lan(self) -> None:
        first, second, third = pods = self.pods(3)
        self.begin(pods)
        self.assertTrue(first.space.answers(second.lan))
        self.assertTrue(second.space.answers(third.lan))
        self.assertIn("mtu 1450", first.device())
        self.assertTrue(first.space.answers(second.lan, size=1422))
        self.assertFalse(first.space.answers(second.lan, size=1423))
        self.assertTrue(first.get("ready").startswith("204"))
        config = json.loads(first.get("config").partition(" ")[2])
        self.assertEqual((config["VXLAN"]["Interface"], config["VXLAN"]["VNI"]), (DEVICE, 6969))

    def test_over_ipv6(self) -> None:
        first, second, stranger = pods = self.pods(3)
        for pod in pods:
            peers = [first.address6, second.address6]
            pod.begin({**pod.settings(peers), "ip": pod.address6, "guard": pod is not stranger})
        self.assertTrue(first.space.answers(second.lan))
        self.assertIn("mtu 1430", first.device())
        self.assertFalse(stranger.space.answers(first.lan))

    def test_nothing_is_written_while_nothing_changes(self) -> None:
        first, second = pods = self.pods(2)
        self.begin(pods)
        before = self.writes(first)
        passes = self.passes(first)
        wait_until("it looked some more", lambda: self.passes(first) > passes + 5)
        self.assertEqual(self.writes(first), before)
        self.assertTrue(second.space.answers(first.lan))

    def passes(self, pod: Pod) -> float:
        found = re.search(r'webspaced_lan_passes_total\{outcome="done"\} ([0-9.]+)', pod.get("metrics"))
        assert found
        return float(found[1])

    def test_an_agent_that_ends_or_is_killed_takes_nothing_with_it(self) -> None:
        first, second = pods = self.pods(2)
        self.begin(pods)
        index = first.device().partition(":")[0]
        with Pings(first, second.lan) as pings:
            for number in (signal.SIGTERM, signal.SIGKILL):
                first.end(number)
                first.begin(first.settings([second.address]))
        self.assertEqual(pings.unanswered, [])
        self.assertEqual(first.device().partition(":")[0], index, "the device is the same")

    def test_who_is_no_peer_any_more_is_forgotten_at_once(self) -> None:
        first, second, third = pods = self.pods(3)
        self.begin(pods)
        self.assertTrue(first.space.answers(second.lan))
        with Pings(first, third.lan) as pings:
            first.end()
            first.begin(first.settings([third.address]))
            wait_until("it is off", lambda: not first.space.answers(second.lan))
        self.assertEqual(pings.unanswered, [])
        self.assertNotIn(second.address, first.space.run("bridge", "fdb", "show", "dev", DEVICE))

    def test_who_comes_and_goes_is_not_noticed_by_those_who_stay(self) -> None:
        first, second, third = self.pods(3)
        stay = [first.address, second.address]
        others = [f"198.18.1.{number}" for number in range(1, 48)]
        for pod in (first, second):
            pod.know("peers.test", [*stay, third.address, *others])
            pod.begin({**pod.settings([]), "names": ["peers.test"]})
        wait_until("all are there", lambda: self.peers(first) == 49)
        with Pings(first, second.lan) as pings:
            for round_ in range(10):
                some = others[round_::2]
                for pod in (first, second):
                    pod.know("peers.test", [*stay, *some])
                wait_until("they changed", lambda some=some: self.peers(first) == self.peers(second) == 1 + len(some))
        self.assertEqual(pings.unanswered, [])

    def peers(self, pod: Pod) -> float:
        found = re.search(r'webspaced_lan_peers\{state="present"\} ([0-9.]+)', pod.get("metrics"))
        assert found
        return float(found[1])

    def test_a_stranger_gets_in_without_the_guard_and_not_with_it(self) -> None:
        first, second, stranger = self.pods(3)
        for guard, gets_in in ((False, True), (True, False)):
            for pod in (first, second):
                pod.begin(pod.settings([first.address, second.address], guard=guard))
            stranger.begin(stranger.settings([first.address, second.address], guard=False))
            self.assertTrue(first.space.answers(second.lan))
            self.assertEqual(stranger.space.answers(first.lan), gets_in)
            for pod in (first, second, stranger):
                pod.end()
        told = first.space.run("nft", "list", "table", "inet", f"webspaced_lan_{DEVICE}")
        self.assertRegex(told, r"drop")

    def test_what_others_change_is_put_right(self) -> None:
        first, second = pods = self.pods(2)
        for pod in pods:
            pod.space.run("ip", "link", "add", "lan", "type", "bridge")
            pod.space.run("ip", "link", "set", "lan", "up")
        self.begin(pods, bridge="lan")
        self.assertTrue(first.space.answers(second.lan))
        for order in (
            ("ip", "link", "set", DEVICE, "nomaster"), ("ip", "link", "set", DEVICE, "down"), ("ip", "link", "del", DEVICE),
            ("bridge", "fdb", "del", "00:00:00:00:00:00", "dev", DEVICE, "dst", second.address),
            ("ip", "addr", "flush", "dev", "lan"),
        ):  # fmt: skip
            first.space.run(*order)
            wait_until(" ".join(order), lambda: first.space.answers(second.lan))

    def test_a_device_of_others_is_not_touched(self) -> None:
        (pod,) = self.pods(1)
        pod.space.run("ip", "link", "add", DEVICE, "type", "veth", "peer", "name", "other")
        pod.begin(pod.settings([]), wait=False)
        wait_until("it says so", lambda: "no VXLAN" in pod.log.read_text())
        wait_until("it is not ready", lambda: "no VXLAN" in pod.get("ready"))
        self.assertTrue(pod.get("live").startswith("204"))
        self.assertIn("veth", pod.device())

    def test_an_interface_that_others_make_gets_bridge_and_address(self) -> None:
        (pod,) = self.pods(1)
        pod.space.run("ip", "link", "add", "lan", "type", "bridge")
        pod.space.run("ip", "link", "add", DEVICE, "mtu", "1400", "type", "veth", "peer", "name", "other")
        before = pod.device().partition("link/ether")[2].split()[0]
        pod.begin(pod.settings([], existing=True, bridge="lan"))
        self.assertIn(" master lan ", pod.device())
        self.assertIn(f"{pod.lan}/24", pod.space.run("ip", "addr", "show", "lan"))
        self.assertIn("mtu 1400", pod.device())
        self.assertIn(before, pod.device())

    def test_the_doctor_finds_an_mtu_that_is_too_large(self) -> None:
        first, second = pods = self.pods(2)
        self.begin(pods)
        self.assertEqual(self.doctor(first), (0, ""))
        first.end()
        first.begin(first.settings([second.address], vxlan={"mtu": 1480}))
        status, told = self.doctor(first)
        self.assertEqual(status, 1)
        self.assertIn("vxlan.mtu may be 1450 at most", told)

    def doctor(self, pod: Pod) -> tuple[int, str]:
        """Give the status, and the faults."""
        program = "import sys; from webspaced.lan.cli import main; sys.exit(main())"
        command = pod.space.wrapped(sys.executable, "-c", program, "doctor", "--config", str(pod.file))
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        faults = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("fine")]
        return done.returncode, "\n".join(faults)

    def test_hooks_have_their_variables(self) -> None:
        first, second = self.pods(2)
        hooks = {
            "up": ["sh", "-c", f"echo up $IFACE >> {self.folder}/hooks"],
            "change": ["sh", "-c", f"echo $IFACE $IPS $DELETED >> {self.folder}/hooks"],
        }
        first.begin(first.settings([second.address], hooks=hooks))
        wanted = f"up {DEVICE}\n{DEVICE} {second.address} false\n"
        wait_until("both ran", lambda: (self.folder / "hooks").exists() and (self.folder / "hooks").read_text() == wanted)
