"""Sphinx: Markdown pages by myst, warnings are errors (tox -e docs). The site needs nothing from elsewhere."""

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

html_theme = "furo"
html_title = "webspaced"
html_static_path = ["_static"]
html_css_files = ["site.css"]
# The sources are in the repository.
html_copy_source = False
html_show_sourcelink = False
