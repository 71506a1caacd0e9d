"""Which way imports point, and where facts live.

errors <- locks <- later <- draw <- ir <- ops <- trace <- transform <- execute
       <- { explain | analyze | native | numeric } <- api <- { study | learn } <- cli

`draw` knows nothing of functions: numbers in, pictures out. It stands at the bottom so that every result may show
itself.

A module may import from layers to the left of its own, and from its own; siblings in braces don't import each other.
The package's `__init__` gathers the public names; only the top may import from it.
"""

import ast
import dataclasses
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import chainrule as cr

ROOT = Path(cr.__file__).parent
LAYERS = ["errors", "locks", "later", "draw", "ir", "ops", "trace", "transform", "execute",
          {"explain", "analyze", "native", "numeric"}, "api", {"study", "learn"}, "cli"]  # fmt: skip
HEIGHT = {name: i for i, layer in enumerate(LAYERS) for name in ([layer] if isinstance(layer, str) else sorted(layer))}
FILES = sorted(path for path in ROOT.rglob("*.py"))
LONGEST = 500  # lines


def layer_of(path):
    """errors, ir, ops, …: the first part of a module's name below chainrule; None for the package itself."""
    part = path.relative_to(ROOT).parts[0].removesuffix(".py")
    return None if part == "__init__" else part


def imports(tree, package):
    """Every import of a module, also inside of functions: (line, dotted name of what is imported)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "import_module":
            name = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else ""
            yield node.lineno, f"chainrule{name}" if name.startswith(".") else name


def typing_only(tree):
    """Lines under `if TYPE_CHECKING`: nothing is imported there when the program runs."""
    lines = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", getattr(node.test, "attr", "")) == "TYPE_CHECKING":
            lines |= {line for part in node.body for line in range(part.lineno, part.end_lineno + 1)}
    return lines


def wrong_ways(path, source):
    """Imports of a file that point the wrong way."""
    own, tree = layer_of(path), ast.parse(source)
    package = ["chainrule", *path.relative_to(ROOT).parent.parts]
    hidden = typing_only(tree)
    for line, name in imports(tree, package):
        parts = name.split(".")
        if parts[0] != "chainrule" or own is None:
            continue
        other = parts[1] if len(parts) > 1 and parts[1] in HEIGHT else None
        if other == own or (line in hidden and other is not None):
            continue
        if other is None and own in ("study", "cli", "learn"):
            continue  # the top may use the public names
        if other is None or HEIGHT[other] >= HEIGHT[own]:
            yield f"{path.relative_to(ROOT)}:{line} ({own}) imports {name}"


def test_every_module_has_a_layer():
    assert {layer_of(path) for path in FILES} - {None} <= set(HEIGHT)


def test_imports_point_one_way():
    wrong = [text for path in FILES for text in wrong_ways(path, path.read_text())]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("draw/figure.py", "from ..ir import Program"),
        ("ir.py", "from .ops.op import Op"),
        ("ops/op.py", "from ..trace.recorder import Recorder"),
        ("ops/op.py", "def f():\n    from chainrule.execute import run"),
        ("trace/record.py", "from .. import transform"),
        ("explain/rules.py", "from ..numeric import check"),
        ("explain/rules.py", "import chainrule.api"),
        ("explain/rules.py", "import chainrule as cr"),
        ("numeric/check.py", "from chainrule.native import emit"),
        ("execute.py", "import importlib\nimportlib.import_module('chainrule.api')"),
        ("learn/server.py", "from ..study import run"),
        ("study/run.py", "from ..cli import main"),
    ],
)
def test_the_check_of_imports_sees_one_that_points_the_wrong_way(file, line):
    assert list(wrong_ways(ROOT / file, line))


def test_an_import_for_annotations_only_may_point_anywhere():
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .ops.op import Op\n"
    assert not list(wrong_ways(ROOT / "ir.py", source))


def asks_for_a_name(source):
    """Comparisons of an op's name: a fact that has no home yet."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            named = [s for s in sides if isinstance(s, ast.Attribute) and s.attr == "name" and _is_op(s.value)]
            if named and any(isinstance(op, (ast.Eq, ast.NotEq, ast.In, ast.NotIn)) for op in node.ops):
                yield node.lineno
        elif isinstance(node, ast.Match) and isinstance(node.subject, ast.Attribute) and node.subject.attr == "name":
            yield from [node.lineno] * _is_op(node.subject.value)
        elif isinstance(node, ast.Subscript) and getattr(node.slice, "attr", "") == "name":  # a table keyed by op.name
            yield from [node.lineno] * (_is_op(node.slice.value) and isinstance(node.ctx, ast.Load))


def _is_op(node):
    return getattr(node, "id", "") in ("op", "operation") or getattr(node, "attr", "") == "op"


@pytest.mark.parametrize("path", [p for p in FILES if layer_of(p) != "ops"], ids=lambda p: str(p.relative_to(ROOT)))
def test_nobody_but_the_table_asks_for_an_op_by_its_name(path):
    lines = list(asks_for_a_name(path.read_text()))
    assert not lines, f"give the op a field: {path.relative_to(ROOT)}, lines {lines}"


@pytest.mark.parametrize(
    "line",
    ["e.op.name == 'exp'", "op.name in ('exp', 'log')", "table[e.op.name]", "match op.name:\n    case 'exp': pass"],
)
def test_the_check_of_names_sees_them(line):
    assert list(asks_for_a_name(line))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_is_longer_than_one_can_read(path):
    assert len(path.read_text().splitlines()) <= LONGEST


@pytest.mark.parametrize("path", [p for p in FILES if p.read_text().strip()], ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_says_what_it_is_in_a_docstring(path):
    text = ast.get_docstring(ast.parse(path.read_text()))
    assert text
    assert text.split("\n\n")[0].strip().endswith((".", ":")), "the first sentence is one"


def test_every_module_can_be_imported_alone():
    """No module counts on another's having been imported first: each layer in its order, and then the rest."""
    for module in pkgutil.walk_packages(cr.__path__, "chainrule."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def test_importing_chainrule_brings_in_no_command_line_and_no_compiler():
    code = "import sys, chainrule; print(*{m.partition('.')[0] for m in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"typer", "rich", "llvmlite", "matplotlib", "pandas"} & set(done.stdout.split())


def test_the_public_names_are_listed_and_exist():
    assert len(set(cr.__all__)) == len(cr.__all__)
    for name in cr.__all__:
        value = getattr(cr, name)
        assert value.__doc__, f"{name} has no docstring"
    modules = {n for n, v in vars(cr).items() if isinstance(v, type(sys))}
    public = {n for n in vars(cr) if not n.startswith("_")} - (modules - {"schedules"})
    assert public == set(cr.__all__)


def test_records_are_frozen_and_classes_abstract_or_final():
    """A dataclass of the library is frozen, unless its docstring says that it changes."""
    names = [m.name for m in pkgutil.walk_packages(cr.__path__, "chainrule.") if not m.name.endswith("__main__")]
    kinds = [v for n in names for v in vars(importlib.import_module(n)).values() if isinstance(v, type)]
    records = [v for v in dict.fromkeys(kinds) if dataclasses.is_dataclass(v) and v.__module__.startswith("chainrule")]
    loose = [v for v in records if not v.__dataclass_params__.frozen and "chang" not in (v.__doc__ or "")]
    assert not loose, loose
