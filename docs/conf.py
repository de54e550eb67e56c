"""Sphinx: Markdown pages by myst, warnings are errors (tox -e docs)."""

project = "webspaced"
author = "The webspaced authors"
project_copyright = author
release = "0.1.0"

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nitpicky = True
# Mermaid: drawn where the repository is shown, text elsewhere.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "alabaster"
html_theme_options = {"description": "Webspaces that sleep and wake on the first visit"}
