"""LXD images of about one megabyte, made from busybox-static in a second, as anybody, always the same bytes.

The variants, all with an echo service on port 7 unless said:

- fast: a web server on port 80 that says the host's name
- slow: port 80 opens two seconds late
- warming: port 80 opens at once, but answers 503 for a second and a half
- never: has an address and opens nothing
- nonet: opens its ports but never gets an address
- crash: its first process ends at once
- broken: as fast, but has no first process, which LXD finds out only after seconds
- ssh: as fast, with an SSH server (dropbear) that starts with it
- packages: calls itself a Debian; its SSH server is there once its apt-get and systemctl were used as on a real one
- nopasswd: as fast, but its chpasswd fails
"""

import gzip
import hashlib
import io
import platform
import shutil
import subprocess
import tarfile
from pathlib import Path

from harness import tiny_files
from harness.rest import Rest, path_of
from harness.saying import CannotGoOn

VARIANTS = tuple(tiny_files.RC)
# One moment for all files: then the bytes, and with them LXD's fingerprint, depend on the contents alone.
MOMENT = 1_700_000_000
FOLDERS = (
    "bin", "sbin", "etc", "proc", "sys", "dev", "tmp", "root", "run", "var", "var/www", "usr", "usr/bin", "usr/sbin",
)  # fmt: skip


def build(variant: str) -> bytes:
    """The image of a variant: one gzipped tar, metadata and root together."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        _add_file(archive, "metadata.yaml", _metadata(variant), 0o644)
        _add_root(archive, variant)
    return gzip.compress(stream.getvalue(), compresslevel=6, mtime=0)


def import_image(lxd: Rest, variant: str, alias: str) -> str:
    """Put a variant into LXD under an alias, unless it is there; gives its fingerprint. Idempotent."""
    image = build(variant)
    fingerprint = hashlib.sha256(image).hexdigest()
    if not lxd.exists(path_of("images", fingerprint)):
        headers = {"Content-Type": "application/octet-stream", "X-LXD-public": "0"}
        lxd.ask("POST", "/1.0/images", image, headers)
    where = path_of("images", "aliases", alias)
    if not lxd.exists(where):
        lxd.ask("POST", "/1.0/images/aliases", {"name": alias, "target": fingerprint})
    elif lxd.get(where)["target"] != fingerprint:
        lxd.ask("PUT", where, {"target": fingerprint, "description": ""})
    return fingerprint


def _metadata(variant: str) -> bytes:
    return (
        f"architecture: {platform.machine()}\ncreation_date: {MOMENT}\n"
        f"properties: {{os: {tiny_files.SYSTEMS.get(variant, 'busybox')}, description: tiny {variant}, release: '1'}}\n"
    ).encode()


def _add_root(archive: tarfile.TarFile, variant: str) -> None:
    _add_folder(archive, "rootfs")
    for folder in FOLDERS:
        _add_folder(archive, f"rootfs/{folder}", 0o1777 if folder == "tmp" else 0o755)
    _add_file(archive, "rootfs/bin/busybox", _busybox(), 0o755)
    for applet in tiny_files.APPLETS:
        _add_link(archive, f"rootfs/bin/{applet}", "busybox")
    if variant in tiny_files.SERVERS:
        _add_server(archive, f"rootfs/{tiny_files.SERVERS[variant]}")
    for name, (text, mode) in _texts(variant).items():
        if variant == "broken" and name == "sbin/init":
            continue
        _add_file(archive, f"rootfs/{name}", text.encode(), mode)


def _texts(variant: str) -> dict[str, tuple[str, int]]:
    init = tiny_files.CRASHING_INIT if variant == "crash" else tiny_files.INIT
    return {
        "etc/group": ("root:x:0:\n", 0o644),
        "etc/lease": (tiny_files.LEASE, 0o755),
        "etc/passwd": ("root:x:0:0:root:/root:/bin/sh\n", 0o644),
        # No password is right, and sshd does not take it for a locked account.
        "etc/shadow": ("root:*:19000:0:99999:7:::\n", 0o600),
        "etc/shells": ("/bin/sh\n", 0o644),
        "usr/sbin/chpasswd": (tiny_files.CHPASSWD, 0o755),
        **tiny_files.MORE.get(variant, {}),
        "etc/rc": (tiny_files.RC[variant], 0o755),
        "etc/warming": (tiny_files.WARMING, 0o755),
        "sbin/init": (init, 0o755),
    }


def _busybox() -> bytes:
    """A busybox without shared libraries, as there are none in the image."""
    path = shutil.which("busybox", path="/usr/bin:/bin")
    raw = Path(path).read_bytes() if path else b""
    # A program that wants a dynamic loader names it in its first pages.
    if not raw or b"/ld-linux" in raw[:4096] or b"/ld-musl" in raw[:4096]:
        raise CannotGoOn("the tiny image is made from a static busybox: install busybox-static")
    return raw


def _add_server(archive: tarfile.TarFile, where: str) -> None:
    """Add dropbear with the libraries that it is linked to, and a place for the host keys that it makes."""
    path = shutil.which("dropbear", path="/usr/sbin:/sbin")
    if path is None:
        raise CannotGoOn("the tiny images with an SSH server need dropbear: install dropbear-bin")
    _add_file(archive, where, Path(path).read_bytes(), 0o755)
    linked = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
    libraries = sorted({word for word in linked.split() if word.startswith("/")})
    for folder in sorted({str(parent)[1:] for library in libraries for parent in Path(library).parents} - {""}):
        _add_folder(archive, f"rootfs/{folder}")
    for library in libraries:
        _add_file(archive, f"rootfs{library}", Path(library).read_bytes(), 0o755)
    _add_folder(archive, "rootfs/etc/dropbear")


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.mtime = kind, mode, MOMENT
    entry.uname = entry.gname = "root"
    return entry


def _add_folder(archive: tarfile.TarFile, name: str, mode: int = 0o755) -> None:
    archive.addfile(_entry(name, tarfile.DIRTYPE, mode))


def _add_link(archive: tarfile.TarFile, name: str, target: str) -> None:
    entry = _entry(name, tarfile.SYMTYPE, 0o777)
    entry.linkname = target
    archive.addfile(entry)


def _add_file(archive: tarfile.TarFile, name: str, contents: bytes, mode: int) -> None:
    entry = _entry(name, tarfile.REGTYPE, mode)
    entry.size = len(contents)
    archive.addfile(entry, io.BytesIO(contents))
