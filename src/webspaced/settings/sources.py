"""Where settings are read from: a YAML file, the environment, the defaults without a file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import attrs
import yaml

from webspaced.settings.problems import describe, printable
from webspaced.settings.schema import SECTIONS, SETTINGS, TWINS, VARIABLES

_PREFIX = "WSD_"
OF_THE_PLATFORM: Final = frozenset({"WSD_POD_IP"})
"""Variables that are named like ours and set nothing: they tell what a default follows from."""
_SYSTEM_FILES = (Path("/run/config/webspaced.yaml"), Path("/etc/webspaced/webspaced.yaml"))
"""What a pod is given, and what a package installs."""
_EVERY_KEY = (*SECTIONS, *SETTINGS, *TWINS)

STANDALONE: Final[Mapping[str, object]] = MappingProxyType(
    {
        "webspaces.domain": "localhost",
        "webspaces.ports.listen_address": "127.0.0.1",
        "http.listen_address": "127.0.0.1:8000",
        "traefik.provider": "file",
        "traefik.embedded": True,
    }
)
"""Without a file webspaced serves one machine, on loopback only; these stand above the defaults."""


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


def find_config(cwd: Path) -> Path | None:
    """Find ``webspaced.yaml`` in a folder, else in ``/run/config``, else in ``/etc/webspaced``; None when none has one."""
    return next((path for path in (cwd / "webspaced.yaml", *_SYSTEM_FILES) if _stands(path)), None)


def _stands(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        # Something bars the view. Loading it will say what; passing it over would start the daemon
        # with other settings than somebody wrote.
        return True


def from_standalone() -> Sourced:
    """Give the layer for a machine without a file."""
    found = Sourced()
    found.update((key, Given(value, "standalone default")) for key, value in STANDALONE.items())
    return found


def from_environment(environ: Mapping[str, str]) -> Sourced:
    """Read the ``WSD_`` variables. Empty ones count as not set, as templates often leave them."""
    found = Sourced()
    for name in sorted(name for name in environ if name.startswith(_PREFIX)):
        key = VARIABLES.get(name)
        if key is None and name in OF_THE_PLATFORM:
            continue
        if key is None:
            found.problems.append(
                f"{printable(name)}: unknown variable{_suggest(name, tuple(VARIABLES))}"
            )
        elif environ[name]:
            found[key] = Given(environ[name], name)
    return found


def from_file(path: Path) -> Sourced:
    """Read a YAML file. Keys without a value count as not set."""
    found = Sourced()
    source = str(path)
    try:
        document = _read(path, found)
    except OSError as error:
        found.problems.append(f"{source}: cannot be read: {error.strerror or error}")
        found.broken = True
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        found.problems.append(f"{source}: {_syntax(error)}")
        found.broken = True
    else:
        _flatten(document, "", source, found)
    return found


def _read(path: Path, found: Sourced) -> object:
    loader = yaml.SafeLoader(path.read_bytes())
    try:
        node = loader.get_single_node()
        if node is None:
            return {}
        found.problems.extend(f"{path}: {problem}" for problem in _repeated(node, ""))
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _repeated(node: yaml.Node, prefix: str) -> list[str]:
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
            problems += _repeated(value, dotted + ".") if dotted in SECTIONS else []
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


def _flatten(section: object, prefix: str, source: str, found: Sourced) -> None:
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
        if dotted in SECTIONS:
            _flatten(value, dotted + ".", source, found)
        elif dotted not in SETTINGS and dotted not in TWINS:
            found.problems.append(
                f"{source}: {printable(dotted)}: unknown key{_suggest(dotted, _EVERY_KEY)}"
            )
        elif "." in str(key):
            found.problems.append(f"{source}: {dotted}: must be written as nested sections")
        elif value is not None:
            found[dotted] = Given(value, source)


def _suggest(name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return f"; did you mean {close[0]}?" if close else ""
