"""The pages as a book: what README.md links to, in its order, is the table of contents in the sidebar."""

import re
import shutil
from pathlib import Path


def anchor(heading: str) -> str:
    """The anchor of a heading, as code hosts have it, so that links work in both places; "E7. …" is at #e7."""
    numbered = re.match(r"(E\d+)\. ", heading)
    return (numbered[1] if numbered else re.sub(r"[^\w\- ]", "", heading).replace(" ", "-")).lower()


def contents(text: str) -> list[tuple[str, list[str]]]:
    """Headings of a page of contents, each with the pages that are linked to under it.

    >>> contents("## Guide\\n1. [One](guide/one.md): 1\\n2. [Two](guide/two.md)")
    [('Guide', ['guide/one', 'guide/two'])]
    """
    parts: list[tuple[str, list[str]]] = [("", [])]
    for line in text.splitlines():
        if line.startswith("## "):
            parts.append((line[3:], []))
        parts[-1][1].extend(re.findall(r"\]\(([\w./-]+)\.md\)", line))
    return [(name, list(dict.fromkeys(pages))) for name, pages in parts if pages]


def add_contents(app, docname, source):
    """Say in Sphinx's words what the lists of a README.md say to a reader."""
    if docname.rpartition("/")[2] != "README":
        return
    for name, pages in contents(source[0]):
        caption = f":caption: {name}\n" if name and docname == app.config.root_doc else ""
        source[0] += f"\n\n```{{toctree}}\n:hidden:\n{caption}\n" + "\n".join(pages) + "\n```\n"


def add_index(app, error):
    """A folder that is opened shows the contents."""
    if error is None and app.builder.format == "html":
        shutil.copy(Path(app.outdir) / "README.html", Path(app.outdir) / "index.html")


def setup(app):
    app.connect("source-read", add_contents)
    app.connect("build-finished", add_index)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
