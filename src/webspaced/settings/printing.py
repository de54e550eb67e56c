"""The sample configuration and the reference page of any service, printed from the declarations of its settings."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import yaml
from attrs import frozen

from webspaced.settings.declared import FILE_SUFFIX, Schema
from webspaced.settings.fields import Setting

_WIDTH = 96

_SAMPLE_HEAD = """\
# The configuration of {name}. What is commented out shows the default or, where there is
# none, an example. Environment variables go before this file: {prefix} and the key in capitals,
# with _ for each dot. Durations are such as 30s, 1m30s or 250ms.
#
# Printed by `python -m {module} sample`; change the declarations instead.

"""

_PAGE_HEAD = """\
# Settings of {name}

<!-- Printed by `python -m {module} markdown`; change the declarations. -->

Settings come from a YAML file and, above it, from environment variables. The file is the one that
`--config` names, else `{file}` in the working directory, else `{system[0]}`,
else `{system[1]}`.
In it the parts of a key are nested sections. A variable is `{prefix}` and the key in capitals, with `_`
for each dot; empty variables count as not set.

Unknown keys and variables, values of the wrong type and settings that contradict each other end
start-up, and all of them are told at once.

- A *duration* is a number with its unit, or several: `30s`, `1m30s`, `250ms`.
- An *address* is `host:port`, `[IPv6 address]:port`, or `:port` for every interface.
- A *list* is a YAML list; in a variable its elements are separated by commas.
- A key ending in `_file` names a file that holds the value; the line break at its end is no part of
  it. Of a key and its `_file` only one may be set.

"""


@frozen
class Pages:
    """What is printed of a schema: a sample file and a page in Markdown, each after a head."""

    schema: Schema[Any]
    sample_head: str
    page_head: str

    @classmethod
    def of(cls, schema: Schema[Any], module: str) -> Pages:
        """Give those of a service beside the daemon, printed by ``python -m <module>``."""
        words: dict[str, Any] = {
            "name": schema.name, "prefix": schema.prefix, "module": module,
            "file": schema.file, "system": schema.system_files,
        }  # fmt: skip
        return cls(schema, _SAMPLE_HEAD.format(**words), _PAGE_HEAD.format(**words))

    def sample(self) -> str:
        """Give the text of the sample, which loads as it is and uncommented."""
        return self.sample_head + "\n".join(self._sample_section("", 0)) + "\n"

    def markdown(self) -> str:
        """Give the text of the reference page."""
        page = self.page_head + "## General\n\n" + self._table("")
        for key, cls in self.schema.sections.items():
            page += f"## {key}\n\n{_markdown_text(cls)}\n\n" + self._table(key + ".")
        return page.rstrip("\n") + "\n"

    def _sample_section(self, prefix: str, depth: int) -> Iterator[str]:
        indent = "  " * depth
        for key, about in self._settings_of(prefix):
            default = f" By default {about.computed}." if about.computed else ""
            yield from _commented(_with_unit(about) + default, indent)
            yield from (indent + line for line in _sample_lines(key, about))
        for key, inner in self._sections_of(prefix):
            yield ""
            yield from _commented(_title(inner), indent)
            yield f"{indent}{_last(key)}:"
            yield from self._sample_section(key + ".", depth + 1)

    def _table(self, prefix: str) -> str:
        rows = [self._row(key, about) for key, about in self._settings_of(prefix)]
        return (
            "\n".join(("| key | type | default | meaning |", "|---|---|---|---|", *rows)) + "\n\n"
            if rows
            else ""
        )

    def _row(self, key: str, about: Setting) -> str:
        variable = {key: name for name, key in self.schema.variables.items()}
        keys = [key, key + FILE_SUFFIX] if about.from_file else [key]
        names = "<br>".join(f"`{name}`<br>`{variable[name]}`" for name in keys)
        live = " *Reload.*" if about.live else ""
        return f"| {names} | {about.kind.name} | {_default(about)} | {_with_unit(about)}{live} |"

    def _settings_of(self, prefix: str) -> Iterator[tuple[str, Setting]]:
        return ((key, about) for key, about in self.schema.settings.items() if _parent(key) == prefix)

    def _sections_of(self, prefix: str) -> Iterator[tuple[str, type[Any]]]:
        return ((key, cls) for key, cls in self.schema.sections.items() if _parent(key) == prefix)


def _sample_lines(key: str, about: Setting) -> Iterator[str]:
    name = _last(key)
    if about.from_file:
        yield f"#{name}{FILE_SUFFIX}: /run/secrets/{key.replace('.', '-').replace('_', '-')}"
    elif about.required:
        yield f"{name}: {_yaml(about, about.example)}"
    else:
        shown = about.default if about.default or about.example is None else about.example
        yield f"#{name}: {_yaml(about, shown)}"


def _commented(text: str, indent: str) -> Iterator[str]:
    wrapped = textwrap.wrap(text.replace("`", ""), _WIDTH - len(indent), break_on_hyphens=False)
    return (f"{indent}# {line}" for line in wrapped)


def _yaml(about: Setting, value: object) -> str:
    """Write a value on one line of YAML."""
    dumped: str = yaml.safe_dump(about.kind.raw(value), default_flow_style=True, width=10_000)
    return dumped.removesuffix("\n").removesuffix("\n...")


def _default(about: Setting) -> str:
    if about.required:
        return "required"
    return about.computed or ("" if about.default is None else f"`{_yaml(about, about.default)}`")


def _with_unit(about: Setting) -> str:
    # Durations name their unit themselves.
    if not about.unit or about.kind.name == "duration":
        return about.reason
    return f"{about.reason} In {about.unit}."


def _parent(key: str) -> str:
    return key[: key.rfind(".") + 1]


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _markdown_text(cls: type[Any]) -> str:
    return textwrap.dedent(f"    {cls.__doc__}").strip()


def _title(cls: type[Any]) -> str:
    return _markdown_text(cls).partition("\n\n")[0]


def print_asked(sample: Callable[[], str], markdown: Callable[[], str], arguments: Sequence[str] | None = None) -> None:
    """Print what the first argument asks for, ``sample`` or ``markdown``."""
    parser = argparse.ArgumentParser(description="Print the sample or the reference.")
    parser.add_argument("what", choices=("sample", "markdown"))
    sys.stdout.write(sample() if parser.parse_args(arguments).what == "sample" else markdown())
