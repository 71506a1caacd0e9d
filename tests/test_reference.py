"""docs/reference is what the op table and the docstrings say now: `make docs` writes it."""

from pathlib import Path

from chainrule.explain.reference import write
from chainrule.ops.table import OPS

WRITTEN = Path(__file__).resolve().parent.parent / "docs" / "reference"


def test_the_reference_in_the_repository_is_what_the_table_says(tmp_path):
    write(tmp_path)
    fresh = {path.name: path.read_text() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_text() for path in WRITTEN.glob("*.md")}
    assert fresh == kept, "run `make docs`"


def test_every_op_has_its_line():
    text = "".join(path.read_text() for path in WRITTEN.glob("ops-*.md"))
    missing = [name for name in OPS if f"`{name}`" not in text and f"## {name}" not in text]
    assert not missing
