"""A kube-apiserver and its etcd for tests: found where other projects look for them, else built and installed."""

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness import go_modules, packages, places
from harness.saying import CannotGoOn, say

SOURCE = places.CHECKOUT / "tools" / "kube-apiserver"
SOURCES = ("go.mod", "go.sum", "main.go")
ASSETS = "KUBEBUILDER_ASSETS"
"""The folder where controller-runtime's tests look for both programs."""
ETCD = ("etcd-server",)
VERSION_OF = "k8s.io/component-base/version"


@dataclass(frozen=True)
class Programs:
    """Paths of the two."""

    etcd: Path
    apiserver: Path


def ensured() -> Programs:
    """Both programs; builds and installs what is missing. Raises CannotGoOn with the reason when that cannot be."""
    return Programs(etcd=_found("etcd") or _installed_etcd(), apiserver=_found("kube-apiserver") or _built())


def _found(name: str) -> Path | None:
    assets = os.environ.get(ASSETS)
    found = shutil.which(name, path=assets) if assets else None
    found = found or shutil.which(name)
    return Path(found) if found else None


def _installed_etcd() -> Path:
    packages.ensure(ETCD, "a Kubernetes for tests")
    found = _found("etcd")
    if found is None:
        raise CannotGoOn(f"the package {ETCD[0]} has no program etcd here")
    return found


def _built() -> Path:
    """Build it once for what is in the folder, outside of the checkout: it takes minutes and 100 MB."""
    if shutil.which("go") is None:
        raise CannotGoOn(f"there is no kube-apiserver (in {ASSETS} or on PATH), and no Go to build one")
    program = places.cache() / "kube-apiserver" / _fingerprint() / "kube-apiserver"
    with go_modules.alone(program.with_name("lock")):
        if not program.exists():
            _build(program)
    return program


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update(name.encode() + b"\0" + (SOURCE / name).read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _build(program: Path) -> None:
    version = _version()
    major, minor, *_ = version.removeprefix("v").split(".")
    # It does not start without knowing its own version.
    facts = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    flags = " ".join(["-s", "-w", *(f"-X {VERSION_OF}.{name}={value}" for name, value in facts.items())])
    say(f"building kube-apiserver {version}, once: this takes some minutes ...")
    unfinished = program.with_name("unfinished")
    command = ["go", "build", "-mod=readonly", f"-ldflags={flags}", "-o", str(unfinished), "."]
    environment = {**os.environ, "CGO_ENABLED": "0"}
    done = subprocess.run(
        command, cwd=SOURCE, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CannotGoOn(f"kube-apiserver cannot be built: {done.stderr.strip()[-1000:]}")
    unfinished.replace(program)
    say(f"built {program}")


def _version() -> str:
    for line in (SOURCE / "go.mod").read_text(encoding="utf-8").splitlines():
        words = line.split()
        if words[:1] == ["k8s.io/kubernetes"]:
            return words[1]
    raise CannotGoOn(f"{SOURCE / 'go.mod'} names no k8s.io/kubernetes")
