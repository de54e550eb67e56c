"""``webspaced-images publish``: put a version of an image into a stream's folder."""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from webspaced.base.commands import Command, give
from webspaced.errors import Invalid
from webspaced.images.cli.chosen import add_stream, chosen
from webspaced.images.core.names import DISK, MANIFEST, ROOT_TAR, SQUASHFS, UNIFIED
from webspaced.images.folder import METADATA, add_version, locked, write_documents

_ARCHES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "armhf", "ppc64le": "ppc64el"}
_OPTIONS = {
    "metadata": (METADATA, "the metadata archive"),
    "rootfs": ("", "the root: squashfs, or a tar archive by xz"),
    "disk": (DISK.file, "the disk of a virtual machine, as qcow2"),
    "unified": (UNIFIED.file, "metadata and root in one archive"),
    "manifest": (MANIFEST, "more about the image: aliases, requirements, end of life"),
}
_SQUASHFS_MAGIC = b"hsqs"


def _configure(parser: argparse.ArgumentParser) -> None:
    add_stream(parser)
    parser.add_argument("image", help="its name in the stream, which becomes an alias")
    parser.add_argument("--version", "-v", help="default: the time, as 20260131.1200")
    parser.add_argument("--arch", default=_ARCHES.get(platform.machine(), platform.machine()), help="default: %(default)s")
    parser.add_argument("--edge", action="store_true", help="in the channel edge only")
    parser.add_argument("--deltas", type=int, metavar="N", help="deltas from N versions before (default: images.deltas)")
    for name, (_, text) in _OPTIONS.items():
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=text)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--from-lxd", metavar="IMAGE", help="an image of an LXD, by alias or fingerprint (lxc image export)")
    source.add_argument("--from-incus", metavar="IMAGE", help="an image of an Incus (incus image export)")
    parser.set_defaults(run=_publish)


def _publish(arguments: argparse.Namespace) -> int:
    folder = chosen(arguments)
    version = arguments.version or time.strftime("%Y%m%d.%H%M", time.gmtime())
    deltas = folder.settings.images.deltas if arguments.deltas is None else arguments.deltas
    with ExitStack() as stack:
        files = _files(arguments, stack)
        with locked(folder.root):
            add_version(
                folder.root, arguments.image, version, arguments.arch, files, edge=arguments.edge, deltas=deltas
            )
            write_documents(folder.root, folder.policy)
    give(f"{arguments.image} {version} ({arguments.arch}) is published in {folder.root}")
    return 0


def _files(arguments: argparse.Namespace, stack: ExitStack) -> Mapping[str, Path]:
    given = {name: getattr(arguments, name) for name in _OPTIONS if getattr(arguments, name) is not None}
    files = {_OPTIONS[name][0] or _root_name(path): path for name, path in given.items()}
    for client, image in (("lxc", arguments.from_lxd), ("incus", arguments.from_incus)):
        if image is not None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="webspaced-images-")))
            files = {**_exported(client, image, folder), **files}
    return files


def _exported(client: str, image: str, folder: Path) -> Mapping[str, Path]:
    program = shutil.which(client)
    if program is None:
        message = f"there is no program {client} here"
        raise Invalid(message)
    done = subprocess.run(  # noqa: S603
        [program, "image", "export", image, f"{folder}/"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        message = f"{client} image export {image}: {done.stderr.strip()}"
        raise Invalid(message)
    paths = sorted(folder.iterdir())
    if len(paths) == 1:
        return {UNIFIED.file: paths[0]}
    # Of a split image the metadata's name begins so, whatever the rest is called.
    metadata = next((path for path in paths if path.name.startswith("meta-")), None)
    root = next((path for path in paths if path != metadata), None)
    if metadata is None or root is None:
        message = f"{client} gave files that are none of an image: {', '.join(path.name for path in paths)}"
        raise Invalid(message)
    return {METADATA: metadata, _root_name(root): root}


def _root_name(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(4)
    if start == b"QFI\xfb":
        return DISK.file
    return SQUASHFS.file if start == _SQUASHFS_MAGIC else ROOT_TAR.file


PUBLISH = Command(name="publish", help="put a version of an image into a stream's folder", configure=_configure)
