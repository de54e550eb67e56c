"""`python -m harness.diagrams`: draw the documentation's diagrams, docs/diagrams/*.svg of the .dot files beside them.

The drawings are checked in, so that the code host shows them and the site needs neither Graphviz nor the network. Each tells
the hash of what it was drawn of, by which a test sees that one is old. Two are the relay's own tables: their source is made
of the code.
"""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

from harness import places
from harness.saying import CannotGoOn, run_program, say

FOLDER = places.CHECKOUT / "docs" / "diagrams"
LOOK = (
    "-Gbgcolor=white", "-Gpad=0.2", "-Gnodesep=0.3", "-Granksep=0.35", "-Gfontname=sans-serif", "-Gfontsize=11",
    "-Nshape=box", "-Nstyle=rounded", "-Nfontname=sans-serif", "-Nfontsize=11", "-Efontname=sans-serif", "-Efontsize=9",
)


def digest(source: str) -> str:
    """Give what a drawing tells of its source."""
    return hashlib.sha256("\0".join((source, *LOOK)).encode()).hexdigest()


def drawn_of(drawing: str) -> str:
    """Give the digest that a drawing tells; empty if it tells none."""
    found = re.search(r"<!-- drawn of ([0-9a-f]{64}) -->", drawing)
    return found[1] if found else ""


def draw(source: Path) -> None:
    """Draw one, unless it is drawn already."""
    text, target = source.read_text(encoding="utf-8"), source.with_suffix(".svg")
    if target.exists() and drawn_of(target.read_text(encoding="utf-8")) == digest(text):
        return
    try:
        done = subprocess.run(["dot", "-Tsvg", *LOOK], input=text, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise CannotGoOn("there is no `dot`: install the package graphviz") from error
    if done.returncode:
        raise CannotGoOn(f"{source.name}: {done.stderr}")
    # Without the version of the program, which says nothing here.
    drawing = re.sub(r"<!--.*?-->\n?", "", done.stdout, flags=re.DOTALL)
    target.write_text(drawing.replace("<svg ", f"<!-- drawn of {digest(text)} -->\n<svg ", 1), encoding="utf-8")
    say(f"drew {target.name}")


def main() -> int:
    """Write the sources that are made of code, and draw what is new."""
    sys.path.insert(0, str(places.CHECKOUT / "src"))
    from webspaced.forward import states  # noqa: PLC0415  (only here the product is needed)

    for name, source in states.diagrams().items():
        (FOLDER / f"{name}.dot").write_text(source, encoding="utf-8")
    for path in sorted(FOLDER.glob("*.dot")):
        draw(path)
    return 0


if __name__ == "__main__":
    run_program(main)
