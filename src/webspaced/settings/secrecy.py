"""Which files hold secrets of the settings, and whether others may read them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from webspaced.settings.declared import Schema
from webspaced.settings.kinds import PATH
from webspaced.settings.schema import SCHEMA
from webspaced.settings.sources import Given, from_environment, from_file


def exposed_files(
    path: Path | None, environ: Mapping[str, str], schema: Schema[Any] = SCHEMA
) -> tuple[Path, ...]:
    """Give the files that hold a secret of a service's and that others than their owner may read.

    :param path: the file with the settings, which has loaded; see :func:`webspaced.settings.load`.
    """
    in_file = {} if path is None else from_file(schema, path)
    found = dict.fromkeys(_with_secrets(schema, path, in_file, from_environment(schema, environ)))
    return tuple(each for each in found if _is_exposed(each))


def _with_secrets(
    schema: Schema[Any], path: Path | None, in_file: Mapping[str, Given], variables: Mapping[str, Given]
) -> Iterator[Path]:
    secrets = {key for key, about in schema.settings.items() if about.secret}
    if path is not None and any(key in secrets and one.value for key, one in in_file.items()):
        yield path
    for twin, key in schema.twins.items():
        one = variables.get(twin) or in_file.get(twin)
        if key in secrets and one is not None and one.value:
            yield PATH.parse(one.value)


def _is_exposed(path: Path) -> bool:
    """Whether everybody may read a file, or a group that is neither root's nor ours: such a one may be a service's own."""
    try:
        status = path.stat()
    except OSError:
        return False
    strange = status.st_gid not in {0, os.getegid(), *os.getgroups()}
    return bool(status.st_mode & stat.S_IROTH) or (strange and bool(status.st_mode & stat.S_IRGRP))
