"""The site: Sphinx reads docs/*.md and writes build/docs, which needs no network to be read. `make docs` makes it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "site"))

import chainrule

project = "chainrule"
author = "the chainrule authors"
project_copyright = f"2026 {author}"
release = version = chainrule.__version__

extensions = ["myst_parser", "book", "mathml"]
root_doc = "README"
exclude_patterns = ["site", "figures"]
nitpicky = True

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
myst_heading_slug_func = "book.anchor"

html_theme = "furo"
html_title = "chainrule"
html_static_path = ["site/static"]
html_css_files = ["chainrule.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_show_search_summary = False  # summaries are fetched, and a page opened as a file may fetch nothing
pygments_style = "friendly"
pygments_dark_style = "github-dark"
