"""`python -m harness.deb [FOLDER]`: the Debian package, made by dpkg-deb of the wheel and the locked packages.

It is for the Debian of this machine, whose version of Python it names. Nothing of that Debian has to be installed here but
dpkg itself: pip takes the wheels for that Python.
"""

import argparse
import gzip
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness import debian_root, places, venv
from harness.saying import CannotGoOn, run_program, say

PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}
LOCK = places.CHECKOUT / "requirements" / "package.lock"
SOURCES = places.CHECKOUT / "deploy" / "debian"
MANUAL = places.CHECKOUT / "deploy" / "manual"
SYSTEMD = places.CHECKOUT / "deploy" / "systemd"
HOME = "usr/lib/webspaced"
SCRIPTS = ("postinst", "prerm", "postrm")
PROGRAMS = ("webspaced", "webspaced-images", "twistd", "traefik")
# Never imported here, and half of all files: another client of Kubernetes, and tests.
NEEDLESS = ("kubernetes/aio", "**/test", "**/tests", "**/newsfragments")


def built(wheel: Path, folder: Path, pip: Path, level: int = 6) -> Path:
    """Build the package into a folder; `level` is how hard xz tries."""
    python = PYTHONS[debian_root.release()]
    version = wheel.name.split("-")[1]
    package = folder / f"webspaced_{version}_{_architecture()}.deb"
    with tempfile.TemporaryDirectory(prefix="webspaced-deb-") as temporary:
        root = Path(temporary) / "root"
        _environment(root / HOME, wheel, pip, python)
        _files(root, version)
        _control(root, version, python)
        _modes(root)
        _run("dpkg-deb", "--root-owner-group", "-Zxz", f"-z{level}", "--build", root, package)
    return package


def _environment(home: Path, wheel: Path, pip: Path, python: str) -> None:
    """Lay out a virtual environment as venv does, for an interpreter that need not be here."""
    site = home / "lib" / f"python{python}" / "site-packages"
    wanted = home.with_suffix(".txt")
    home.parent.mkdir(parents=True)
    # One installation: pip gives programs to a folder only once.
    wanted.write_text(f"{LOCK.read_text()}{wheel.as_uri()} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    _run(
        pip, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--target", site, "--no-deps", "--no-compile",
        "--python-version", python, "--only-binary=:all:", "--require-hashes", "-r", wanted,
    )
    wanted.unlink()
    for pattern in NEEDLESS:
        for needless in list(site.glob(pattern)):
            shutil.rmtree(needless, ignore_errors=True)
    (home / "bin").mkdir()
    (home / "bin" / "python").symlink_to("../../../bin/python3")
    (home / "pyvenv.cfg").write_text(f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {python}\n")
    for name in PROGRAMS:
        _program(site / "bin" / name, home / "bin" / name)
    shutil.rmtree(site / "bin")


def _program(source: Path, target: Path) -> None:
    """Copy a program; one of Python's names the interpreter that pip ran with."""
    content = source.read_bytes()
    if content.startswith(b"#!"):
        content = f"#!/{HOME}/bin/python\n".encode() + content.partition(b"\n")[2]
    target.write_bytes(content)


def _documents() -> Iterator[tuple[Path, str]]:
    """Give every page and picture of the documentation, and where it goes; Debian has a changelog of its own."""
    docs = places.CHECKOUT / "docs"
    for path in sorted((*docs.rglob("*.md"), *docs.rglob("*.svg"))):
        if "_build" not in path.parts and path.name != "changelog.md":
            yield path, f"usr/share/doc/webspaced/{path.relative_to(docs)}"


def _files(root: Path, version: str) -> None:
    for source, target in (
        (places.CHECKOUT / "config.sample.yaml", "etc/webspaced/webspaced.yaml"),
        (SYSTEMD / "webspaced.service", "lib/systemd/system/webspaced.service"),
        (SYSTEMD / "webspaced-images.service", "lib/systemd/system/webspaced-images.service"),
        (places.CHECKOUT / "config.images.sample.yaml", "etc/webspaced/webspaced-images.yaml"),
        (SYSTEMD / "webspaced.sysusers", "usr/lib/sysusers.d/webspaced.conf"),
        (SYSTEMD / "webspaced.tmpfiles", "usr/lib/tmpfiles.d/webspaced.conf"),
        (SOURCES / "lintian-overrides", "usr/share/lintian/overrides/webspaced"),
        (SOURCES / "copyright", "usr/share/doc/webspaced/copyright"),
        (MANUAL / "webspaced.bash", "usr/share/bash-completion/completions/webspaced"),
        (MANUAL / "_webspaced", "usr/share/zsh/vendor-completions/_webspaced"),
        *_documents(),
    ):
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, root / target)
    settings = root / "etc/webspaced/webspaced.yaml"
    # By default it is in the home of whoever is not root.
    settings.write_text(settings.read_text().replace("\n#data_dir: ", "\ndata_dir: "))
    (root / "usr/bin").mkdir()
    for name in ("webspaced", "webspaced-images"):
        (root / "usr/bin" / name).symlink_to(f"../lib/webspaced/bin/{name}")
    changes = (
        f"webspaced ({version}) unstable; urgency=medium\n\n  * See CHANGELOG.md of the sources.\n\n"
        " -- The webspaced authors <webspaced@localhost>  Thu, 01 Jan 1970 00:00:00 +0000\n"
    )
    _zipped(root / "usr/share/doc/webspaced/changelog.gz", changes.encode())
    for name in ("webspaced.8", "webspaced-images.8"):
        _zipped(root / f"usr/share/man/man8/{name}.gz", (MANUAL / name).read_bytes())


def _zipped(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(content, 9, mtime=0))


def _control(root: Path, version: str, python: str) -> None:
    control = root / "DEBIAN"
    control.mkdir()
    inside = (path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    files = sorted(path for path in inside if control not in path.parents)
    major, minor = python.split(".")
    text = (SOURCES / "control").read_text().format(
        version=version, architecture=_architecture(), size=sum(path.stat().st_size for path in files) // 1024,
        python=python, next_python=f"{major}.{int(minor) + 1}",
    )
    (control / "control").write_text(text)
    (control / "conffiles").write_text("/etc/webspaced/webspaced.yaml\n/etc/webspaced/webspaced-images.yaml\n")
    sums = "".join(f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n" for path in files)  # noqa: S324
    (control / "md5sums").write_text(sums)
    for name in SCRIPTS:
        shutil.copyfile(SOURCES / name, control / name)


def _modes(root: Path) -> None:
    """Whatever umask this was made under, and whatever wheels say of their modules."""
    programs = [root / HOME / "bin" / name for name in PROGRAMS] + [root / "DEBIAN" / name for name in SCRIPTS]
    for path in [root, *root.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path in programs else 0o644)
    # Settings may hold secrets. Its group is given when the user is there.
    (root / "etc/webspaced/webspaced.yaml").chmod(0o640)


def _architecture() -> str:
    return subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotGoOn(f"{command[0]} failed: {(done.stderr or done.stdout).strip()[-2000:]}")


def main() -> int:
    """Build it of this checkout."""
    parser = argparse.ArgumentParser(prog="python -m harness.deb", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=places.CHECKOUT / "dist")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="webspaced-wheel-") as temporary:
        tools = venv.Venv(Path(temporary) / "tools")
        tools.ensure()
        package = built(venv.build_wheel(tools.python, Path(temporary)), folder, tools.python)
    say(f"made {package}")
    return 0


if __name__ == "__main__":
    run_program(main)
