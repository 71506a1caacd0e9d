"""Everything that the two lessons state is shown and tested: lesson_lines.toml says where, and here it is held to that.

The lines of the lessons at the beginning of this project are numbered A1 to A36 and B1 to B69. Each leads to a heading
of a chapter with code that is executed, to tests, and to what has to be corrected (docs/concepts/errata.md).
"""

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest
from test_documents import blocks

ROOT = Path(__file__).resolve().parent.parent
GUIDE = ROOT / "docs" / "guide"
LINES = tomllib.loads((Path(__file__).parent / "lesson_lines.toml").read_text(encoding="utf-8"))
IDS = [f"A{i}" for i in range(1, 37)] + [f"B{i}" for i in range(1, 70)]
ERRATA = [f"E{i}" for i in range(1, 25)]
NOT_MATHEMATICS = {"A1", "A36", "B1", "B2", "B3"}  # a title, a reading time, links, a place for comments


def level(line):
    return len(line) - len(line.lstrip("#"))


@cache
def sections(page):
    """For each heading of a page, the lines from it to the next one as high."""
    text = page.read_text(encoding="utf-8")
    bare = re.sub(r"^```.*?^```", lambda m: "\n" * m[0].count("\n"), text, flags=re.S | re.M).splitlines()
    heads = [(i, line) for i, line in enumerate(bare, 1) if re.match(r"#+ ", line)]
    found = {}
    for at, line in heads:
        end = next((i for i, other in heads if i > at and level(other) <= level(line)), len(bare) + 1)
        found[re.sub(r"<a id=.+?</a>", "", line.lstrip("#")).strip()] = range(at, end)
    return found


@cache
def executed(page):
    """Where the blocks of a page stand that are run."""
    return [b.line for b in blocks(page) if not b.reason and b.language in ("python", "console")]


@cache
def names_in(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def faults(entry):
    """What an entry promises and is not there."""
    found = []
    page = GUIDE / entry["chapter"]
    if not page.exists():
        return [f"no chapter {entry['chapter']}"]
    section = sections(page).get(entry["heading"])
    if section is None:
        found.append(f"{entry['chapter']} has no heading “{entry['heading']}”")
    elif not any(line in section for line in executed(page)):
        found.append(f"{entry['chapter']}, “{entry['heading']}”: nothing is executed there")
    if not entry["tests"]:
        found.append("no test")
    for test in entry["tests"]:
        file, _, name = test.partition("::")
        if not (ROOT / file).exists() or name not in names_in(ROOT / file):
            found.append(f"no test {test}")
    for erratum in entry.get("errata", []):
        if f"errata.md#{erratum.lower()})" not in page.read_text(encoding="utf-8"):
            found.append(f"{entry['chapter']} does not link to {erratum}")
    return found


def test_every_line_has_its_entry():
    assert list(LINES) == IDS
    assert all(entry["says"] for entry in LINES.values())


@pytest.mark.parametrize("line", [i for i in IDS if i not in NOT_MATHEMATICS])
def test_a_line_is_shown_by_code_that_runs_and_by_tests(line):
    assert not faults(LINES[line])


@pytest.mark.parametrize("line", sorted(NOT_MATHEMATICS))
def test_a_line_without_mathematics_says_what_became_of_it(line):
    assert set(LINES[line]) == {"says", "instead"}


def test_every_erratum_is_reached_and_shows_what_is_right():
    assert {e for entry in LINES.values() for e in entry.get("errata", [])} == set(ERRATA)
    page = ROOT / "docs" / "concepts" / "errata.md"
    headings = {h.partition(".")[0]: lines for h, lines in sections(page).items() if re.match(r"E\d+\. ", h)}
    assert list(headings) == ERRATA
    text = page.read_text(encoding="utf-8").splitlines()
    for erratum, section in headings.items():
        body = "\n".join(text[section.start - 1 : section.stop - 1])
        assert f'<a id="{erratum.lower()}"></a>' in body
        assert re.search(r"\*\*Often (said|written|shown):\*\*", body), erratum
        assert "**Right:**" in body, erratum
        assert any(line in section for line in executed(page)), erratum


def test_an_entry_that_promises_too_much_is_seen():
    right = {"chapter": "why-calculus.md", "heading": "How wrong", "errata": ["E7"]}
    right["tests"] = ["tests/test_lessons.py::test_every_line_has_its_entry"]
    assert not faults(right)
    for spoil in (
        {"chapter": "nowhere.md"},
        {"heading": "How right"},
        {"heading": "The way ahead"},  # nothing runs there
        {"tests": []},
        {"tests": ["tests/test_lessons.py::test_nothing"]},
        {"tests": ["tests/test_nothing.py::test_nothing"]},
        {"errata": ["E1"]},
    ):
        assert faults(right | spoil), spoil
