"""Roots of the Debian that this machine runs, as archives: what a package is installed into, and what an image begins with.

Made once by mmdebstrap from the mirror that apt uses here, and kept; delete the folder to have newer ones.
"""

import hashlib
import subprocess
from pathlib import Path

from harness import packages, places
from harness.go_modules import alone
from harness.saying import CannotGoOn, say

RELEASES = {("debian", "12"): "bookworm", ("debian", "13"): "trixie"}
KINDS = {
    # With what the Debian package depends on: it is installed without a network.
    "system": ("ca-certificates", "python3", "systemd"),
    "base": ("ca-certificates",),
}
# As slim images are made.
LEFT_OUT = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*", "/usr/share/info/*")


def release() -> str:
    """The name of this machine's release; raises CannotGoOn on another distribution."""
    try:
        return RELEASES[packages.distribution()]
    except KeyError:
        raise CannotGoOn("packages and images are made on Debian 12 or 13") from None


def ensured(kind: str) -> Path:
    """Give the archive of one of :data:`KINDS`."""
    wanted = f"{release()} {KINDS[kind]} {LEFT_OUT}"
    digest = hashlib.sha256(wanted.encode()).hexdigest()[:12]
    archive = places.cache() / "debian" / f"{release()}-{kind}-{digest}.tar"
    with alone(archive.with_suffix(".lock")):
        if not archive.exists():
            _make(KINDS[kind], archive)
    return archive


def _make(wanted: tuple[str, ...], archive: Path) -> None:
    say(f"making a Debian with {' '.join(wanted)}, once ...")
    unfinished = archive.with_name(f"unfinished-{archive.name}")
    command = [
        "mmdebstrap", "--quiet", "--variant=apt", f"--include={','.join(wanted)}", '--aptopt=Acquire::Languages "none"',
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
        release(), str(unfinished), packages.mirror(release()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise CannotGoOn(f"no Debian can be made: {done.stderr.strip()[-500:]}")
    unfinished.replace(archive)
