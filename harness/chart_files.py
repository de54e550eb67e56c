"""What is made for the chart and of it: its README, its copies of `deploy/monitoring`, and `deploy/rbac/webspaced.yaml`.

`python -m harness.chart_files` writes them; a test compares.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from harness import places
from harness.saying import run_program, say

CHART = places.CHECKOUT / "charts" / "webspaced"
ROLE = places.CHECKOUT / "deploy" / "rbac" / "webspaced.yaml"
README = CHART / "README.md"
MONITORING = places.CHECKOUT / "deploy" / "monitoring"
MONITORED = ("webspaced-dashboard.json", "webspaced-rules.yaml")
"""Helm reads no files outside of the chart."""
RIGHTS = ("routes", "ports", "pod")
PLACE = "<!-- values -->\n"
MARK = "-- "

_ROLE_HEAD = """\
# What webspaced may do in the namespace that it writes routes to, and nothing more. The tests run with exactly this.
# Made of the chart's files (charts/webspaced/files/rights) by `python -m harness.chart_files`; change those.
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: webspaced
rules:
"""
_README_HEAD = "<!-- Made of README.md.in and values.yaml by `python -m harness.chart_files`; change those. -->\n\n"
_TABLE_HEAD = "| value | default | meaning |\n|---|---|---|\n"
_KEY = re.compile(r"(?P<indent> *)(?P<name>[A-Za-z][\w.]*):(?: (?P<value>.*))?")


def role() -> str:
    """Give the text of `deploy/rbac/webspaced.yaml`."""
    texts = [(CHART / "files" / "rights" / f"{name}.yaml").read_text(encoding="utf-8") for name in RIGHTS]
    return _ROLE_HEAD + "".join(f"  {line}\n" for text in texts for line in text.splitlines())


def readme() -> str:
    """Give the text of the chart's README."""
    text = (CHART / "README.md.in").read_text(encoding="utf-8")
    rows = [f"| `{key}` | {value} | {meaning} |\n" for key, value, meaning in values()]
    return _README_HEAD + text.replace(PLACE, _TABLE_HEAD + "".join(rows))


def values() -> Iterator[tuple[str, str, str]]:
    """Give key, default and meaning of each value, as `values.yaml` has them.

    A comment that begins with `--` makes a row of a mapping as a whole; else its keys have rows of their own.
    """
    lines = (CHART / "values.yaml").read_text(encoding="utf-8").splitlines()
    path: list[tuple[int, str]] = []
    whole: int | None = None
    for number, line in enumerate(lines):
        found = _KEY.fullmatch(line)
        indent = len(line) - len(line.lstrip())
        if whole is not None and indent > whole:
            continue
        if found is None:
            continue
        whole = None
        path = [*((depth, name) for depth, name in path if depth < indent), (indent, found["name"])]
        meaning, value = _meaning(lines[:number]), found["value"]
        if value is None and not meaning:
            continue
        if value is None:
            whole, value = indent, _inside(lines[number + 1 :], indent)
        yield ".".join(name for _, name in path), f"`{value}`", meaning


def _meaning(before: list[str]) -> str:
    """Give the comment that ends these lines, if it is meant for the table."""
    words: list[str] = []
    for line in reversed(before):
        text = line.strip()
        if not text.startswith("# "):
            return ""
        words.insert(0, text.removeprefix("# "))
        if words[0].startswith(MARK):
            return " ".join(words).removeprefix(MARK)
    return ""


def _inside(lines: list[str], indent: int) -> str:
    """Give the lines of a mapping or list, as flat as a table wants them."""
    inner: list[str] = []
    for line in lines:
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            break
        if line.strip():
            inner.append(line.strip())
    return " ".join(inner)


def written() -> dict[Path, str]:
    """Give all texts by their paths."""
    copied = {CHART / "files" / "monitoring" / name: MONITORING / name for name in MONITORED}
    copies = {copy: file.read_text(encoding="utf-8") for copy, file in copied.items() if file.exists()}
    return {ROLE: role(), README: readme(), **copies}


def main() -> int:
    """Write them."""
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")
        say(f"wrote {path.relative_to(places.CHECKOUT)}")
    return 0


if __name__ == "__main__":
    run_program(main)
