"""The image server as a process of its own, real split images, and the clients of LXD and Incus that read them."""

from __future__ import annotations

import io
import json
import lzma
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import tiny_image
from harness.private_lxd import PROFILE, PrivateLxd
from tests.authority import Authority
from tests.stack import free_ports, wait_until

CREATED = tiny_image.MOMENT


def split_image(folder: Path, name: str, extra: bytes = b"") -> tuple[Path, Path]:
    """The tiny image as a metadata archive and a squashfs; ``extra`` is a file more in it. Needs root."""
    unified = io.BytesIO(tiny_image.build("fast"))
    root = folder / f"{name}.root"
    with tarfile.open(fileobj=unified) as archive:  # our own, as it was built
        described = archive.extractfile("metadata.yaml")
        assert described is not None
        metadata = described.read()
        archive.extractall(root, filter="fully_trusted")  # noqa: S202
    (root / "rootfs" / "extra").write_bytes(extra)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("metadata.yaml")
        entry.size = len(metadata)
        archive.addfile(entry, io.BytesIO(metadata))
    first, second = folder / f"{name}.tar.xz", folder / f"{name}.squashfs"
    first.write_bytes(lzma.compress(packed.getvalue()))
    # As it is: what is packed anew differs in all its bytes, and a delta saves nothing.
    subprocess.run(
        ["mksquashfs", root / "rootfs", second, "-noappend", "-quiet", "-all-root", "-mkfs-time", str(CREATED), "-noD",
         "-noF"],
        check=True, capture_output=True,
    )  # fmt: skip
    shutil.rmtree(root)
    return first, second


class ImageServer:
    """``twistd -n webspaced-images`` with TLS on loopback, over a folder and a release API."""

    def __init__(self, **settings: Any) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="webspaced-images-test-"))
        self.published = self.folder / "published"
        self.port, self.operators = free_ports(2)
        self._authority = Authority("images of a test")
        for name, pem in zip(("crt", "key"), self._authority.issue("images", "127.0.0.1"), strict=True):
            (self.folder / name).write_bytes(pem)
        self._settings = {
            "data_dir": str(self.folder / "data"),
            "directories": {"local": str(self.published)},
            "directory_interval": "1s",
            "operators_address": f"127.0.0.1:{self.operators}",
            "log_format": "json",
            "http": {
                "listen_address": f"127.0.0.1:{self.port}",
                "tls": {"certificate": str(self.folder / "crt"), "key": str(self.folder / "key")},
            },
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def authority(self) -> bytes:
        return self._authority.certificate

    @property
    def config(self) -> Path:
        """The file with the settings."""
        path = self.folder / "webspaced-images.yaml"
        path.write_text(json.dumps(self._settings))
        return path

    def start(self) -> None:
        command = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", "-n", "--pidfile="]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "webspaced-images", "--config", str(self.config)], stdout=log, stderr=log, cwd=self.folder
            )
        wait_until("the image server is ready", self.is_ready)

    def kill(self) -> None:
        """End it at once."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None

    def delete(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.operators}/ready", timeout=5) as answer:
                return bool(answer.status == 204)
        except OSError:
            assert self._process is not None
            assert self._process.poll() is None, self.log()
            return False

    def figure(self, name: str) -> float:
        """The sum of a metric."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.operators}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def troubles(self) -> list[str]:
        """What it logged that an operator would look at."""
        lines = [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
        return [line["message"] for line in lines if line["level"] not in ("debug", "info")]

    def command(self, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        """Run ``webspaced-images``; gives what it says. It must succeed."""
        done = subprocess.run(
            [sys.executable, "-m", "webspaced.images.cli", arguments[0], "--config", str(self.config), *arguments[1:]],
            capture_output=True, text=True, check=False, env=environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def publish(self, version: str, extra: bytes, *more: str, image: str = "tiny") -> tuple[Path, Path]:
        """Publish the tiny image with a file more; gives metadata and root."""
        metadata, root = split_image(self.folder, f"{image}-{version}", extra)
        self.command(
            "publish", image, "--version", version, "--arch", "amd64", "--metadata", str(metadata), "--rootfs", str(root),
            *more,
        )  # fmt: skip
        return metadata, root


class Client:
    """The command of LXD or Incus, with a remote of its own and a project of its own."""

    def __init__(self, lxd: PrivateLxd, server: ImageServer, project: str) -> None:
        self.lxd, self.server, self.project = lxd, server, project
        self._conf = server.folder / f"client-{lxd.flavour.name}"
        self._cache = server.folder / "client-cache"
        (self._conf / "servercerts").mkdir(parents=True)
        lxd.rest.ask("POST", "/1.0/projects", {"name": project, "config": {"features.profiles": "false"}})

    def trust(self, remote: str) -> None:
        """Pin the server's authority for a remote."""
        (self._conf / "servercerts" / f"{remote}.crt").write_bytes(self.server.authority)

    def add(self, remote: str, path: str) -> None:
        self.trust(remote)
        self.run("remote", "add", remote, f"https://127.0.0.1:{self.server.port}/{path}", "--protocol=simplestreams")

    def run(self, *arguments: str) -> str:
        done = self.tried(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.stderr}{done.stdout}"
        return done.stdout

    def tried(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        flavour = self.lxd.flavour
        environment = {
            **self.lxd.environment, flavour.conf_variable: str(self._conf), "INCUS_CACHE": str(self._cache),
        }  # fmt: skip
        return subprocess.run(
            [flavour.client, *arguments], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False,
        )  # fmt: skip

    def images(self, remote: str) -> list[dict[str, Any]]:
        """What a remote lists now; Incus' client keeps that for an hour, too."""
        shutil.rmtree(self._cache, ignore_errors=True)
        found: list[dict[str, Any]] = json.loads(self.run("image", "list", f"{remote}:", "--format=json"))
        return found

    def own(self) -> dict[str, list[str]]:
        """The images of the project: aliases by fingerprint."""
        found = json.loads(self.run("image", "list", "--project", self.project, "--format=json"))
        return {each["fingerprint"]: [alias["name"] for alias in each["aliases"]] for each in found}

    def copy(self, image: str, *more: str) -> subprocess.CompletedProcess[str]:
        return self.tried("image", "copy", image, "local:", "--target-project", self.project, *more)

    def launch(self, image: str, name: str) -> None:
        self.run("launch", image, name, "--project", self.project, "-p", PROFILE)

    def forget(self) -> None:
        """Empty the daemon's cache of documents, which counts for an hour: a folder for each address."""
        for place in (self.lxd.mount / "cache", Path("/var/cache") / self.lxd.flavour.name):
            for path in place.glob("?" * 64):
                shutil.rmtree(path)

    def clear(self) -> None:
        """Remove the project and all in it."""
        rest = self.lxd.rest
        for each in json.loads(self.run("list", "--project", self.project, "--format=json")):
            self.run("delete", "--force", "--project", self.project, each["name"])
        for fingerprint in self.own():
            self.run("image", "delete", "--project", self.project, fingerprint)
        rest.ask("DELETE", f"/1.0/projects/{self.project}")
