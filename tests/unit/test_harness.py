"""What make test says of the tiers is what continuous integration believes."""

import json
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

from twisted.trial.unittest import SynchronousTestCase

from harness import audit, charts, crds, go_modules, kube, own_lxd, packages, places, promtool, test
from harness.network import _networks, loose_cables
from harness.saying import CannotGoOn
from harness.test import Bench
from harness.tiers import Outcome, Tier, verdict

UNIT = Tier("unit")
LINT = Tier("lint", trial=False)


class VerdictTests(SynchronousTestCase):
    def counts(self, tier: Tier, status: int, *lines: str) -> tuple[int, int, int]:
        outcome = verdict(tier, status, lines, 1)
        return outcome.passed, outcome.failed, outcome.skipped

    def test_trial_passed(self) -> None:
        self.assertEqual(self.counts(UNIT, 0, "Ran 3 tests\n", "PASSED (successes=3)\n"), (3, 0, 0))

    def test_trial_failed(self) -> None:
        line = "FAILED (skips=1, failures=2, errors=1, successes=4)\n"
        self.assertEqual(self.counts(UNIT, 1, line), (4, 3, 1))

    def test_expected_failures_pass_and_unexpected_successes_fail(self) -> None:
        line = "FAILED (expectedFailures=2, unexpectedSuccesses=1, successes=1)\n"
        self.assertEqual(self.counts(UNIT, 1, line), (3, 1, 0))

    def test_broken_off_before_a_verdict(self) -> None:
        self.assertEqual(self.counts(UNIT, 1, "Traceback\n"), (0, 1, 0))

    def test_broken_off_after_a_verdict(self) -> None:
        self.assertEqual(self.counts(UNIT, 1, "PASSED (successes=3)\n"), (3, 1, 0))

    def test_nothing_ran(self) -> None:
        self.assertEqual(self.counts(UNIT, 0, "Ran 0 tests\n", "PASSED\n"), (0, 1, 0))

    def test_only_skipped(self) -> None:
        self.assertEqual(self.counts(UNIT, 0, "PASSED (skips=2)\n"), (0, 1, 2))

    def test_a_tier_of_several_runs(self) -> None:
        lines = ("PASSED (successes=3)\n", "Ran 2 tests\n", "FAILED (failures=1, skips=1, successes=1)\n")
        self.assertEqual(self.counts(UNIT, 1, *lines), (4, 1, 1))
        self.assertEqual(self.counts(UNIT, 1, *lines[:2]), (3, 1, 0))

    def test_what_a_test_prints_is_no_verdict(self) -> None:
        self.assertEqual(self.counts(UNIT, 0, "I PASSED (successes=9)\n", "PASSED (successes=1)\n"), (1, 0, 0))

    def test_other_tiers_count_as_one(self) -> None:
        self.assertEqual(self.counts(LINT, 0), (1, 0, 0))
        self.assertEqual(self.counts(LINT, 2), (0, 1, 0))


class RouteTests(SynchronousTestCase):
    def test_lines_of_ip_route(self) -> None:
        self.assertEqual(_networks("default via 192.0.2.1 dev eth0"), [])
        self.assertEqual([str(net) for net in _networks("10.1.2.0/24 dev br0 scope link")], ["10.1.2.0/24"])
        self.assertEqual([str(net) for net in _networks("local 10.1.2.1 dev br0 table local")], ["10.1.2.1/32"])
        self.assertEqual(_networks("0.0.0.0/0 dev tun0"), [])


class CableTests(SynchronousTestCase):
    """As `ip -json link show type veth` gives them."""

    def veth(self, name: str, peer: str, address: str = "00:16:3e:01:02:03", **more: str) -> dict[str, Any]:
        return {"ifname": name, "link": peer, "address": address, **more}

    def test_a_pair_that_is_plugged_into_nothing_is_loose(self) -> None:
        pair = [self.veth("vethb", "vetha"), self.veth("vetha", "vethb", "52:d8:b2:fd:8a:e2")]
        self.assertEqual(loose_cables(pair), {"vetha"})

    def test_one_that_a_container_or_a_bridge_has_is_not(self) -> None:
        moved = self.veth("vetha", "if7", link_netnsid="0")
        plugged = [self.veth("vethb", "vethc"), self.veth("vethc", "vethb", master="br0")]
        self.assertEqual(loose_cables([moved, *plugged]), set())

    def test_nor_are_those_of_others(self) -> None:
        pair = [self.veth("a", "b", "52:d8:b2:fd:8a:e2"), self.veth("b", "a", "52:d8:b2:fd:8a:e3")]
        self.assertEqual(loose_cables(pair), set())


class IncusTests(SynchronousTestCase):
    """Real Incus beside the LXD: where it cannot be had, that is said, and counts where all is required."""

    def bench(self, failure: str) -> Bench:
        def ensured(*_: object, **__: object) -> None:
            raise CannotGoOn(failure)

        self.patch(own_lxd, "ensured", ensured)
        bench = object.__new__(Bench)
        bench._stack, bench._lxd, bench._incus, bench._kube = ExitStack(), None, None, None
        bench._no_incus = bench._no_browser = bench._no_servers = ""
        return bench

    def test_the_reason_is_told_to_the_tests_and_to_people(self) -> None:
        self.patch(test, "say", lambda _: None)
        bench = self.bench("apt-get failed:\nReading lists\nE: Unable to locate package incus-base\n")
        reason = bench._bring_up_incus()
        self.assertEqual(reason, "Incus: E: Unable to locate package incus-base")
        self.assertEqual(bench._environment()["WEBSPACED_TEST_WITHOUT"], reason)
        self.assertIn(reason, str(Outcome("real", passed=1, without=reason)))

    def test_what_is_missing_is_a_gap(self) -> None:
        said: list[str] = []
        self.patch(test, "say", said.append)
        outcomes = [Outcome("real", passed=5, skipped=3, without="Incus: no package")]
        self.assertEqual(test._summary(outcomes, all_required=False), 0)
        self.assertEqual(test._summary(outcomes, all_required=True), 1)
        self.assertEqual(said[-1], "5 passed, 3 failed")
        # Even if no test had noticed.
        self.assertEqual(test._summary([Outcome("real", passed=5, without="Incus")], all_required=True), 1)


class BrowserTests(SynchronousTestCase):
    def test_where_there_is_none_that_is_said(self) -> None:
        def ensured(*_: object) -> None:
            raise CannotGoOn("apt-get failed:\nE: Unable to locate package chromium\n")

        self.patch(packages, "ensure", ensured)
        self.patch(test, "say", lambda _: None)
        bench = object.__new__(Bench)
        bench._lxd, bench._incus, bench._kube, bench._no_incus = None, None, None, "Incus: no"
        bench._no_browser = bench._no_servers = ""
        reason = bench._bring_browser()
        self.assertEqual(reason, "Chromium: E: Unable to locate package chromium")
        self.assertEqual(bench._environment()["WEBSPACED_TEST_WITHOUT"], f"Incus: no; {reason}")


class ServerTests(SynchronousTestCase):
    def test_where_there_are_none_that_is_said(self) -> None:
        def ensured(wanted: tuple[str, ...], _purpose: str) -> None:
            raise CannotGoOn(f"apt-get failed:\nE: Unable to locate package {wanted[0]}\n")

        self.patch(packages, "ensure", ensured)
        self.patch(test, "say", lambda _: None)
        bench = object.__new__(Bench)
        bench._lxd, bench._incus, bench._kube, bench._no_incus = None, None, None, ""
        bench._no_browser = bench._no_servers = ""
        reason = bench._bring_servers()
        self.assertEqual(reason, "Redis, pebble: E: Unable to locate package redis-server")
        self.assertEqual(bench._environment()["WEBSPACED_TEST_WITHOUT"], reason)


class KubeTests(SynchronousTestCase):
    """A Kubernetes API: found, or built once, or left out with the reason."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.on_path: dict[str, str] = {"etcd": "/usr/bin/etcd"}
        self.built: list[list[str]] = []
        self.patch(shutil, "which", self.which)
        self.patch(subprocess, "run", self.run_program)
        self.patch(places, "cache", lambda: self.folder)
        self.patch(kube, "say", lambda _: None)

    def which(self, name: str, path: str | None = None) -> str | None:
        return f"{path}/{name}" if path else self.on_path.get(name)

    def run_program(self, command: list[str], **_: Any) -> SimpleNamespace:
        self.built.append(command)
        Path(command[command.index("-o") + 1]).write_text("program")
        return SimpleNamespace(returncode=0)

    def test_where_other_projects_look(self) -> None:
        self.patch(kube.os, "environ", {kube.ASSETS: "/assets"})
        self.assertEqual(kube.ensured(), kube.Programs(Path("/assets/etcd"), Path("/assets/kube-apiserver")))

    def test_built_once(self) -> None:
        self.on_path["go"] = "/usr/bin/go"
        self.patch(kube.os, "environ", {})
        first, second = kube.ensured(), kube.ensured()
        self.assertEqual((first, len(self.built)), (second, 1))
        self.assertTrue(first.apiserver.is_relative_to(self.folder))
        self.assertIn(f"-X k8s.io/component-base/version.gitVersion={kube._version()}", " ".join(self.built[0]))

    def test_what_is_built_from_is_what_counts(self) -> None:
        copy = self.folder / "copy"
        shutil.copytree(kube.SOURCE, copy)
        before = kube._fingerprint()
        self.patch(kube, "SOURCE", copy)
        self.assertEqual(kube._fingerprint(), before)
        (copy / "main.go").write_text("package main")
        self.assertNotEqual(kube._fingerprint(), before)

    def test_without_any_of_it_the_reason_is_told(self) -> None:
        self.patch(kube.os, "environ", {})
        bench = object.__new__(Bench)
        self.assertIn("no Go to build one", bench._bring_kube())


class SchemasTests(SynchronousTestCase):
    """Out of Go's modules, once for all checkouts."""

    def setUp(self) -> None:
        self.modules, self.cache = Path(self.mktemp()), Path(self.mktemp())
        self.sum = "h1:right="
        self.asked: list[str] = []
        pinned = self.modules / "modules.json"
        (self.modules / "crds").mkdir(parents=True)
        (self.modules / "crds" / "one.yml").write_text("kind: CustomResourceDefinition\n")
        entry = {"module": "example.org/maker/thing", "version": "v1.0.0", "sum": "h1:right=", "files": ["crds/*.yml"]}
        pinned.write_text(json.dumps([entry]))
        self.patch(crds, "PINNED", pinned)
        self.patch(places, "cache", lambda: self.cache)
        self.patch(crds, "say", lambda _: None)
        self.patch(crds.shutil, "which", lambda _: "/usr/bin/go")
        self.patch(go_modules.subprocess, "run", self.go)

    def go(self, command: list[str], **_: object) -> SimpleNamespace:
        self.asked.append(command[-1])
        told = {"Sum": self.sum, "Dir": str(self.modules)}
        return SimpleNamespace(returncode=0, stdout=json.dumps(told), stderr="")

    def test_they_are_fetched_once_and_named_as_tests_look_for_them(self) -> None:
        first, second = crds.ensured(), crds.ensured()
        self.assertEqual((first, self.asked), (second, ["example.org/maker/thing@v1.0.0"]))
        self.assertEqual([each.name for each in first.glob("*.yaml")], ["maker-one.yaml"])

    def test_another_module_than_the_pinned_one_is_refused_and_leaves_nothing(self) -> None:
        self.sum = "h1:wrong="
        error = self.assertRaises(CannotGoOn, crds.ensured)
        self.assertIn("h1:wrong=", str(error))
        self.assertEqual([each for each in (self.cache / "crds").iterdir() if each.is_dir()], [])

    def test_without_go_it_is_said(self) -> None:
        self.patch(crds.shutil, "which", lambda _: None)
        self.assertIn("no Go", str(self.assertRaises(CannotGoOn, crds.ensured)))


class PromtoolTests(SynchronousTestCase):
    """Out of a package that is not installed, once for all checkouts."""

    def setUp(self) -> None:
        self.cache = Path(self.mktemp())
        self.asked: list[list[str]] = []
        self.failures = 0
        self.program = "usr/bin/promtool"
        self.there = {"apt-get": "/usr/bin/apt-get", "dpkg-deb": "/usr/bin/dpkg-deb"}
        self.patch(places, "cache", lambda: self.cache)
        self.patch(promtool, "say", lambda _: None)
        self.patch(promtool.shutil, "which", self.there.get)
        self.patch(promtool.subprocess, "run", self.apt)

    def apt(self, command: list[str], cwd: Path, **_: object) -> SimpleNamespace:
        self.asked.append(command[:2])
        if command[1] == "download" and self.failures:
            self.failures -= 1
            return SimpleNamespace(returncode=100, stderr="E: Unable to locate package prometheus")
        if command[1] == "download":
            (cwd / "prometheus_2.deb").touch()
        elif command[1] == "-x":
            (cwd / "files" / self.program).parent.mkdir(parents=True)
            (cwd / "files" / self.program).touch()
        return SimpleNamespace(returncode=0, stderr="")

    def test_the_machines_own_is_used(self) -> None:
        self.there["promtool"] = "/usr/bin/promtool"
        self.assertEqual((promtool.ensured(), self.asked), (Path("/usr/bin/promtool"), []))

    def test_it_is_fetched_once_and_never_installed(self) -> None:
        first, second = promtool.ensured(), promtool.ensured()
        self.assertTrue(first.exists())
        self.assertEqual((first, self.asked), (second, [["apt-get", "download"], ["dpkg-deb", "-x"]]))

    def test_apt_without_lists_gets_some(self) -> None:
        self.failures = 1
        promtool.ensured()
        asked = [["apt-get", "download"], ["apt-get", "update"], ["apt-get", "download"], ["dpkg-deb", "-x"]]
        self.assertEqual(self.asked, asked)

    def test_where_it_cannot_be_had_that_is_said_and_nothing_left(self) -> None:
        self.failures = 2
        self.assertIn("Unable to locate", str(self.assertRaises(CannotGoOn, promtool.ensured)))
        self.program = "usr/bin/other"
        self.assertIn("has no usr/bin/promtool", str(self.assertRaises(CannotGoOn, promtool.ensured)))
        self.assertEqual([each for each in self.cache.iterdir() if each.is_dir()], [])
        self.there.clear()
        self.assertIn("no apt", str(self.assertRaises(CannotGoOn, promtool.ensured)))


class ChartProgramsTests(SynchronousTestCase):
    """Helm and kubeconform: built once, from the modules that are pinned."""

    def setUp(self) -> None:
        self.cache = Path(self.mktemp()).absolute()
        self.sum = "h1:right="
        self.ran: list[list[str]] = []
        pinned = Path(self.mktemp())
        entry = {"module": "example.org/maker", "version": "v1.0.0", "sum": "h1:right=", "package": "cmd"}
        entries = [{**entry, "name": name, "variables": {"a.b": "c"}} for name in ("helm", "kubeconform")]
        pinned.write_text(json.dumps(entries))
        self.patch(charts, "PINNED", pinned)
        self.patch(places, "cache", lambda: self.cache)
        self.patch(go_modules, "say", lambda _: None)
        self.patch(go_modules.shutil, "which", lambda _: "/usr/bin/go")
        self.patch(go_modules.subprocess, "run", self.go)

    def go(self, command: list[str], **_: object) -> SimpleNamespace:
        self.ran.append(command)
        if "-o" in command:
            Path(command[command.index("-o") + 1]).write_text("program")
        told = {"Sum": self.sum, "Dir": str(self.cache)}
        return SimpleNamespace(returncode=0, stdout=json.dumps(told), stderr="")

    def test_they_are_built_once(self) -> None:
        first, second = charts.ensured(), charts.ensured()
        self.assertEqual((first, len([each for each in self.ran if "-o" in each])), (second, 2))
        self.assertEqual([first.helm.read_text(), first.kubeconform.read_text()], ["program", "program"])
        self.assertIn("-ldflags=-s -w -X a.b=c", self.ran[1])

    def test_another_module_than_the_pinned_one_is_not_built(self) -> None:
        self.sum = "h1:wrong="
        self.assertIn("h1:wrong=", str(self.assertRaises(CannotGoOn, charts.ensured)))
        self.assertEqual([each for each in self.ran if "-o" in each], [])

    def test_without_go_it_is_said(self) -> None:
        self.patch(go_modules.shutil, "which", lambda _: None)
        self.assertIn("no Go", str(self.assertRaises(CannotGoOn, charts.ensured)))


class PinnedTests(SynchronousTestCase):
    def test_every_module_has_its_version_its_sum_and_its_files(self) -> None:
        for entry in json.loads(crds.PINNED.read_text()):
            self.assertEqual(set(entry), {"module", "version", "sum", "files"})
        for entry in json.loads(charts.PINNED.read_text()):
            self.assertEqual(set(entry), {"name", "module", "version", "sum", "package", "variables"})


class NothingOutsideTests(SynchronousTestCase):
    def test_nothing_is_looked_for_beside_the_checkout(self) -> None:
        for folder in ("harness", "tests", "benchmarks", "tools"):
            for path in (places.CHECKOUT / folder).rglob("*.py"):
                self.assertNotIn(f"{'CHECKOUT'}.parent", path.read_text(), path)


class AuditTests(SynchronousTestCase):
    """As pip-audit 2.10 writes it."""

    told: ClassVar[Any] = {"dependencies": [
        {"name": "good", "version": "1", "vulns": []},
        {"name": "bad", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"], "aliases": []}]},
        {"name": "old", "version": "4", "vulns": [{"id": "PYSEC-2", "fix_versions": []}]},
        {"name": "strange", "skip_reason": "not found"},
    ]}  # fmt: skip

    def test_what_is_vulnerable_and_what_is_not_known(self) -> None:
        self.assertEqual(list(audit.vulnerable(self.told)), [
            "bad 2: PYSEC-1 (mended in 3)", "old 4: PYSEC-2 (mended in no version yet)",
        ])  # fmt: skip
        self.assertEqual(audit.unknown(self.told), ["strange"])
