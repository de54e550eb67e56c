"""The image, built of the Containerfile by buildah on a Debian of our own, and run as a pod runs it. All blocks."""

from __future__ import annotations

import atexit
import json
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from harness import places
from tests.package.debian import given

PATIENCE = 300
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
DOWNLOADS = "/var/cache/pip"
"""Of pip, within the build."""
POLICY = {"default": [{"type": "insecureAcceptAnything"}]}
POD = (
    'mount --bind "$ROOT" "$ROOT" && cd "$ROOT" && mount -t tmpfs t var/lib/webspaced && mount -t tmpfs t tmp && '
    "mount -t tmpfs t run && mount --bind /dev dev && mount -t proc p proc && mkdir run/config run/lxd && "
    'cp "$SETTINGS" run/config/webspaced.yaml && chown 10001:10001 var/lib/webspaced tmp run/lxd && '
    "chmod 700 var/lib/webspaced && "
    'mount -o remount,bind,ro "$ROOT" && ip link set lo up && '
    'exec chroot "$ROOT" setpriv '
    '--reuid=10001 --regid=10001 --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$@"'
)
"""As the chart has it: user 10001, a root that is only read, no capabilities, and a volume for data."""


class Image:
    """See the module. All of buildah's is in one folder."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="webspaced-image-"))
        (self._folder / "policy.json").write_text(json.dumps(POLICY))
        try:
            self._build()
        except BaseException:
            self.remove()
            raise

    def _build(self) -> None:
        base = self._buildah("from", "--isolation=chroot", "scratch")
        self._buildah("add", "--quiet", base, str(given("WEBSPACED_TEST_DEBIAN_BASE")), "/")
        self._buildah("commit", "--quiet", *self._policy, base, "base")
        downloads = places.cache() / "pip"
        downloads.mkdir(parents=True, exist_ok=True)
        # This machine's authorities and downloads are no part of the image.
        volumes = (f"{CERTIFICATES}:{CERTIFICATES}:ro", f"{downloads}:{DOWNLOADS}")
        self._buildah(
            "build", *self._policy, "--isolation=chroot", "--network=host", "--format=docker",
            "--build-arg=BASE=localhost/base", f"--build-arg=PIP_CACHE_DIR={DOWNLOADS}",
            *(f"--volume={volume}" for volume in volumes), "--tag=webspaced", str(self._context()),
        )  # fmt: skip
        self._container = self._buildah("from", *self._policy, "--pull-never", "localhost/webspaced")
        self.root = Path(self._buildah("mount", self._container))

    @property
    def _policy(self) -> tuple[str, ...]:
        return ("--signature-policy", str(self._folder / "policy.json"))

    def _context(self) -> Path:
        context = self._folder / "context"
        (context / "dist").mkdir(parents=True)
        (context / "requirements").mkdir()
        shutil.copy(places.CHECKOUT / "Containerfile", context)
        shutil.copy(places.CHECKOUT / "requirements" / "image.lock", context / "requirements")
        shutil.copy(given("WEBSPACED_TEST_WHEEL"), context / "dist")
        return context

    def _buildah(self, *arguments: str) -> str:
        where = ("--root", str(self._folder / "storage"), "--runroot", str(self._folder / "run"), "--storage-driver=vfs")
        done = subprocess.run(
            ["buildah", *where, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=PATIENCE,
        )  # fmt: skip
        if done.returncode:
            message = f"buildah {arguments[0]} failed:\n{(done.stdout + done.stderr)[-3000:]}"
            raise AssertionError(message)
        return done.stdout.strip()

    def config(self) -> dict[str, Any]:
        """Give what the image says of how to run it."""
        told = json.loads(self._buildah("inspect", "--type=image", "localhost/webspaced"))
        config: dict[str, Any] = told["Docker"]["config"]
        return config

    def run(self, settings: Path, *command: str) -> str:
        """Run a command in a pod of it; gives its output, whatever its exit status."""
        variables = dict(variable.split("=", 1) for variable in self.config()["Env"])
        done = subprocess.run(
            ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "sh", "-c", POD, "sh", *command],
            env={**variables, "ROOT": str(self.root), "SETTINGS": str(settings)},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=120,
        )  # fmt: skip
        return done.stdout

    def packed(self) -> int:
        """How many bytes a registry sends for all of it: layers are compressed by gzip."""
        tar = subprocess.Popen(["tar", "-C", self.root, "-c", "."], stdout=subprocess.PIPE)
        gzip = subprocess.run(["gzip", "-6"], stdin=tar.stdout, capture_output=True, check=True)
        tar.wait()
        return len(gzip.stdout)

    def added(self) -> int:
        """How many bytes webspaced and its packages take, unpacked: what is not Debian's."""
        return sum(path.lstat().st_size for path in (self.root / "opt").rglob("*") if path.is_file())

    def remove(self) -> None:
        """Delete it, the base and all containers."""
        if hasattr(self, "_container"):
            self._buildah("umount", self._container)
        shutil.rmtree(self._folder)


@cache
def image() -> Image:
    """Give the one for all tests."""
    made = Image()
    atexit.register(made.remove)
    return made
