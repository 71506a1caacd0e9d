"""What one scalar operation is in the text: an instruction or a few, or the call of a function made once.

Both are written by the formulas of elementwise.py, on one lane and without leave to contract: so every effort of the
compiler gives the same digits.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from ..ir import ArrayType, Equation, Var
from ..ops.op import Op
from .elementwise import FORMULAS, formula_of, has_formula
from .foreign import Foreign
from .lanes import Lanes, Value
from .tiers import Module

_INLINE = 4  # instructions of a formula that is written where it is used


@dataclass(frozen=True)
class Template:
    """The text of one operation: `{0}` is the name of the result, `{1}`, … are the operands.

    Without text the result is the operand `same`, or the `literal`.
    """

    kind: str
    text: str = ""
    lines: int = 0
    declared: tuple[str, ...] = ()
    same: int | None = None
    literal: str = ""
    function: str = ""  # what it calls, if it is long


@lru_cache(maxsize=4096)
def formula(op: Op, params: tuple[tuple[str, Any], ...], kinds: tuple[str, ...], kind: str) -> Template:
    """An elementwise op on operands of these kinds."""
    e = Equation(op, tuple(Var(ArrayType()) for _ in kinds), (), dict(params))
    if not has_formula(e):
        raise Foreign(op.name)
    code = Lanes(1)
    y = formula_of(e)(code, *[code.input(f"x{i}", k) for i, k in enumerate(kinds)], **dict(params))
    told = f"{op.name} {params} {kinds} {kind}" if params else f"{op.name} {kinds} {kind}"
    return _template(code, y if y.kind == kind else y.to(kind), kinds, f"{op.name}_{zlib.crc32(told.encode()):08x}")


@lru_cache(maxsize=64)
def combination(combine: str, kind: str) -> Template:
    """The formula by which a reduction makes one of two elements."""
    code = Lanes(1)
    y = FORMULAS[combine](code, code.input("x0", kind), code.input("x1", kind))
    return _template(code, y if y.kind == kind else y.to(kind), (kind, kind), f"{combine}_of_{kind}")


def _template(code: Lanes, y: Value, kinds: Sequence[str], name: str) -> Template:
    lines = code.target.lines
    if any("%status" in line for line in lines):
        raise Foreign("what may fail")
    if not lines:
        operand = re.fullmatch(r"%x(\d+)", y.text)
        if operand:
            return Template(y.kind, same=int(operand[1]))
        return Template(y.kind, literal=y.text)
    types = [code.type(k) for k in kinds]
    declared = tuple(code.target.declared.values())
    if len(lines) <= _INLINE and not code.target.helpers:
        text = "\n".join(lines)
        text = re.sub(r"%t(\d+)\b", lambda m: "%v{0}" if m[0] == y.text else f"%v{{0}}_{m[1]}", text)
        text = re.sub(r"%x(\d+)\b", lambda m: f"{{{int(m[1]) + 1}}}", text)
        return Template(y.kind, text, len(lines), declared)
    given = ", ".join(f"{t} {{{i + 1}}}" for i, t in enumerate(types))
    signature = ", ".join(f"{t} %x{i}" for i, t in enumerate(types))
    kind = code.type(y.kind)
    body = [f"define {kind} @{name}({signature}) nounwind {{", "entry:", *lines, f"  ret {kind} {y.text}", "}"]
    _bodies[name] = _Body(declared, code.target.helpers, frozenset(code.target.imported), "\n".join(body))
    here = f"declare {kind} @{name}({', '.join(types)}) nounwind"
    return Template(y.kind, f"  %v{{0}} = call {kind} @{name}({given})", 2, (here,), function=name)


class _Body(NamedTuple):
    """A function's text, with what it needs."""

    declared: Sequence[str]
    helpers: Mapping[str, str]
    imported: frozenset[str]
    text: str


_bodies: dict[str, _Body] = {}


def formulas(names: Sequence[str]) -> Module:
    """The functions that templates call; compiled with all effort from the start, for they are where the time goes."""
    bodies = [_bodies[name] for name in names]
    declared = dict.fromkeys(line for b in bodies for line in b.declared)
    helpers = {name: helper for b in bodies for name, helper in b.helpers.items()}
    text = "\n".join([*declared, *helpers.values(), *(b.text for b in bodies)])
    symbols = {symbol for b in bodies for symbol in b.imported}
    return Module(text, tuple(names), (), tuple(sorted(symbols)), effort=2)
