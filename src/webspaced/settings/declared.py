"""The settings of one service as they are declared: an index by key, and the names by which its sources give them.

webspaced's own are `webspaced.settings.schema.SCHEMA`; each service beside it has such an object in its room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar

import attrs

from webspaced.settings.fields import SECTION, SETTING, Setting

S = TypeVar("S")
T = TypeVar("T")
Values = Mapping[str, Any]
"""Settings by dotted key."""

SYSTEM_FOLDERS: Final = (Path("/run/config"), Path("/etc/webspaced"))
"""What a pod is given, and what a package installs."""
FILE_SUFFIX: Final = "_file"
ENVIRON: Final = "the environment"
"""Beside the settings by their keys: the variables that the platform sets, which are none of ours."""


@attrs.frozen
class Computed:
    """A default, found when all that it needs is known; `ValueError` says why there is none."""

    key: str
    needs: tuple[str, ...]
    find: Callable[[Values], object]


@attrs.frozen
class Check:
    """A rule over some settings, asked when all are known; ``verdict`` says what breaks it."""

    keys: tuple[str, ...]
    verdict: Callable[[Values], str | None]


class Schema(Generic[S]):
    """What can be set for one service."""

    def __init__(
        self, root: type[S], *, name: str, prefix: str, computed: tuple[Computed, ...] = (), checks: tuple[Check, ...] = (),
        fileless: Mapping[str, object] | None = None, of_the_platform: frozenset[str] = frozenset(),
        folders: tuple[Path, ...] = SYSTEM_FOLDERS,
    ) -> None:  # fmt: skip
        """Index the settings.

        :param root: the outermost section, a frozen class.
        :param name: the service's: its file is ``<name>.yaml``.
        :param prefix: what its variables begin with, such as ``WSD_``.
        :param computed: defaults that follow from other settings, in an order in which each finds what it needs.
        :param checks: rules between settings, in the order in which their problems are told.
        :param fileless: what stands above the defaults where there is no file.
        :param of_the_platform: variables that are named like ours and set nothing.
        :param folders: where its file may be, beside the working directory.
        """
        index = dict(_walk(root))
        self.root, self.name, self.prefix = root, name, prefix
        self.computed, self.checks, self.of_the_platform = computed, checks, of_the_platform
        self.folders = folders
        self.fileless = MappingProxyType(dict(fileless or {}))
        self.sections: Mapping[str, type[Any]] = MappingProxyType(
            {key: found for key, found in index.items() if not isinstance(found, Setting)}
        )
        """Every section by its dotted key, outer ones first."""
        self.settings: Mapping[str, Setting] = MappingProxyType(
            {key: found for key, found in index.items() if isinstance(found, Setting)}
        )
        """Every setting by its dotted key, in the order of declaration."""
        self.twins: Mapping[str, str] = MappingProxyType(
            {key + FILE_SUFFIX: key for key, about in self.settings.items() if about.from_file}
        )
        """The keys that name a file, and the settings whose values those files hold."""
        self.variables: Mapping[str, str] = MappingProxyType(
            {prefix + key.replace(".", "_").upper(): key for key in (*self.settings, *self.twins)}
        )
        """Every environment variable and the key that it sets."""

    @property
    def file(self) -> str:
        """The name of the file with the settings."""
        return f"{self.name}.yaml"

    @property
    def system_files(self) -> tuple[Path, ...]:
        """Where that file is, unless it is in the working directory."""
        return tuple(folder / self.file for folder in self.folders)

    def build(self, values: Mapping[str, object]) -> S:
        """Put values by dotted key into the outermost section and those within it; the rest keeps its defaults."""
        return self._section(self.root, values, "")

    def _section(self, cls: type[T], values: Mapping[str, object], prefix: str) -> T:
        given: dict[str, object] = {}
        for field in attrs.fields(cls):  # type: ignore[arg-type]
            key = prefix + field.name
            if key in self.sections:
                given[field.name] = self._section(self.sections[key], values, key + ".")
            elif key in values:
                given[field.name] = values[key]
        return cls(**given)


def _walk(cls: type[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for field in attrs.fields(cls):
        key = prefix + field.name
        inner = field.metadata.get(SECTION)
        yield key, inner or field.metadata[SETTING]
        if inner:
            yield from _walk(inner, key + ".")
