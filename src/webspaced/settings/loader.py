"""From sources to settings: merge, parse, complete, check; every mistake on the way is kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from webspaced.settings.declared import ENVIRON, FILE_SUFFIX, Schema
from webspaced.settings.kinds import PATH
from webspaced.settings.problems import SettingsError, describe
from webspaced.settings.schema import SCHEMA, Settings
from webspaced.settings.sources import Given, find_file, from_environment, from_file, without_file

S = TypeVar("S")

_DEFAULT = "default"


def find_config(cwd: Path) -> Path | None:
    """Find ``webspaced.yaml`` in a folder, else in ``/run/config``, else in ``/etc/webspaced``; None when none has one."""
    return find_file(SCHEMA, cwd)


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read webspaced's own settings; see `load_for`.

    Without a file (``path`` is None) the defaults are those of one machine by itself, on loopback.
    """
    return load_for(SCHEMA, path, environ)


def load_for(schema: Schema[S], path: Path | None, environ: Mapping[str, str]) -> S:
    """Read the settings of a service: its variables over the file's keys over the defaults.

    Files that keys ending in ``_file`` name are read now.

    Raises `SettingsError` with every mistake found, in whichever source.
    """
    base = from_file(schema, path) if path else without_file(schema)
    variables = from_environment(schema, environ)
    problems = [*base.problems, *variables.problems]
    loading = _Loading(schema, {**base, **variables}, problems)
    loading.parse()
    if not base.broken:
        loading.require()
        loading.compute(environ)
        loading.check()
    if problems:
        raise SettingsError(problems)
    return schema.build(loading.values)


class _Loading:
    """The values so far; one with a problem has none, and what depends on it is left unsaid."""

    def __init__(self, schema: Schema[Any], given: Mapping[str, Given], problems: list[str]) -> None:
        self.schema = schema
        self.given = {key: one for key, one in given.items() if not _means_nothing(schema, key, one)}
        self.problems = problems
        self.values: dict[str, object] = {}

    def parse(self) -> None:
        """Read what was given, each by itself, and take the plain defaults for the rest."""
        for key, about in self.schema.settings.items():
            one, twin = self.given.get(key), self.given.get(key + FILE_SUFFIX)
            if one and twin:
                self._say(
                    twin.source, key + FILE_SUFFIX, f"is set, but so is {key} by {one.source}"
                )
            elif twin:
                self._parse_file(key, twin)
            elif one:
                self._parse(key, one)
            elif not about.required and not about.computed:
                self.values[key] = about.default

    def require(self) -> None:
        """Miss what has no default."""
        for key, about in self.schema.settings.items():
            if about.required and key not in self.given:
                self.problems.append(
                    f"{key} is required, and neither the file nor a variable has it"
                )

    def compute(self, environ: Mapping[str, str]) -> None:
        """Find the defaults that follow from other settings, or from what the platform says by variables."""
        for computed in self.schema.computed:
            known = all(need in self.values for need in computed.needs)
            if computed.key in self.given or not known:
                continue
            try:
                self.values[computed.key] = computed.find({**self.values, ENVIRON: environ})
            except ValueError as error:
                self._say("default", computed.key, str(error))

    def check(self) -> None:
        """Ask the rules between settings, naming for each broken one a key that somebody wrote."""
        for check in self.schema.checks:
            if not all(key in self.values for key in check.keys):
                continue
            verdict = check.verdict(self.values)
            if verdict:
                blamed = next((key for key in check.keys if key in self.given), check.keys[0])
                source = self.given[blamed].source if blamed in self.given else "default"
                self._say(source, blamed, verdict)

    def _say(self, source: str, key: str, problem: str) -> None:
        self.problems.append(f"{source}: {key}: {problem}")

    def _parse(self, key: str, one: Given) -> None:
        about = self.schema.settings[key]
        try:
            self.values[key] = about.kind.parse(one.value)
        except ValueError as error:
            hidden = about.secret or not about.kind.echo
            self._say(
                one.source, key, f"{error}" if hidden else f"{error}, not {describe(one.value)}"
            )

    def _parse_file(self, key: str, twin: Given) -> None:
        """Read the value of a setting from the file that its twin names."""
        try:
            path = PATH.parse(twin.value)
            # Editors and secret stores end a file with a line break that is no part of the secret.
            text = path.read_text(encoding="utf-8").rstrip("\r\n")
            self.values[key] = self.schema.settings[key].kind.parse(text)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            self._say(
                twin.source, key + FILE_SUFFIX, f"{describe(str(path))} cannot be read: {reason}"
            )
        except UnicodeDecodeError:
            self._say(twin.source, key + FILE_SUFFIX, "names a file that is not text in UTF-8")
        except ValueError as error:
            self._say(twin.source, key + FILE_SUFFIX, f"the value {error}")


def _means_nothing(schema: Schema[Any], key: str, one: Given) -> bool:
    """Whether an empty text stands for "not set", as with templates that fill in what they have."""
    if one.value != "":
        return False
    return key in schema.twins or schema.settings[key].default is None or bool(schema.settings[key].computed)
