"""Backpropagation as a table: every intermediate value, its shape, and its adjoint in terms of other adjoints.

The adjoint z̄ of a value z says how the result changes with it: z̄ = ∂loss/∂z. It is the sum, over all lines that use
z, of what their rule hands down.

>>> import numpy as np
>>> from chainrule import trace
>>> def loss(w, x, y):
...     p = np.tanh(x @ w)
...     return np.mean((p - y) ** 2)
>>> print(backprop(trace(loss, np.ones(3), np.ones((5, 3)), np.ones(5)), [0]))
value          shape   adjoint                line
w              [3]     w̄ = xᵀ v̄₁
x              [5,3]   –
y              [5]     –
v₁ = x w       [5]     v̄₁ = p̄ ⊙ (1 − p²)      <doctest ...>:2
p = tanh(v₁)   [5]     p̄ = v̄₂                 <doctest ...>:2
v₂ = p − y     [5]     v̄₂ = 2 v̄₃ ⊙ v₂         <doctest ...>:3
v₃ = v₂²       [5]     v̄₃ = v̄₄                <doctest ...>:3
v₄ = Σᵢ v₃ᵢ    []      v̄₄ = l̄oss/n            <doctest ...>:3
loss = v₄/n    []      l̄oss = 1               <doctest ...>:3
  where n = 5
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

import numpy as np

from ..draw import Graph
from ..ir import Array, ArrayType, Atom, Const, Program, Var
from ..ops.arithmetic import add
from ..trace.recorder import Recorder
from ..trace.size import norm
from ..transform.reverse import reached_from, reverse
from .drawing import drawn
from .formula import Typesetter, title
from .layout import Box, equation, number
from .lines import Line, every_value, names_for, short
from .names import bar
from .terminal import columns
from .textbook import with_book_rules, with_counts
from .tidy import tidy
from .views import user_names


@dataclass(frozen=True)
class Row:
    """A value, how it is computed (None for an input), and its adjoint (None where nothing is asked of it).

    `size` and `adjoint_size` are Euclidean norms, where values were given. `reads` are the numbers of the rows that it
    is computed from; `own` says that the name is the user's.
    """

    name: Box
    formula: Box | None
    type: ArrayType
    line: str
    adjoint_name: Box
    adjoint: Box | None
    size: float | None = None
    adjoint_size: float | None = None
    reads: tuple[int, ...] = ()
    own: bool = True

    @property
    def written(self) -> str:
        return f"{self.name} = {self.formula}" if self.formula else str(self.name)

    @property
    def shape(self) -> str:
        return f"[{','.join(map(str, self.type.shape))}]"

    @property
    def adjoint_written(self) -> str:
        return f"{self.adjoint_name} = {self.adjoint}" if self.adjoint else "–"

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": str(self.name),
            "formula": None if self.formula is None else str(self.formula),
            "shape": list(self.type.shape),
            "dtype": str(self.type.dtype),
            "line": self.line,
            "adjoint": None if self.adjoint is None else str(self.adjoint),
            "latex": {
                "value": self.name.latex + (f" = {self.formula.latex}" if self.formula else ""),
                "adjoint": f"{self.adjoint_name.latex} = {self.adjoint.latex}" if self.adjoint else None,
            },
            "size": self.size,
            "adjoint_size": self.adjoint_size,
            "reads": list(self.reads),
        }


@dataclass(frozen=True)
class Backprop:
    """The backpropagation table. Read it down to compute the value, up to compute the adjoints; `graph` draws it."""

    rows: tuple[Row, ...]
    where: tuple[tuple[Box, Box], ...] = ()

    def __str__(self) -> str:
        sizes = any(r.size is not None for r in self.rows)
        lines = any(r.line for r in self.rows)
        head = ["value", "shape", "adjoint", *(["‖value‖", "‖adjoint‖"] if sizes else []), *(["line"] if lines else [])]
        table = [head]
        for r in self.rows:
            norms = [_short(r.size), _short(r.adjoint_size)] if sizes else []
            table.append([r.written, r.shape, r.adjoint_written, *norms, *([r.line] if lines else [])])
        where = [f"  where {a} = {b}" for a, b in self.where]
        return "\n".join([*columns(table), *where])

    def _repr_html_(self) -> str:
        head = "<tr><th>value</th><th>shape</th><th>adjoint</th><th>line</th></tr>"
        return f"<table>{head}{''.join(map(_html, self.rows))}</table>"

    @property
    def graph(self) -> Graph:
        """The table as a drawing: values forward, adjoints backward. Without values that no adjoint needs."""
        return drawn(self.rows)

    def as_dict(self) -> dict[str, Any]:
        return {
            "rows": [r.as_dict() for r in self.rows],
            "where": [{"name": str(a), "unicode": str(b)} for a, b in self.where],
        }


def _short(size: float | None) -> str:
    return "" if size is None else f"{size:.4g}"


def _html(r: Row) -> str:
    value = equation(r.name, r.formula) if r.formula else r.name
    adjoint = equation(r.adjoint_name, r.adjoint).mathml if r.adjoint else "–"
    cells = (value.mathml, escape(r.shape), adjoint, f"<code>{escape(r.line)}</code>" if r.line else "")
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


# --- making it --------------------------------------------------------------------------------------------------------


def backprop(program: Program, wanted: Sequence[int], values: Sequence[Any] | None = None) -> Backprop:
    """The table of a program with one real result; with `values` for its inputs, also how large everything is."""
    swept = sweep(program, wanted, values)
    p, names, adjoints = swept.program, swept.names, swept.adjoints
    bars = {v: bar(box) for v, box in names.items()}
    number_of = {v: i for i, (v, _) in enumerate(swept.order)}
    own = set(user_names(p)) | set(p.inputs) | set(p.outputs)
    rows = []
    where: dict[str, tuple[Box, Box]] = {}
    for v, line in swept.lines:
        if v in swept.counts:
            where[str(names[v])] = (names[v], number(str(swept.counts[v])))
            continue
        formula = _formula(line.program, v, names, where) if line else None
        adjoint = adjoints.get(v)
        written = _written(adjoint, names, bars, where) if adjoint else None
        reads = tuple(number_of[u] for u in line.program.inputs if u in number_of) if line else ()
        row = Row(names[v], formula, v.type, swept.place(line), bars[v], written, *swept.sizes(v), reads, v in own)
        rows.append(row)
    return Backprop(tuple(rows), tuple(where.values()))


@dataclass(frozen=True, eq=False)
class Sweep:
    """A program with one real result cut into lines, the adjoint of each value, and, at given values, all numbers."""

    program: Program
    counts: Mapping[Var, int]
    lines: Sequence[tuple[Var, Line | None]]
    names: Mapping[Var, Box]
    adjoints: Mapping[Var, Adjoint]
    known: Mapping[Var, tuple[Array, Array | None]]

    @property
    def order(self) -> list[tuple[Var, Line | None]]:
        """Inputs and values in the order of the program, with the line that computes each; counts are left out."""
        return [(v, line) for v, line in self.lines if v not in self.counts]

    @staticmethod
    def place(line: Line | None) -> str:
        return short(line.where) if line and line.where else ""

    def sizes(self, v: Var) -> tuple[float | None, float | None]:
        """Norms of a value and of its adjoint, where they are known."""
        if v not in self.known:
            return None, None
        value, adjoint = self.known[v]
        return norm([value]), None if adjoint is None else norm([adjoint])


def sweep(program: Program, wanted: Sequence[int], values: Sequence[Any] | None = None) -> Sweep:
    """Forward through the program line by line, and backward again."""
    counted = with_counts(with_book_rules(program))
    p = counted.program
    lines = every_value(p)
    names = names_for(p, lines)
    (output,) = p.outputs
    if isinstance(output, Var) and not output.name and output not in p.inputs:
        names[output] = title(program)
    adjoints = _adjoints(p, lines, reached_from(p, wanted))
    known = _values(p, lines, adjoints, values, counted.counts) if values is not None else {}
    return Sweep(p, counted.counts, _in_order(p, lines), names, adjoints, known)


def _in_order(program: Program, lines: Sequence[Line]) -> list[tuple[Var, Line | None]]:
    return [(v, None) for v in program.inputs] + [(v, line) for line in lines for v in line.values]


def _written(
    adjoint: Adjoint, names: Mapping[Var, Box], bars: Mapping[Var, Box], where: dict[str, tuple[Box, Box]]
) -> Box:
    known = {**names, **{g: bars[v] for g, v in adjoint.of.items()}}
    return _formula(tidy(adjoint.program), None, known, where)


def _formula(program: Program, output: Var | None, names: Mapping[Var, Box], where: dict[str, tuple[Box, Box]]) -> Box:
    setter = Typesetter(program, named={v: names[v] for v in program.inputs if v in names})
    found = setter.formula(number("0"), program.outputs[0] if output is None else output)
    where.update((str(a), (a, b)) for a, b in found.where)
    return found.right


class Adjoint(NamedTuple):
    """The program of a value's adjoint; `of` tells which of its inputs are adjoints, and of what."""

    program: Program
    of: Mapping[Var, Var]


def _adjoints(program: Program, lines: Sequence[Line], active: set[Var]) -> dict[Var, Adjoint]:
    """For each active value that the result depends on, the program of its adjoint."""
    users: dict[Var, list[Line]] = {}
    for line in lines:
        for v in line.program.inputs:
            users.setdefault(v, []).append(line)
    found: dict[Var, Adjoint] = {}
    order = [*program.inputs, *(v for line in lines for v in line.values)]
    for v in reversed(order):
        if v in active:
            adjoint = _adjoint(v, users.get(v, []), found, program.outputs)
            if adjoint is not None:
                found[v] = adjoint
    return found


def _adjoint(v: Var, users: Sequence[Line], known: Mapping[Var, Adjoint], results: Sequence[Atom]) -> Adjoint | None:
    """The sum of what each line that uses `v` hands down, and 1 if `v` is the result."""
    recorder = Recorder(quiet=True)
    inputs: dict[Var, None] = {}
    of: dict[Var, Var] = {}
    total: Atom | None = Const(np.ones(v.type.shape, v.type.dtype)) if v in results else None
    for line in users:
        seeds = [Var(u.type) if u in known else None for u in line.values]
        pulled = reverse(line.program, [line.program.inputs.index(v)], seeds)
        if pulled.present[0] is None:
            continue
        of.update((g, u) for g, u in zip(seeds, line.values, strict=True) if g is not None)
        inputs.update(dict.fromkeys((*line.program.inputs, *line.values, *(g for g in seeds if g is not None))))
        # the line's value is known by its name: it is not computed again
        recorder.equations += [e for e in pulled.program.equations if e.outputs != line.values]
        part = pulled.program.outputs[pulled.present[0]]
        total = part if total is None else recorder.emit(add, (total, part), {}, None)[0]
    if total is None:
        return None
    shared_once = tuple(dict.fromkeys(recorder.equations))  # two lines may hold the same view
    return Adjoint(Program(tuple(inputs), shared_once, (total,)), of)


# --- values -----------------------------------------------------------------------------------------------------------


def _values(
    program: Program,
    lines: Sequence[Line],
    adjoints: Mapping[Var, Adjoint],
    values: Sequence[Any],
    counts: Mapping[Var, int],
) -> dict[Var, tuple[Array, Array | None]]:
    known: dict[Atom, Any] = dict(zip(program.inputs, [*values, *counts.values()], strict=True))
    with np.errstate(all="ignore"):
        for line in lines:
            _compute(line.program, known)
        bars: dict[Var, Any] = {}
        for v, (adjoint, of) in adjoints.items():
            given: dict[Atom, Any] = {a: bars[of[a]] if a in of else known[a] for a in adjoint.inputs}
            bars[v] = _compute(adjoint, given)
    shown = (*program.inputs, *(v for line in lines for v in line.values))
    return {v: (np.asarray(known[v]), bars.get(v)) for v in shown}


def _compute(program: Program, known: dict[Atom, Any]) -> Any:
    """The first output; `known` has the inputs, and gets every value. Each line runs once, so it is not compiled."""

    def value(a: Atom) -> Any:
        return a.value if isinstance(a, Const) else known[a]

    for e in program.equations:
        found = e.op.evaluate(*map(value, e.inputs), **e.params)
        known.update(zip(e.outputs, found if len(e.outputs) > 1 else (found,), strict=True))
    return value(program.outputs[0])
