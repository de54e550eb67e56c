"""The sample file and the reference page: `python -m webspaced.lan.reference sample`, or `markdown`."""

from __future__ import annotations

from webspaced.lan.settings import SCHEMA
from webspaced.settings.printing import Pages, print_asked

PAGES = Pages.of(SCHEMA, "webspaced.lan.reference")

if __name__ == "__main__":
    print_asked(PAGES.sample, PAGES.markdown)
