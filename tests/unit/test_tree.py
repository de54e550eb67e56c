"""The house style's sizes: what is longer does too much."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from twisted.trial.unittest import SynchronousTestCase

import webspaced

ROOT = Path(webspaced.__file__).parent
LONGEST_FUNCTION, MEDIAN_FUNCTION, LONGEST_FILE = 60, 10, 400


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{path.name}:{node.name}", (node.end_lineno or 0) - node.lineno + 1


class SizeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.files = sorted(ROOT.rglob("*.py"))
        self.assertGreater(len(self.files), 50)

    def test_no_function_is_too_long_and_most_are_short(self) -> None:
        lengths = [each for path in self.files for each in functions(path)]
        self.assertEqual([each for each in lengths if each[1] > LONGEST_FUNCTION], [])
        self.assertLess(median(length for _, length in lengths), MEDIAN_FUNCTION)

    def test_no_file_is_too_long(self) -> None:
        long = [path.name for path in self.files if len(path.read_text(encoding="utf-8").splitlines()) > LONGEST_FILE]
        self.assertEqual(long, [])
