"""How long a standby needs to take over 1,000 sleeping webspaces; a part of `make bench BENCH=routes`.

Two daemons, each a process with an address of its own as pods have, on a real kube-apiserver, beside a simulated LXD in a
process of its own. The one that leads is stopped in order, the other one takes over; then the first is started again,
and the same the other way round. Needs root, and what `harness.kube` finds or builds.

takeover
    From the moment at which the Lease names the other daemon until every EndpointSlice has named its address: both are
    watched, so nothing is asked meanwhile. `takeover_1000_s` is the median of `BENCH_TAKEOVERS` (3).
vacancy
    From the signal to the daemon that leads until the Lease names the other one. It is not part of the above.
writes
    What the API server counted of routes' objects meanwhile, per webspace.

`BENCH_WEBSPACES` (1000) changes the number, and the names of figures with it.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from attrs import frozen

from benchmarks import cluster
from benchmarks.interrupts import become_interruptible
from benchmarks.report import conclude, median
from benchmarks.simulated_lxd import simulated
from benchmarks.webspaces import settings_for
from harness import places, processes
from harness.kube_server import KubeServer
from harness.saying import CannotGoOn, run_program, say, tail
from webspaced.core.lease import name_of

API, INTERNAL = 8001, 8002
PATIENCE = 300.0
SLICES = "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"
ROUTES = "/apis/traefik.io/v1alpha1/namespaces/{}/ingressroutes"
OF_WEBSPACES = "labelSelector=app.kubernetes.io%2Fmanaged-by%3Dwebspaced"


@frozen
class Takeover:
    """Seconds, and writes."""

    vacancy: float
    lasted: float
    writes: int


class Pod:
    """One daemon, as a pod would have it."""

    def __init__(self, name: str, address: str, folder: Path) -> None:
        self.name = name
        self.address = address
        self._folder = places.private_folder(folder / name)
        self._environment = {**os.environ, "KUBECONFIG": str(folder / "kubeconfig")}
        self._process: subprocess.Popen[bytes] | None = None

    def write_settings(self, socket: Path, count: int) -> None:
        """Make it serve the webspaces of an LXD."""
        document = settings_for(self._folder, socket, count)
        document["webspaces"]["ports"] = {"listen_address": self.address}
        document["http"] = {"listen_address": f"{self.address}:{API}", "internal_address": f"{self.address}:{INTERNAL}"}
        document["traefik"] = {"provider": "kubernetes", "boot_address": self.address}
        document["leadership"] = {"pod": self.name}
        document["timeouts"] = {"startup": "5m"}
        (self._folder / "webspaced.yaml").write_text(json.dumps(document))

    def start(self) -> None:
        """Start it, and wait until it is ready, leading or not."""
        program = Path(sys.executable).with_name("twistd")
        command = [str(program), "-n", "--pidfile=", "webspaced", "--config", str(self._folder / "webspaced.yaml")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self._folder, env=self._environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        if not processes.wait_until(self._is_ready, PATIENCE):
            raise CannotGoOn(f"{self.name} was not ready within {PATIENCE:g} s")

    def _is_ready(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise CannotGoOn(f"{self.name} ended:\n{tail(self._folder / 'log')}")
        connection = http.client.HTTPConnection(self.address, API, timeout=PATIENCE)
        with suppress(OSError):
            connection.request("GET", "/ready")
            return connection.getresponse().status < 300
        return False

    def ask_to_end(self) -> None:
        """Stop it in order."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def end(self) -> None:
        """Stop it in order, and wait for its end."""
        self.ask_to_end()
        if self._process is not None:
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


def _watched(server: KubeServer, path: str) -> Iterator[Mapping[str, Any]]:
    """Give objects as they change, beginning now (https://kubernetes.io/docs/reference/using-api/api-concepts/)."""
    version = server.ask("GET", path)["metadata"]["resourceVersion"]
    joined = "&" if "?" in path else "?"
    connection = server.connection()
    connection.request("GET", f"{path}{joined}watch=true&resourceVersion={version}", headers=server.headers())
    response = connection.getresponse()

    def objects() -> Iterator[Mapping[str, Any]]:
        deadline = time.monotonic() + PATIENCE
        try:
            for line in response:
                yield json.loads(line)["object"]
                if time.monotonic() > deadline:
                    # A lease is renewed for ever: that something comes is no sign that the right thing does.
                    raise CannotGoOn(f"what was waited for did not come within {PATIENCE:g} s, in {path}")
        finally:
            connection.close()
        raise CannotGoOn(f"the watch of {path} ended")

    return objects()


def _addresses(piece: Mapping[str, Any]) -> list[str]:
    return [address for endpoint in piece.get("endpoints") or () for address in endpoint["addresses"]]


def _wait_until_published(server: KubeServer, namespace: str, count: int) -> None:
    """Wait for what is written last, two routes of each webspace: a daemon that leads is ready before."""

    def published() -> bool:
        return len(server.ask("GET", ROUTES.format(namespace))["items"]) == 2 * count

    if not processes.wait_until(published, PATIENCE, 0.5):
        raise CannotGoOn(f"{count} webspaces were not published within {PATIENCE:g} s")


def _take_over(server: KubeServer, namespace: str, leaving: Pod, staying: Pod, count: int) -> Takeover:
    leases = _watched(server, LEASES.format(namespace))
    slices = _watched(server, f"{SLICES.format(namespace)}?{OF_WEBSPACES}")
    written, began = cluster.writes(server), time.monotonic()
    leaving.ask_to_end()
    next(lease for lease in leases if name_of(lease["spec"].get("holderIdentity") or "") == staying.name)
    leads = time.monotonic()
    names: set[str] = set()
    while len(names) < count:
        piece = next(slices)
        if staying.address in _addresses(piece):
            names.add(piece["metadata"]["name"])
    done = time.monotonic()
    leaving.end()
    return Takeover(vacancy=leads - began, lasted=done - leads, writes=cluster.writes(server) - written)


@contextmanager
def _pods(server: KubeServer, namespace: str, count: int) -> Iterator[Sequence[Pod]]:
    """Have two daemons, not yet started."""
    with ExitStack() as cleaning:
        folder = Path(cleaning.enter_context(tempfile.TemporaryDirectory(prefix="webspaced-takeover-")))
        socket = cleaning.enter_context(simulated(folder, count))
        cluster.write_kubeconfig(server, namespace, folder / "kubeconfig")
        addresses = cleaning.enter_context(cluster.addresses(2))
        pods = [Pod(name, address, folder) for name, address in zip(("pod-a", "pod-b"), addresses, strict=True)]
        for pod in pods:
            spec = {"containers": [{"name": "webspaced", "image": "webspaced"}]}
            document = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod.name}, "spec": spec}
            server.ask("POST", f"/api/v1/namespaces/{namespace}/pods", document)
            pod.write_settings(socket, count)
            cleaning.callback(pod.end)
        yield pods


def _measure(times: int, count: int) -> dict[str, Any]:
    found = []
    with cluster.running() as server:
        namespace = cluster.hosting(server)
        with _pods(server, namespace, count) as pods:
            say(f"takeover of {count} sleeping webspaces: the first daemon publishes them ...")
            pods[0].start()
            _wait_until_published(server, namespace, count)
            for number in range(times):
                leading, standby = pods[number % 2], pods[1 - number % 2]
                standby.start()
                found.append(_take_over(server, namespace, leading, standby, count))
                say(f"  taken over in {found[-1].lasted:.2f} s, {found[-1].vacancy:.2f} s after the signal")
    return {
        f"takeover_{count}_s": round(median([each.lasted for each in found]), 2),
        f"takeover_{count}_worst_s": round(max(each.lasted for each in found), 2),
        "takeover_vacancy_s": round(median([each.vacancy for each in found]), 2),
        "takeover_writes_per_webspace": round(max(each.writes for each in found) / count, 3),
    }


def main() -> int:
    """Run it alone; the status of an interrupted run is 130."""
    reason = cluster.reason_against()
    if reason:
        say(f"without Kubernetes there is no takeover: {reason}")
        conclude({})
        return 0
    times, count = int(os.environ.get("BENCH_TAKEOVERS", "3")), int(os.environ.get("BENCH_WEBSPACES", "1000"))
    become_interruptible()
    try:
        conclude(_measure(times, count))
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    run_program(main)
