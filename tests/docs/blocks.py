"""Fenced blocks of Markdown, and what the comments before them say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

from attrs import field, frozen

ROOT = Path(__file__).parents[2]
SHELL, SESSION = "sh", "console"
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\S*)\s*$")
_COMMENT = re.compile(r"^ *<!-- (?P<word>not run|prepared|checked): (?P<text>.*) -->$")


@frozen(kw_only=True)
class Block:
    """A fenced block. ``line``: that of its fence. ``said``: the comments just before it, by their word."""

    page: Path
    line: int
    language: str
    text: str
    said: dict[str, str] = field(factory=dict)

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def is_shell(self) -> bool:
        return self.language in {SHELL, SESSION}

    @property
    def excuse(self) -> str:
        """Why it is not run; empty if it is."""
        return self.said.get("not run", "")


def pages() -> list[Path]:
    """Give every page that people read; the changelog is made of fragments."""
    docs = (path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts and path.name != "changelog.md")
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(docs)]


def blocks(page: Path) -> Iterator[Block]:
    """Give a page's blocks from top to bottom."""
    lines = page.read_text(encoding="utf-8").splitlines()
    said: dict[str, str] = {}
    number = 0
    while number < len(lines):
        fence = _FENCE.match(lines[number])
        if fence is None:
            comment = _COMMENT.match(lines[number])
            said = {**said, comment["word"]: comment["text"]} if comment else said if not lines[number].strip() else {}
            number += 1
            continue
        body = list(_body(lines[number + 1 :], page, number))
        yield Block(page=page, line=number + 1, language=fence["language"], text=dedent("\n".join(body)) + "\n", said=said)
        said, number = {}, number + len(body) + 2


def _body(lines: list[str], page: Path, number: int) -> Iterator[str]:
    for line in lines:
        if line.strip() == "```":
            return
        yield line
    message = f"{page}:{number + 1}: a block without an end"
    raise ValueError(message)


@frozen
class Command:
    """One command of a session, and what the page shows of its output."""

    line: int
    text: str
    shown: tuple[str, ...] = ()


def commands(block: Block) -> list[Command]:
    """Give a block's commands: of ``console`` each after its prompt, of ``sh`` all as one."""
    if block.language == SHELL:
        return [Command(block.line, block.text)]
    found: list[Command] = []
    for number, line in enumerate(block.text.splitlines(), block.line + 1):
        if line.startswith(("$ ", "# ")):
            found.append(Command(number, line[2:]))
        elif not found:
            message = f"{block.where}: a session begins with a prompt"
            raise ValueError(message)
        elif found[-1].shown or _is_whole(found[-1].text):
            found[-1] = Command(found[-1].line, found[-1].text, (*found[-1].shown, line))
        else:
            found[-1] = Command(found[-1].line, f"{found[-1].text}\n{line}")
    return found


def _is_whole(text: str) -> bool:
    """Whether a command needs no further line: nothing is continued, and no single quote is open."""
    return not text.endswith("\\") and text.count("'") % 2 == 0
