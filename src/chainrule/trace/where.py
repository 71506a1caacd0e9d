"""Which line of the user's code is running, and its text. Finding the place is cheap; reading it happens when asked."""

from __future__ import annotations

import ast
import linecache
import os
import sys
from functools import cache, lru_cache
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from ..ir import Where

OURS = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))


@cache
def _libraries() -> tuple[str, ...]:
    from importlib.util import find_spec

    scipy = find_spec("scipy")  # found, not imported
    return (OURS, *(os.path.dirname(file) for file in (np.__file__, scipy and scipy.origin) if file))


@lru_cache(maxsize=4096)
def is_library(filename: str) -> bool:
    """Whether a file is ours, NumPy's or SciPy's."""
    return filename.startswith(_libraries()) or filename.endswith(".pyx")


@lru_cache(maxsize=4096)
def is_python(filename: str) -> bool:
    """Whether a file belongs to Python's standard library."""
    import sysconfig

    own = sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")
    installed = {"site-packages", "dist-packages"} & set(filename.split(os.sep))
    return filename.startswith(("<frozen", *own)) and not installed


def _is_foreign(filename: str) -> bool:
    return is_library(filename) or is_python(filename)


def here() -> Where | None:
    """The innermost instruction under way that belongs to the user."""
    frame = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        foreign = _foreign.get(code.co_filename)
        if foreign is None:
            foreign = _foreign[code.co_filename] = _is_foreign(code.co_filename)
        if not foreign:
            return (code, frame.f_lasti)
        if id(code) in entrances:
            return None  # we are not inside a user's function
        frame = frame.f_back  # type: ignore[assignment]
    return None


_foreign: dict[str, bool] = {}  # by file: asked for each equation, about each frame
entrances: dict[int, CodeType] = {}  # by id, the code of ours from which users' functions are called


class Place(NamedTuple):
    """A stretch of source text: 1-based lines, 0-based columns in UTF-8 bytes."""

    file: str
    line: int
    end_line: int | None
    column: int | None
    end_column: int | None


# By id, since code objects are equal when only their files differ, and hashing one reads all of it.
_positions: dict[int, tuple[CodeType, list[Any]]] = {}


def place_of(where: Where) -> Place:
    """File, lines and columns of an instruction."""
    code, index = where
    _, positions = _positions.get(id(code)) or (code, [])
    if not positions:
        if len(_positions) >= 1024:
            _positions.clear()
        positions = list(code.co_positions())
        _positions[id(code)] = code, positions
    line, end_line, column, end_column = positions[index // 2] if index // 2 < len(positions) else (None,) * 4
    return Place(code.co_filename, line or code.co_firstlineno, end_line, column, end_column)


def line_text(where: Where) -> str:
    """The whole source line, stripped; empty when the source can't be read."""
    place = place_of(where)
    return linecache.getline(place.file, place.line).strip()


def short_file(place: Place) -> str:
    return os.path.basename(place.file) if not place.file.startswith("<") else place.file


def describe(where: Where) -> str:
    """`file.py:12   the line`, for an error or a report."""
    place = place_of(where)
    return f"{short_file(place)}:{place.line}   {line_text(where)}".rstrip()


def segment(where: Where) -> str:
    """The source of just the expression that was running, on one line; empty when unknown."""
    place = place_of(where)
    if place.end_line is None or place.column is None or place.end_column is None:
        return ""
    lines = [linecache.getline(place.file, n) for n in range(place.line, place.end_line + 1)]
    if not all(lines):
        return ""
    raw = [line.encode() for line in lines]
    raw[-1] = raw[-1][: place.end_column]
    raw[0] = raw[0][place.column :]
    return " ".join(part.decode(errors="replace").strip() for part in raw)


@lru_cache(maxsize=4096)
def _expression(text: str) -> ast.expr | None:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return None


def operand_names(where: Where) -> tuple[str, ...]:
    """What the user wrote as the operands of the expression that was running; empty when unknown."""
    tree = _expression(segment(where))
    if isinstance(tree, ast.BinOp):
        found: list[ast.expr] = [tree.left, tree.right]
    elif isinstance(tree, ast.Compare):
        found = [tree.left, *tree.comparators]
    elif isinstance(tree, ast.UnaryOp):
        found = [tree.operand]
    elif isinstance(tree, ast.Subscript):
        found = [tree.value]
    elif isinstance(tree, ast.Call):
        found = list(tree.args)
        function = tree.func
        if isinstance(function, ast.Attribute) and not _is_module(function.value):
            found.insert(0, function.value)
        if found and isinstance(found[0], (ast.List, ast.Tuple)):
            found = list(found[0].elts)
    else:
        return ()
    return tuple(ast.unparse(part) for part in found)


def _is_module(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and node.id in {"np", "numpy", "math", "scipy", "special", "linalg", "sp"}


@lru_cache(maxsize=256)
def _assignments(file: str, _size: int) -> dict[tuple[int, int, int, int], str]:
    """The name that each assigned expression of a file gets, by the expression's position."""
    source = "".join(linecache.getlines(file))
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return {}
    names = {}
    for node in ast.walk(tree):
        target = (
            node.targets[0]
            if isinstance(node, ast.Assign) and len(node.targets) == 1
            else getattr(node, "target", None)
        )
        value = getattr(node, "value", None)
        if (
            isinstance(target, ast.Name)
            and isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr))
            and value is not None
        ):
            names[value.lineno, value.end_lineno, value.col_offset, value.end_col_offset] = target.id
    return names


def assigned_name(where: Where) -> str:
    """The variable to which the user assigns the expression that was running, if the whole of it is assigned."""
    place = place_of(where)
    lines = linecache.getlines(place.file)
    if not lines or place.column is None:
        return ""
    found = _assignments(place.file, len(lines))
    return found.get((place.line, place.end_line, place.column, place.end_column), "")  # type: ignore[arg-type]
