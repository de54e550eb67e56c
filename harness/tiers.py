"""The tiers of tests: what each needs, and what its output says about it."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from harness import flavour, packages, places
from harness.saying import CannotGoOn


@dataclass(frozen=True)
class Tier:
    """One environment of tox. `trial`: its tests are tests.<name>; otherwise it counts as one test.

    `usual`: it is among those that run when none is named.
    `incus`: some of its tests want an Incus beside the LXD. `browser`: some want Chromium.
    `servers`: some want Redis and an ACME server.
    `kube`: it needs a kube-apiserver, an etcd, helm and kubeconform, and the schemas of custom resources. `schemas`: some of
    its tests want those.
    `packaging`: it needs root, Debian's own tools for packages and images, and a root of Debian's.
    `programs`: some want the programs that the services beside the daemon run.
    `promtool`: some want Prometheus' own tool. `documents`: some want the programs that pages use.
    `program`: it is this module, run with `.venv`, instead of an environment of tox.
    """

    name: str
    trial: bool = True
    lxd: bool = False
    usual: bool = True
    incus: bool = False
    browser: bool = False
    servers: bool = False
    kube: bool = False
    schemas: bool = False
    packaging: bool = False
    promtool: bool = False
    documents: bool = False
    programs: bool = False
    program: str = ""


TIERS = (
    Tier("lint", trial=False),
    Tier("unit", schemas=True, promtool=True, programs=True),
    Tier("real", lxd=True, incus=True, browser=True, servers=True),
    Tier("kube", kube=True),
    Tier("package", packaging=True),
    Tier("faults", lxd=True),
    Tier("bench", trial=False, servers=True, program="benchmarks.short"),
    Tier("docs", browser=True, documents=True),
    Tier("soak", lxd=True, usual=False),
)


@dataclass(frozen=True)
class Outcome:
    """How a tier went. `left_out` is the reason why it did not run at all, `without` what its tests had to do without."""

    tier: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0
    left_out: str = ""
    without: str = ""

    @property
    def gaps(self) -> int:
        """How many things were left out: the tier itself, or tests in it."""
        return max(self.skipped, int(bool(self.left_out or self.without)))

    def __str__(self) -> str:
        """One line of the summary."""
        if self.left_out:
            return f"{self.tier:8} left out: {self.left_out}"
        skipped = f", {self.skipped} skipped inside" if self.skipped else ""
        without = f"; without {self.without}" if self.without else ""
        return f"{self.tier:8} {self.passed} passed, {self.failed} failed{skipped}  ({self.seconds:.0f} s){without}"


def reason_against(tier: Tier) -> str:
    """Why this machine cannot run a tier; empty when it can. Says nothing of LXD coming up."""
    if tier.trial and not (places.CHECKOUT / "tests" / tier.name).exists():
        return f"there is no tests/{tier.name}"
    if tier.packaging and not packages.is_root():
        return "needs root, to unpack a Debian and enter it"
    if tier.lxd and not packages.is_root():
        return "needs root, for an LXD of its own"
    if tier.lxd:
        try:
            flavour.for_this_machine()
        except CannotGoOn as error:
            return str(error)
    return ""


# The last words of each trial: PASSED (skips=1, successes=2) or FAILED (failures=1, errors=1, successes=2).
_VERDICT = re.compile(r"^(?:PASSED|FAILED)(?: \((?P<counts>[^)]*)\))?\s*$")
_PASSED = ("successes", "expectedFailures")
_FAILED = ("failures", "errors", "unexpectedSuccesses")


def verdict(tier: Tier, status: int, lines: Iterable[str], seconds: float) -> Outcome:
    """What a tier's exit status and output come to."""
    if not tier.trial:
        return Outcome(tier.name, passed=int(status == 0), failed=int(status != 0), seconds=seconds)
    counts = _counts(lines)
    passed = sum(counts[word] for word in _PASSED)
    failed = sum(counts[word] for word in _FAILED)
    if not failed and (status or not passed):
        # It broke off before trial could count, or nothing ran: neither is a success.
        failed = 1
    return Outcome(tier.name, passed, failed, counts["skips"], seconds)


def is_verdict(line: str) -> bool:
    """Whether a line is what :func:`verdict` counts."""
    return _VERDICT.match(line) is not None


def _counts(lines: Iterable[str]) -> Counter[str]:
    """The numbers of all verdicts: a tier may be several runs of trial."""
    counts: Counter[str] = Counter()
    for line in lines:
        found = _VERDICT.match(line)
        for word, number in re.findall(r"(\w+)=(\d+)", (found and found["counts"]) or ""):
            counts[word] += int(number)
    return counts
