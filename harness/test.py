"""`make test`: run every tier that this machine allows through tox, and name each one left out with the reason."""

import argparse
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import FrameType

from harness import charts, crds, debian_root, flavour, kube, own_lxd, packages, places, promtool, venv
from harness.private_lxd import PrivateLxd
from harness.saying import CannotGoOn, run_program, say
from harness.tiers import TIERS, Outcome, Tier, is_verdict, reason_against, verdict

TOX = "tox>=4.11,<5"
LXD_DIRECTORY = places.RUN_TEST / "lxd"
INCUS_DIRECTORY = places.RUN_TEST / "incus"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m harness.test", description=__doc__)
    parser.add_argument("tiers", nargs="*", metavar="TIER", help=" ".join(tier.name for tier in TIERS))
    parser.add_argument(
        "--require", choices=["all", "some"], default="some", help="all: what is left out counts as failed"
    )
    arguments = parser.parse_args()
    unknown = set(arguments.tiers) - {tier.name for tier in TIERS}
    if unknown:
        parser.error(f"no such tier: {', '.join(sorted(unknown))}")
    return arguments


class Bench:
    """What the tiers run with: a tox, one wheel for all, one LXD of our own, and one Incus."""

    _crds: Path | None = None
    _promtool: Path | None = None
    _charts: charts.Programs | None = None
    _roots: Mapping[str, Path] = {}
    _wheel: Path | None = None

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._runner = venv.Venv(places.TOX_RUNNER)
        self._lxd: PrivateLxd | None = None
        self._incus: PrivateLxd | None = None
        self._kube: kube.Programs | None = None
        self._no_incus = ""
        self._no_browser = ""
        self._no_servers = ""
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="webspaced-dist-")))
        places.TOX.mkdir(exist_ok=True)
        self._runner.ensure()
        if self._runner.noted("tox") != TOX:
            self._runner.install(TOX)
            self._runner.note("tox", TOX)
        self._wheel = venv.build_wheel(self._runner.python, folder)

    def run(self, tier: Tier) -> Outcome:
        """Run a tier, unless this machine cannot."""
        left_out = reason_against(tier)
        if tier.lxd and not left_out:
            left_out = self._bring_up_lxd()
        if tier.kube and not left_out:
            left_out = self._bring_kube()
        if tier.packaging and not left_out:
            left_out = self._bring_packaging()
        if left_out:
            return Outcome(tier.name, left_out=left_out)
        without = "; ".join(filter(None, (
            self._bring_up_incus() if tier.incus else "",
            self._bring_browser() if tier.browser else "",
            self._bring_servers() if tier.servers else "",
            self._bring_schemas() if tier.schemas else "",
            self._bring_promtool() if tier.promtool else "",
            self._bring_programs(packages.DOCUMENTS, "the commands of the documentation") if tier.documents else "",
            self._bring_programs(packages.PROGRAMS, "the services beside the daemon") if tier.programs else "",
        )))
        began = time.monotonic()
        verdicts: list[str] = []
        status = self._tox(tier, verdicts)
        return replace(verdict(tier, status, verdicts, time.monotonic() - began), without=without)

    def _bring_up_lxd(self) -> str:
        """Before each tier: the one before may have killed it. Gives the reason when it does not come up."""
        places.private_folder(places.RUN_TEST)
        if self._lxd is None:
            self._stack.callback(own_lxd.delete, LXD_DIRECTORY)
        try:
            self._lxd = own_lxd.ensured(LXD_DIRECTORY)
        except CannotGoOn as error:
            return str(error)
        return ""

    def _bring_up_incus(self) -> str:
        """Bring up the Incus beside the LXD; gives what the tests are without, and why, when it cannot be had."""
        if self._incus is None:
            self._stack.callback(own_lxd.delete, INCUS_DIRECTORY)
        try:
            self._incus = own_lxd.ensured(INCUS_DIRECTORY, flavour=flavour.INCUS)
        except CannotGoOn as error:
            say(f"no Incus beside the LXD: {error}")
            # What apt says last is what is wrong.
            self._no_incus = f"Incus: {str(error).strip().splitlines()[-1]}"
            return self._no_incus
        return ""

    def _bring_kube(self) -> str:
        """Find or make the programs of a Kubernetes API and of charts; gives the reason when there are none."""
        try:
            self._kube, self._crds, self._charts = kube.ensured(), crds.ensured(), charts.ensured()
        except CannotGoOn as error:
            return str(error).strip().splitlines()[-1]
        return ""

    def _bring_packaging(self) -> str:
        """Install the tools for packages and images, and make the Debian beneath; gives the reason when there is none."""
        try:
            packages.ensure(packages.PACKAGING, "packages and images")
            self._roots = {kind: debian_root.ensured(kind) for kind in debian_root.KINDS}
        except CannotGoOn as error:
            return str(error).strip().splitlines()[-1]
        return ""

    def _bring_schemas(self) -> str:
        """Fetch the schemas of custom resources; gives what the tests are without, and why, when they cannot be had."""
        try:
            self._crds = crds.ensured()
        except CannotGoOn as error:
            say(f"no schemas of custom resources: {error}")
            return f"schemas: {str(error).strip().splitlines()[-1]}"
        return ""

    def _bring_promtool(self) -> str:
        """Fetch Prometheus' own tool; gives what the tests are without, and why, when it cannot be had."""
        try:
            self._promtool = promtool.ensured()
        except CannotGoOn as error:
            say(f"no promtool: {error}")
            return f"promtool: {str(error).strip().splitlines()[-1]}"
        return ""

    def _bring_programs(self, names: Sequence[str], purpose: str) -> str:
        """Install packages whose programs some tests run; gives what the tests are without, and why."""
        try:
            packages.ensure(names, purpose)
        except CannotGoOn as error:
            say(f"no programs for {purpose}: {error}")
            return f"{', '.join(names)}: {str(error).strip().splitlines()[-1]}"
        return ""

    def _bring_browser(self) -> str:
        """Install the browser for the tests of pages; gives what the tests are without, and why, when it cannot be had."""
        try:
            packages.ensure(packages.BROWSER, "the browser for the tests of pages")
        except CannotGoOn as error:
            say(f"no browser: {error}")
            self._no_browser = f"Chromium: {str(error).strip().splitlines()[-1]}"
        return self._no_browser

    def _bring_servers(self) -> str:
        """Install the servers that tests start themselves; gives what the tests are without, and why."""
        try:
            packages.ensure(packages.SERVERS, "Redis and an ACME server for the tests of routes")
        except CannotGoOn as error:
            say(f"no Redis or no ACME server: {error}")
            self._no_servers = f"Redis, pebble: {str(error).strip().splitlines()[-1]}"
        return self._no_servers

    def _environment(self) -> dict[str, str]:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        if self._lxd is not None:
            environment["WEBSPACED_TEST_LXD_DIR"] = str(self._lxd.directory)
            environment["WEBSPACED_TEST_LXD_SOCKET"] = str(self._lxd.socket)
        if self._incus is not None:
            environment["WEBSPACED_TEST_INCUS_DIR"] = str(self._incus.directory)
        if self._kube is not None:
            environment["WEBSPACED_TEST_KUBE_APISERVER"] = str(self._kube.apiserver)
            environment["WEBSPACED_TEST_ETCD"] = str(self._kube.etcd)
        if self._charts is not None:
            environment["WEBSPACED_TEST_HELM"] = str(self._charts.helm)
            environment["WEBSPACED_TEST_KUBECONFORM"] = str(self._charts.kubeconform)
        if self._crds is not None:
            environment["WEBSPACED_TEST_CRDS"] = str(self._crds)
        for kind, root in self._roots.items():
            environment[f"WEBSPACED_TEST_DEBIAN_{kind.upper()}"] = str(root)
            environment["WEBSPACED_TEST_WHEEL"] = str(self._wheel)
        if self._promtool is not None:
            environment["WEBSPACED_TEST_PROMTOOL"] = str(self._promtool)
        without = "; ".join(filter(None, (self._no_incus, self._no_browser, self._no_servers)))
        if without:
            environment["WEBSPACED_TEST_WITHOUT"] = without
        return environment

    def _tox(self, tier: Tier, verdicts: list[str]) -> int:
        """Run one environment, its output shown while it comes; gives the exit status, and what trial said at last."""
        process = subprocess.Popen(
            self._command(tier), cwd=places.CHECKOUT, env=self._environment(), text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        assert process.stdout is not None  # noqa: S101 - for mypy: it was asked for
        for line in process.stdout:
            print(line, end="", flush=True)
            if is_verdict(line):
                verdicts.append(line)
        return process.wait()


    def _command(self, tier: Tier) -> list[str]:
        if tier.program:
            return [str(venv.ensure_product().python), "-u", "-m", tier.program]
        return [
            str(self._runner.python), "-m", "tox", "run", "--root", str(places.CHECKOUT), "--workdir", str(places.TOX),
            "--installpkg", str(self._wheel), "-e", tier.name,
        ]


def _run_all(wanted: list[Tier]) -> list[Outcome]:
    outcomes = []
    with ExitStack() as stack:
        bench = Bench(stack)
        for tier in wanted:
            say(f"\n=== {tier.name} ===")
            outcomes.append(bench.run(tier))
            say(str(outcomes[-1]))
    return outcomes


def _summary(outcomes: list[Outcome], *, all_required: bool) -> int:
    """Print how it went; gives the exit status. The last line is for programs."""
    say("\n=== summary ===")
    for outcome in outcomes:
        say(str(outcome))
    passed = sum(outcome.passed for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes)
    gaps = sum(outcome.gaps for outcome in outcomes)
    if gaps and all_required:
        say(f"{gaps} left out or skipped, and all are required: counted as failed")
        failed += gaps
    say(f"{passed} passed, {failed} failed")
    return int(failed > 0 or passed == 0)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Run the tiers that were named, or all."""
    arguments = _arguments()
    # On SIGTERM too the LXD of the tests has to go.
    signal.signal(signal.SIGTERM, _interrupt)
    wanted = [tier for tier in TIERS if (tier.name in arguments.tiers if arguments.tiers else tier.usual)]
    try:
        outcomes = _run_all(wanted)
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    return _summary(outcomes, all_required=arguments.require == "all")


if __name__ == "__main__":
    run_program(main)
