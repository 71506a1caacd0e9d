"""The site that `make docs` makes is whole: no warning, no dead link, nothing from the network, all searchable."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import chainrule as cr

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
LOADING = {"src", "srcset", "poster", "data"}  # attributes that a browser follows by itself; so does <link href>
ELSEWHERE = re.compile(r"\s*(https?:)?//", re.I)


class Page(HTMLParser):
    """What a page of the site has: ids, links to follow, and what a browser loads to show it."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.loads = set(), [], []
        self.feed(path.read_text(encoding="utf-8"))
        self.loads += css_loads(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id":
                self.ids.add(value)
            elif name in LOADING or (name == "href" and tag in ("link", "use", "image")) or name == "xlink:href":
                self.loads.append(value or "")
            elif name == "href" and tag == "a":
                self.links.append(value or "")


def css_loads(text):
    return re.findall(r"url\(\s*['\"]?(?!data:)([^'\")\s]+)|@import\s+['\"]([^'\"]+)", text)


def from_elsewhere(site):
    """What the pages, styles and pictures of a site would fetch from another place."""
    found = []
    for path in sorted(site.rglob("*")):
        if path.suffix in (".html", ".svg"):
            loads = Page(path).loads
        elif path.suffix == ".css":
            loads = css_loads(path.read_text(encoding="utf-8"))
        else:
            continue
        flat = [part for load in loads for part in (load if isinstance(load, tuple) else (load,))]
        found += [f"{path.name}: {load}" for load in flat if ELSEWHERE.match(load)]
    return found


def dead_links(site):
    """Links and loads of a site that lead to no file, or to no place in it."""
    pages = {path.resolve(): Page(path) for path in site.rglob("*.html")}
    found = []
    for path, page in pages.items():
        for link in page.links + [load for load in page.loads if isinstance(load, str)]:
            if re.match(r"[a-z]+:", link) or ELSEWHERE.match(link):
                continue
            file, _, anchor = link.partition("#")
            target = (path.parent / file.partition("?")[0]).resolve() if file else path
            lost = not target.exists() or (anchor and target in pages and anchor not in pages[target].ids)
            if lost:
                found.append(f"{path.name}: {link}")
    return found


def search_index(site):
    text = (site / "searchindex.js").read_text(encoding="utf-8")
    return json.loads(text.removeprefix("Search.setIndex(").rstrip().removesuffix(")"))


def build(pages, site):
    command = [sys.executable, "-m", "sphinx", "-n", "-W", "--keep-going", "-q", "-E", "-d", str(site) + "-doctrees"]
    return subprocess.run([*command, str(pages), str(site)], capture_output=True, text=True)


def test_the_site_is_whole(tmp_path):
    site = tmp_path / "site"
    done = build(DOCS, site)
    assert done.returncode == 0, done.stderr
    assert not from_elsewhere(site)
    assert not dead_links(site)
    index = search_index(site)
    assert {f"{path.relative_to(DOCS).with_suffix('')}" for path in DOCS.rglob("*.md")} == set(index["docnames"])
    titles = {part.lower() for title in index["alltitles"] for part in (title, title.partition(".")[0])}
    missing = [name for name in cr.__all__ if name.lower() not in titles]
    assert not missing, "a search for a public name finds its place in the reference"
    assert (site / "index.html").read_text() == (site / "README.html").read_text()


def test_the_checks_see_a_site_that_is_not_whole(tmp_path):
    (tmp_path / "a.html").write_text(
        '<link href="https://x.org/a.css"><script src="//x.org/a.js"></script><style>@import "http://x.org/b.css"; '
        'a {background: url(https://x.org/c.png)}</style><p id="here"><a href="b.html">b</a><a href="#there">t</a>'
        '<a href="a.html#here">h</a><a href="https://x.org">x</a>'
    )
    assert len(from_elsewhere(tmp_path)) == 4
    assert dead_links(tmp_path) == ["a.html: b.html", "a.html: #there"]


def test_a_dead_link_and_unreadable_mathematics_stop_the_build(tmp_path):
    pages = tmp_path / "docs"
    pages.mkdir()
    (pages / "conf.py").write_text((DOCS / "conf.py").read_text())
    (pages / "site").symlink_to(DOCS / "site")
    (pages / "README.md").write_text("# Title\n\n[nowhere](nowhere.md) and $\\frac{1$ and [no](#place)\n")
    done = build(pages, tmp_path / "site")
    assert done.returncode != 0
    for complaint in ("nowhere", "mathematics that can't be read", "place"):
        assert complaint in done.stderr


@pytest.fixture
def mathml(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "site"))
    import mathml

    return mathml.mathml


def test_mathematics_becomes_mathml(mathml):
    assert mathml("f'").endswith("<mrow><mi>f</mi><mo>′</mo></mrow></mrow></math>")
    assert "<munder>" in mathml(r"\lim_{h\to 0} h", "block")
    assert 'stretchy="true"' in mathml(r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}")
    for wrong in (r"\frac{1", r"\nosuchcommand{x}", "x}"):
        with pytest.raises(Exception, match=r"."):
            mathml(wrong)


PICTURES = sorted((DOCS / "figures").glob("[!_]*.py"))


def test_every_picture_has_its_script_and_is_shown():
    pages = "".join(page.read_text() for page in [ROOT / "README.md", *DOCS.rglob("*.md")])
    drawn = {path.stem for path in (DOCS / "figures").glob("*.svg")}
    assert drawn == {path.stem for path in PICTURES}
    assert not [name for name in drawn if f"figures/{name}.svg" not in pages]


@pytest.mark.parametrize("script", PICTURES, ids=lambda path: path.stem)
def test_a_picture_is_what_its_script_draws_now(script, monkeypatch):
    import runpy

    monkeypatch.syspath_prepend(script.parent)  # as Python does for a script that is run
    drawn = runpy.run_path(str(script))["figure"].svg()
    kept = script.with_suffix(".svg").read_text(encoding="utf-8")
    numbers = re.compile(r"-?\d+(?:\.\d+)?")
    assert numbers.sub("#", drawn) == numbers.sub("#", kept), "run `make docs`"
    ours, theirs = (list(map(float, numbers.findall(text))) for text in (drawn, kept))
    assert ours == pytest.approx(theirs, abs=0.2), "run `make docs`"
