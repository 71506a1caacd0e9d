"""What the documents say is true: their code runs, prints what they show, and every public name is in them.

In README.md and docs/**/*.md, the ```python blocks of a page are run one after another in one namespace, in a folder
that holds nothing but examples/:

- a block with `>>>` is a doctest;
- another is a script, and when a ```text block follows at once, it is what the script prints;
- a ```console block shows commands: those that begin with `$ chainrule` are run, and print what stands below them.

A block that can't be run says why in a comment before it: <!-- not run: it asks for a password -->.
"""

import contextlib
import doctest
import io
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest

import chainrule as cr

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


class Block(NamedTuple):
    line: int
    language: str
    text: str
    reason: str  # why it is not run
    follows: bool  # whether only blank lines are between it and the block before


def blocks(page):
    """The fenced blocks of a page."""
    found, lines, at = [], page.read_text().splitlines(), 0
    between = []
    while at < len(lines):
        fence = re.match(r"( *)(```+)\s*([\w+-]*)", lines[at])
        if not fence:
            between.append(lines[at])
            at += 1
            continue
        indent, marks, language = fence.groups()
        end = next(i for i in range(at + 1, len(lines)) if lines[i].strip() == marks)
        text = "\n".join(line.removeprefix(indent) for line in lines[at + 1 : end])
        said = [line for line in between if line.strip()]
        reason = re.match(r"\s*<!-- not run: (.+) -->", said[-1]) if said else None
        found.append(Block(at + 2, language, text, reason.group(1) if reason else "", not said))
        between, at = [], end + 1
    return found


def run_script(block, scope, page):
    """The script's output."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), scope)
    return out.getvalue()


def run_doctest(block, scope, page):
    test = doctest.DocTestParser().get_doctest(block.text, scope, page.name, str(page), block.line - 1)
    said = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(test, out=said.write, clear_globs=False)
    assert runner.failures == 0, said.getvalue()
    scope.update(test.globs)


def run_console(block, page):
    """Commands of ours among those of a console block print what stands below them."""
    from typer.testing import CliRunner

    from chainrule.cli import app

    for part in re.split(r"^\$ ", block.text, flags=re.M)[1:]:
        command, _, shown = part.partition("\n")
        words = shlex.split(command, comments=True)
        if words[:1] != ["chainrule"]:
            continue
        done = CliRunner().invoke(app, words[1:])
        expect(done.output, shown, f"{page.name}:{block.line} {command}")


def expect(found, shown, where):
    checker = doctest.OutputChecker()
    if shown.strip() and not checker.check_output(shown.strip() + "\n", found.strip() + "\n", FLAGS):
        raise AssertionError(f"{where} shows\n{shown}\nand prints\n{found}")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_page_runs_and_prints_what_it_shows(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    scope = {"__name__": "__main__"}
    output = None
    for block in blocks(page):
        if block.reason:
            output = None
        elif block.language == "python" and ">>>" in block.text:
            run_doctest(block, scope, page)
            output = None
        elif block.language == "python":
            output = run_script(block, scope, page)
        elif block.language == "text" and block.follows and output is not None:
            expect(output, block.text, f"{page.relative_to(ROOT)}:{block.line}")
            output = None
        elif block.language == "console":
            run_console(block, page)
            output = None


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_and_every_picture_leads_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        assert path.exists(), f"{page.relative_to(ROOT)}: {target}"
        if anchor and path.suffix == ".md":
            assert anchor in anchors(path.read_text()), f"{page.relative_to(ROOT)}: {target}"


def anchors(text):
    """The places of a page that a link can lead to: its headings, and what is marked with `<a id="…">`."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    marked = re.findall(r'<a id="([\w-]+)"></a>', text)
    headings = re.findall(r"^#+ (.+)$", re.sub(r"<a id=.+?</a>", "", text), flags=re.M)
    return {*marked, *(re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings)}


@pytest.mark.parametrize("name", cr.__all__)
def test_every_public_name_is_documented(name):
    pages = "\n".join(page.read_text() for page in PAGES)
    assert re.search(rf"\b(cr|chainrule)\.{name}\b|`{name}[`(]", pages), f"no page of docs/ mentions {name}"


@pytest.mark.parametrize("name", [n for n in cr.__all__ if not isinstance(getattr(cr, n), type)])
def test_every_public_function_has_a_docstring_with_an_example_that_runs(name):
    text = getattr(cr, name).__doc__
    assert text
    assert ">>>" in text, "an example that runs"
    assert text.strip().splitlines()[0].endswith((".", ":")) or ". " in text


def test_the_check_of_pages_sees_what_is_not_true(tmp_path, monkeypatch):
    page = tmp_path / "page.md"

    def run(text):
        page.write_text(text)
        scope, output = {}, None
        for block in blocks(page):
            if block.language == "python" and ">>>" in block.text:
                run_doctest(block, scope, page)
            elif block.language == "python" and not block.reason:
                output = run_script(block, scope, page)
            elif block.language == "text":
                expect(output, block.text, "page")

    run("```python\nx = 2\nprint(x)\n```\n\n```text\n2\n```\n```python\n>>> x + 1\n3\n```\n")
    run("<!-- not run: it would take a week -->\n```python\n1 / 0\n```\n")
    for wrong in ("print(2)\n```\n```text\n3", ">>> 1 + 1\n3", "1 / 0"):
        with pytest.raises((AssertionError, ZeroDivisionError)):
            run(f"```python\n{wrong}\n```\n")


def test_the_changelog_says_what_is_unreleased():
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text()
