"""The sample configuration and the reference page, printed from the declarations of the settings.

``python -m webspaced.settings.reference sample`` prints ``config.sample.yaml``, and with
``markdown`` it prints ``docs/reference/settings.md``.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import yaml

from webspaced.settings.fields import Setting
from webspaced.settings.schema import FILE_SUFFIX, SECTIONS, SETTINGS, VARIABLES
from webspaced.settings.sources import STANDALONE

_WIDTH = 96
_VARIABLE = {key: name for name, key in VARIABLES.items()}

_SAMPLE_HEAD = """\
# The configuration of webspaced. What is commented out shows the default or, where there is none,
# an example. Environment variables go before this file: WSD_ and the key in capitals, with _ for
# each dot (WSD_HTTP_LISTEN_ADDRESS). Durations are such as 30s, 1m30s or 250ms.
#
# Printed by `python -m webspaced.settings.reference sample`; change the declarations instead.

"""

_PAGE_HEAD = """\
# Settings

<!-- Printed by `python -m webspaced.settings.reference markdown`; change the declarations. -->

Settings come from a YAML file and, above it, from environment variables. The file is the one that
`--config` names, else `webspaced.yaml` in the working directory, else `/run/config/webspaced.yaml`,
else `/etc/webspaced/webspaced.yaml`.
In it the parts of a key are nested sections. A variable is `WSD_` and the key in capitals, with `_`
for each dot; empty variables count as not set.

Unknown keys and variables, values of the wrong type and settings that contradict each other end
start-up, and all of them are told at once.

`webspaced reload`, or SIGHUP, lets the daemon read the file again, and the files that it names. What
is marked *Reload* is then in effect; for the rest it tells which keys need a restart. When anything is
wrong, all stays as it was. Variables are those with which the process began.

- A *duration* is a number with its unit, or several: `30s`, `1m30s`, `250ms`.
- An *address* is `host:port`, `[IPv6 address]:port`, or `:port` for every interface.
- A *list* is a YAML list; in a variable its elements are separated by commas.
- A key ending in `_file` names a file that holds the value; the line break at its end is no part of
  it. Of a key and its `_file` only one may be set.

"""

_STANDALONE_HEAD = """\
## Without a file

With no file at all webspaced serves one machine by itself, on loopback. These defaults then differ,
and variables go before them:

| key | default |
|---|---|
"""


def sample() -> str:
    """Give the text of ``config.sample.yaml``, which loads as it is and uncommented."""
    return _SAMPLE_HEAD + "\n".join(_sample_section("", 0)) + "\n"


def _sample_section(prefix: str, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for key, about in _settings_of(prefix):
        default = f" By default {about.computed}." if about.computed else ""
        yield from _commented(_with_unit(about) + default, indent)
        yield from (indent + line for line in _sample_lines(key, about))
    for key, inner in _sections_of(prefix):
        yield ""
        yield from _commented(_title(inner), indent)
        yield f"{indent}{_last(key)}:"
        yield from _sample_section(key + ".", depth + 1)


def _sample_lines(key: str, about: Setting) -> Iterator[str]:
    name = _last(key)
    if about.from_file:
        yield f"#{name}{FILE_SUFFIX}: /run/secrets/{key.replace('.', '-').replace('_', '-')}"
    elif about.required:
        yield f"{name}: {_yaml(about, about.example)}"
    else:
        shown = about.example if about.default in {None, ()} else about.default
        yield f"#{name}: {_yaml(about, shown)}"


def _commented(text: str, indent: str) -> Iterator[str]:
    wrapped = textwrap.wrap(text.replace("`", ""), _WIDTH - len(indent), break_on_hyphens=False)
    return (f"{indent}# {line}" for line in wrapped)


def _yaml(about: Setting, value: object) -> str:
    """Write a value on one line of YAML."""
    dumped: str = yaml.safe_dump(about.kind.raw(value), default_flow_style=True, width=10_000)
    return dumped.removesuffix("\n").removesuffix("\n...")


def markdown() -> str:
    """Give the text of ``docs/reference/settings.md``."""
    page = _PAGE_HEAD + "## General\n\n" + _table("")
    for key, cls in SECTIONS.items():
        page += f"## {key}\n\n{_markdown_text(cls)}\n\n" + _table(key + ".")
    rows = (f"| `{key}` | `{_yaml_plain(value)}` |" for key, value in STANDALONE.items())
    return page + _STANDALONE_HEAD + "\n".join(rows) + "\n"


def _table(prefix: str) -> str:
    rows = [_row(key, about) for key, about in _settings_of(prefix)]
    return (
        "\n".join(("| key | type | default | meaning |", "|---|---|---|---|", *rows)) + "\n\n"
        if rows
        else ""
    )


def _row(key: str, about: Setting) -> str:
    keys = [key, key + FILE_SUFFIX] if about.from_file else [key]
    names = "<br>".join(f"`{name}`<br>`{_VARIABLE[name]}`" for name in keys)
    live = " *Reload.*" if about.live else ""
    return f"| {names} | {about.kind.name} | {_default(about)} | {_with_unit(about)}{live} |"


def _default(about: Setting) -> str:
    if about.required:
        return "required"
    return about.computed or ("" if about.default is None else f"`{_yaml(about, about.default)}`")


def _with_unit(about: Setting) -> str:
    # Durations name their unit themselves.
    if not about.unit or about.kind.name == "duration":
        return about.reason
    return f"{about.reason} In {about.unit}."


def _settings_of(prefix: str) -> Iterator[tuple[str, Setting]]:
    return ((key, about) for key, about in SETTINGS.items() if _parent(key) == prefix)


def _sections_of(prefix: str) -> Iterator[tuple[str, type[Any]]]:
    return ((key, cls) for key, cls in SECTIONS.items() if _parent(key) == prefix)


def _parent(key: str) -> str:
    return key[: key.rfind(".") + 1]


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _markdown_text(cls: type[Any]) -> str:
    return textwrap.dedent(f"    {cls.__doc__}").strip()


def _title(cls: type[Any]) -> str:
    return _markdown_text(cls).partition("\n\n")[0]


def _yaml_plain(value: object) -> str:
    dumped: str = yaml.safe_dump(value)
    return dumped.removesuffix("\n").removesuffix("\n...")


def main() -> None:
    """Print what the first argument asks for."""
    parser = argparse.ArgumentParser(description="Print the sample or the reference.")
    parser.add_argument("what", choices=("sample", "markdown"))
    sys.stdout.write(sample() if parser.parse_args().what == "sample" else markdown())


if __name__ == "__main__":
    main()
