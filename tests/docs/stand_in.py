"""The stand-in for curl: what a page says for readers is asked of the daemon that the tests have; a refusal is a failure.

Run as ``curl`` by the blocks. ``STANDS_FOR`` in the environment has pairs of what is written and what is meant.
"""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    """Become the real curl."""
    pairs = json.loads(os.environ["STANDS_FOR"])
    arguments = ["--fail-with-body"]
    for word in sys.argv[1:]:
        for written, meant in pairs:
            if word.endswith("/ports/7") and written == "/ports/7":
                word = word.removesuffix(written) + meant  # noqa: PLW2901
            elif written != "/ports/7":
                word = word.replace(written, meant)  # noqa: PLW2901
        arguments.append(word)
    real = os.environ["REAL_CURL"]
    os.execv(real, [real, *arguments])  # noqa: S606  (it is what was asked for)


if __name__ == "__main__":
    main()
