"""The sample configuration and the reference page of the router.

``python -m webspaced.router.reference sample`` prints ``config.router.sample.yaml``, and with ``markdown`` it prints
``docs/reference/router-settings.md``.
"""

from __future__ import annotations

from typing import Final

from webspaced.router.settings import SCHEMA
from webspaced.settings.printing import Pages, print_asked

PAGES: Final = Pages.of(SCHEMA, "webspaced.router.reference")

if __name__ == "__main__":
    print_asked(PAGES.sample, PAGES.markdown)
