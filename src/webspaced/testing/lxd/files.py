"""The files of a container (``/files``): a dictionary by path, with what the API's headers tell."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable

from attrs import define

from webspaced.testing.lxd.errors import ApiError
from webspaced.testing.lxd.things import Instance

DEFAULT_MODES = {"file": "0644", "directory": "0755", "symlink": "0777"}


@define
class Entry:
    """A file, a directory or a link (whose contents are its target)."""

    type: str = "file"
    contents: bytes = b""
    uid: str = "0"
    gid: str = "0"
    mode: str = "0644"


def furnish(instance: Instance) -> None:
    """Give a new container what the tiny images have."""
    for path in ("/", "/bin", "/etc", "/root", "/run", "/tmp", "/var"):  # noqa: S108
        instance.files[path] = Entry("directory", mode="0755")
    instance.files["/bin/sh"] = Entry("symlink", b"/bin/busybox", mode="0777")
    instance.files["/etc/passwd"] = Entry(contents=b"root:x:0:0:root:/root:/bin/sh\n")
    instance.files["/etc/os-release"] = Entry(contents=f"NAME={instance.system}\nID={instance.system}\n".encode())
    have(instance, instance.behaviour.brings)
    instance.files["/etc/group"] = Entry(contents=b"root:x:0:\n")


def have(instance: Instance, programs: Iterable[str]) -> None:
    """Install programs, with what some of them bring."""
    instance.installed |= set(programs)
    if "sshd" in instance.installed:
        instance.files.setdefault("/etc/ssh", Entry("directory", mode="0755"))


def clean(path: str) -> str:
    """Give a path as it is kept."""
    if not path:
        raise ApiError(400, "Missing path argument")
    return posixpath.normpath("/" + path.lstrip("/"))


def get(instance: Instance, path: str) -> Entry:
    """Give what lies at a path."""
    try:
        return instance.files[clean(path)]  # type: ignore[no-any-return]
    except KeyError:
        raise ApiError(404, "Not Found") from None


def names_in(instance: Instance, path: str) -> list[str]:
    """Give the names in a directory."""
    where = clean(path)
    return [posixpath.basename(each) for each in instance.files if posixpath.dirname(each) == where and each != "/"]


def push(instance: Instance, path: str, contents: bytes, header: Callable[[str], str]) -> None:
    """Write a file, make a directory or a link; ``header`` gives what the API's headers say."""
    where = clean(path)
    kind = header("type") or "file"
    write = header("write") or "overwrite"
    if write not in ("overwrite", "append"):
        raise ApiError(400, f"Bad file write mode: {write}")
    if kind not in DEFAULT_MODES:
        raise ApiError(400, f"Bad file type: {kind}")
    if instance.files.get(posixpath.dirname(where), Entry()).type != "directory":
        raise ApiError(404, "Not Found")
    entry = instance.files.get(where)
    if entry is not None and kind == "file" and entry.type == "file":
        # What there is keeps its owner and mode.
        entry.contents = entry.contents + contents if write == "append" else contents
        return
    if entry is not None and kind == "directory" and entry.type == "directory":
        return
    instance.files[where] = Entry(
        kind,
        b"" if kind == "directory" else contents,
        _number(header("uid")),
        _number(header("gid")),
        (header("mode") or DEFAULT_MODES[kind]) if kind != "symlink" else DEFAULT_MODES[kind],
    )


def _number(text: str) -> str:
    return text if text.isdigit() else "0"


def delete(instance: Instance, path: str) -> None:
    """Remove a file, a link or an empty directory."""
    where = clean(path)
    get(instance, path)
    if names_in(instance, path):
        raise ApiError(500, f'sftp: "remove {where}: directory not empty" (SSH_FX_FAILURE)')
    del instance.files[where]
