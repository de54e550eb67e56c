"""Where settings are read from: a YAML file, the environment, the defaults without a file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import yaml

from webspaced.settings.declared import Schema
from webspaced.settings.problems import describe, printable


@attrs.frozen
class Given:
    """A value as it was given, and by what: the path of a file or the name of a variable."""

    value: object
    source: str


class Sourced(dict[str, Given]):
    """What one source gave, by dotted key, and the lines for what is wrong with it.

    ``broken`` says that the source could not be read at all, so what it lacks is unknown.
    """

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[str] = []
        self.broken = False


def find_file(schema: Schema[Any], cwd: Path) -> Path | None:
    """Find a service's file in a folder, else in those of the system; None when none has one."""
    return next((path for path in (cwd / schema.file, *schema.system_files) if _stands(path)), None)


def _stands(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        # Something bars the view. Loading it will say what; passing it over would start the daemon
        # with other settings than somebody wrote.
        return True


def without_file(schema: Schema[Any]) -> Sourced:
    """Give the layer for a machine without a file."""
    found = Sourced()
    found.update((key, Given(value, "standalone default")) for key, value in schema.fileless.items())
    return found


def from_environment(schema: Schema[Any], environ: Mapping[str, str]) -> Sourced:
    """Read the variables of a service. Empty ones count as not set, as templates often leave them."""
    found = Sourced()
    for name in sorted(name for name in environ if name.startswith(schema.prefix)):
        key = schema.variables.get(name)
        if key is None and name in schema.of_the_platform:
            continue
        if key is None:
            found.problems.append(
                f"{printable(name)}: unknown variable{_suggest(name, tuple(schema.variables))}"
            )
        elif environ[name]:
            found[key] = Given(environ[name], name)
    return found


def from_file(schema: Schema[Any], path: Path) -> Sourced:
    """Read a YAML file. Keys without a value count as not set."""
    found = Sourced()
    source = str(path)
    try:
        document = _read(schema, path, found)
    except OSError as error:
        found.problems.append(f"{source}: cannot be read: {error.strerror or error}")
        found.broken = True
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        found.problems.append(f"{source}: {_syntax(error)}")
        found.broken = True
    else:
        _flatten(schema, document, "", source, found)
    return found


def _read(schema: Schema[Any], path: Path, found: Sourced) -> object:
    loader = yaml.SafeLoader(path.read_bytes())
    try:
        node = loader.get_single_node()
        if node is None:
            return {}
        found.problems.extend(f"{path}: {problem}" for problem in _repeated(schema, node, ""))
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _repeated(schema: Schema[Any], node: yaml.Node, prefix: str) -> list[str]:
    """Find keys that stand twice in a mapping: YAML forbids it, yet PyYAML takes the last one."""
    problems: list[str] = []
    seen: set[str] = set()
    if not isinstance(node, yaml.MappingNode):
        return problems
    for key, value in node.value:
        # "<<" may well be repeated, it merges other mappings in.
        if isinstance(key, yaml.ScalarNode) and key.value != "<<":
            dotted = prefix + key.value
            if dotted in seen:
                problems.append(
                    f"{printable(dotted)}: is given again in line {key.start_mark.line + 1}"
                )
            seen.add(dotted)
            problems += _repeated(schema, value, dotted + ".") if dotted in schema.sections else []
    return problems


def _syntax(error: Exception) -> str:
    """Say what is wrong with YAML and where, without quotations: they may be parts of a secret."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None)
    if isinstance(error, UnicodeDecodeError | yaml.reader.ReaderError):
        return "is not YAML: it holds bytes or characters that no text has"
    where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    what = re.sub(r"'[^'<>]{2,}'", "'...'", problem) if problem else "a value that cannot be read"
    return f"is not YAML{where}: {what}"


def _flatten(schema: Schema[Any], section: object, prefix: str, source: str, found: Sourced) -> None:
    """Collect the values of a section and of those in it, by their dotted keys."""
    if section is None:
        return
    if not isinstance(section, Mapping):
        name = f"{prefix[:-1]}: " if prefix else ""
        found.problems.append(
            f"{source}: {name}must be a section with keys of its own, not {describe(section)}"
        )
        return
    for key, value in section.items():
        dotted = f"{prefix}{key}"
        if dotted in schema.sections:
            _flatten(schema, value, dotted + ".", source, found)
        elif dotted not in schema.settings and dotted not in schema.twins:
            found.problems.append(
                f"{source}: {printable(dotted)}: unknown key{_suggest(dotted, _keys(schema))}"
            )
        elif "." in str(key):
            found.problems.append(f"{source}: {dotted}: must be written as nested sections")
        elif value is not None:
            found[dotted] = Given(value, source)


def _keys(schema: Schema[Any]) -> tuple[str, ...]:
    return (*schema.sections, *schema.settings, *schema.twins)


def _suggest(name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return f"; did you mean {close[0]}?" if close else ""
