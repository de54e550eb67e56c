"""`make clean`: remove everything that `make up`, `make test` and `make bench` made here, webspaces too."""

import shutil

from harness import daemon, host_lxd, lock, own_lxd, places
from harness.saying import run_program, say

CACHES = (".mypy_cache", ".ruff_cache", ".import_linter_cache", ".hypothesis", "build", "docs/_build")


def main() -> int:
    """Remove it all; what is not there is no fault."""
    if places.RUN.exists():
        with lock.held(places.RUN / "lock"):
            daemon.end_stale(places.RUN / "webspaced.yaml")
            daemon.end_stale_simulation()
            own_lxd.delete(places.RUN / "lxd")
            _clean_host()
    own_lxd.delete(places.RUN_TEST / "lxd")
    own_lxd.delete(places.RUN_TEST / "incus")
    # Of a benchmark that was killed.
    daemon.end_stale(places.RUN_TEST / "bench" / "webspaced.yaml")
    own_lxd.delete(places.RUN_TEST / "bench" / "lxd")
    caches = [places.CHECKOUT / name for name in CACHES]
    caches += places.CHECKOUT.glob("_trial_temp*")
    caches += (places.CHECKOUT / "src").glob("*.egg-info")
    for folder in (places.RUN, places.RUN_TEST, places.VENV, places.TOX, *caches):
        shutil.rmtree(folder, ignore_errors=True)
    say("clean")
    return 0


def _clean_host() -> None:
    socket = host_lxd.remembered()
    if socket is not None:
        host_lxd.remove(socket)


if __name__ == "__main__":
    run_program(main)
