"""Read a program as mathematics: a box for every value, bottom up, and names for what is shared or too long to repeat.

>>> import numpy as np
>>> from chainrule import trace
>>> def loss(w, X, y):
...     r = X @ w - y
...     return np.mean(r**2)
>>> print(formula(trace(loss, np.ones(3), np.ones((5, 3)), np.ones(5))))
loss = ‖X w − y‖² / 5
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ..ir import Atom, Const, Equation, Program, Var
from ..ops.contraction import Contraction, Spec
from .layout import Box, equation, fenced, letter, listed, lowered, number, raised, summed, text
from .matrix import INDICES, contracted
from .names import fresh, shortened, symbol
from .styles import constant, laid_out, notation_of, uniform

REPEATED = 3  # a value that is used again gets a name when it is longer than this many names and numbers
LONG = 24  # and any value that is longer than this


@dataclass(frozen=True)
class Formula:
    """Equations `left = right` under each other, and what the names in them stand for."""

    heads: tuple[tuple[Box, Box], ...]
    where: tuple[tuple[Box, Box], ...] = ()

    @property
    def left(self) -> Box:
        return self.heads[0][0]

    @property
    def right(self) -> Box:
        return self.heads[0][1]

    @property
    def unicode(self) -> str:
        heads = [f"{a.unicode} = {b.unicode}" for a, b in self.heads]
        rest = [f"{a.unicode} = {b.unicode}" for a, b in self.where]
        return "\n".join([*heads, *(f"  {'     ' if i else 'where'} {line}" for i, line in enumerate(rest))])

    @property
    def latex(self) -> str:
        """What goes inside a display: one equation, or an `aligned` block of them."""
        if len(self.heads) == 1 and not self.where:
            return f"{self.left.latex} = {self.right.latex}"
        heads = [f"{a.latex} &= {b.latex}" for a, b in self.heads]
        rest = [f"{a.latex} &= {b.latex}" for a, b in self.where]
        lines = [*heads, *(line if i else rf"\text{{where }} {line}" for i, line in enumerate(rest))]
        return r"\begin{aligned} " + r" \\ ".join(lines) + r" \end{aligned}"

    @property
    def mathml(self) -> str:
        """A `<math>` element for each line."""
        return "\n".join(equation(a, b).mathml for a, b in (*self.heads, *self.where))

    def __str__(self) -> str:
        return self.unicode

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$"

    def _repr_html_(self) -> str:
        return self.mathml

    def as_dict(self) -> dict[str, Any]:
        def pair(line: tuple[Box, Box]) -> dict[str, str]:
            return {"name": line[0].unicode, "unicode": line[1].unicode, "latex": line[1].latex}

        return {"formulas": [pair(line) for line in self.heads], "where": [pair(line) for line in self.where]}


# --- names ------------------------------------------------------------------------------------------------------------


def user_names(program: Program) -> dict[Var, str]:
    """What the user calls values: unique, and short where a path is long."""
    named = [v for v in program.variables if v.name]
    short = shortened(dict.fromkeys(v.name for v in named))
    names: dict[Var, str] = {}
    used: Counter[str] = Counter()
    for v in named:
        name = short[v.name]
        used[name] += 1
        while used[name] > 1 and f"{name}_{used[name]}" in used:
            used[name] += 1
        names[v] = name if used[name] == 1 else f"{name}_{used[name]}"
        used.setdefault(names[v], 1)
    return names


# --- views: what rearranges without computing ------------------------------------------------------------------------


def is_view(e: Equation) -> bool:
    """Whether an equation only rearranges or repeats its operand: nothing that deserves a name."""
    if notation_of(e).style == "silent":
        return True
    if isinstance(e.op, Contraction) and len(e.inputs) == 1:
        spec: Spec = e.params["spec"]
        size = spec.sizes([e.inputs[0].type.shape])
        return all(label in spec.out or size[label] == 1 for label in spec.ins[0]) and len(set(spec.out)) == len(
            spec.out
        )
    return False


def views(program: Program) -> tuple[dict[Atom, Atom], Counter[Atom]]:
    """What each view shows, and how often each value is read, looking through views."""
    source: dict[Atom, Atom] = {}
    count: Counter[Atom] = Counter()
    for e in program.equations:
        if is_view(e):
            source[e.outputs[0]] = source.get(e.inputs[0], e.inputs[0])
        else:
            count.update(source.get(a, a) for a in e.inputs)
    count.update(source.get(a, a) for a in program.outputs)
    return source, count


# --- reading ----------------------------------------------------------------------------------------------------------


class Typesetter:
    """The boxes of a program's values, made bottom up; `definitions` lists what got a name, in order."""

    def __init__(
        self, program: Program, *, named: Mapping[Var, Box] | None = None, cut: Iterable[Var] = (),
        counts: Mapping[Var, int] | None = None, long: int = LONG,
    ) -> None:  # fmt: skip
        self.program = program
        self.producer = {v: e for e in program.equations for v in e.outputs}
        self.names = user_names(program)
        self.given = named or {}  # names that the caller wants
        self.boxes: dict[Var, Box] = {}
        self.definitions: dict[Var, tuple[Box, Box]] = {}
        self.constants: dict[int, tuple[Box, Box]] = {}
        self._fresh = self._new_names()
        self._source, self._uses = views(program)
        self._cut = set(cut)
        self._long = long
        for v in program.inputs:
            self.boxes[v] = self.given.get(v) or self._name(v)
        for v, n in (counts or {}).items():
            self.definitions[v] = (self.boxes[v], number(str(n)))
        for e in program.equations:
            self._read(e)

    def _new_names(self) -> Iterator[str]:
        yield from fresh({*self.names.values(), *(box.unicode for box in self.given.values())})

    @cached_property
    def _indices(self) -> str:
        """Letters that are free to count with."""
        taken = {*self.names.values(), *(box.unicode for box in self.given.values())}
        return "".join(c for c in INDICES if c not in taken)

    def box(self, a: Atom) -> Box:
        """How a value is written where it is used."""
        return self.boxes[a] if isinstance(a, Var) else self._constant(a)

    def where(self, *boxes: Box) -> tuple[tuple[Box, Box], ...]:
        """The definitions that are needed to understand these boxes, in the order of their first use."""
        known = {id(name): (name, body) for name, body in (*self.definitions.values(), *self.constants.values())}
        found: dict[int, tuple[Box, Box]] = {}
        stack = list(reversed(boxes))
        while stack:
            box = stack.pop()
            if id(box) in known and id(box) not in found:
                found[id(box)] = known[id(box)]
                stack.append(known[id(box)][1])
            stack.extend(reversed(box.parts))
        return tuple(found.values())

    def formula(self, left: Box, output: Atom) -> Formula:
        """left = the output, with what is needed to read it."""
        right = self.box(output)
        if isinstance(output, Var) and output in self.definitions:
            name, right = self.definitions[output]
            return Formula(((left, right),), tuple(d for d in self.where(right) if d[0] is not name))
        return Formula(((left, right),), self.where(right))

    def system(self, lefts: Sequence[Box], outputs: Sequence[Atom]) -> Formula:
        """A formula for each output; what their names stand for is said once."""
        each = [self.formula(left, a) for left, a in zip(lefts, outputs, strict=True)]
        where = {id(d[0]): d for d in self.where(*(f.right for f in each))}
        return Formula(tuple(f.heads[0] for f in each), tuple(where.values()))

    # --- one equation ---

    def _read(self, e: Equation) -> None:
        for k, v in enumerate(e.outputs):
            body = self._body(e)
            if len(e.outputs) > 1:
                body = lowered(body, number(str(k + 1)))
            if not self._deserves_name(e, v, body):
                self.boxes[v] = body
                continue
            name = self._name(v)
            self.boxes[v], self.definitions[v] = name, (name, body)

    def _name(self, v: Var) -> Box:
        """The box of a value's name: one object for each value, so that it can be found again in a formula."""
        return replace(self.given.get(v) or symbol(self.names.get(v) or next(self._fresh)))

    def _deserves_name(self, e: Equation, v: Var, body: Box) -> bool:
        if v in self._cut or len(e.outputs) > 1:
            return True
        if body.size > self._long:
            return True
        if is_view(e) or self._uses[v] < 2:
            return False
        return body.size > (1 if v in self.names else REPEATED)

    def _body(self, e: Equation) -> Box:
        if isinstance(e.op, Contraction):
            return self._contraction(e)
        return laid_out(e, [self.box(a) for a in e.inputs], elements=any(map(self._is_scalar, e.inputs)))

    def _is_scalar(self, a: Atom) -> bool:
        """Whether it is one number, perhaps repeated."""
        return self._source.get(a, a).type.size == 1 or (isinstance(a, Const) and uniform(a) is not None)

    def _contraction(self, e: Equation) -> Box:
        spec: Spec = e.params["spec"]
        if len(e.inputs) == 1 and not spec.out and len(set(spec.ins[0])) == len(spec.ins[0]) > 0:
            return self._sum(e.inputs[0])
        return contracted(spec, [a.type.shape for a in e.inputs], [self.box(a) for a in e.inputs], self._indices)

    def _sum(self, a: Atom) -> Box:
        """The sum of all elements: a squared norm, or Σ over the indices of what is added up."""
        long = [i for i, n in enumerate(a.type.shape) if n != 1]
        if not long:
            return self.box(a)
        e = self._inlined(a)
        if e is not None and notation_of(e).style == "power" and e.params.get("n") == 2:
            norm = fenced("‖", self.box(e.inputs[0]), "‖", (r"\lVert", r"\rVert"))
            return raised(norm if len(long) == 1 else lowered(norm, letter("F")), number("2"))
        index = tuple(self._indices[long.index(i)] if i in long else "" for i in range(len(a.type.shape)))
        return summed(",".join(filter(None, index)), self._entry(a, index))

    def _inlined(self, a: Atom) -> Equation | None:
        """The equation that is written out where `a` stands; None for what has a name."""
        return self.producer.get(a) if isinstance(a, Var) and a not in self.definitions else None

    def _entry(self, a: Atom, index: tuple[str, ...]) -> Box:
        """One element of an array: elementwise functions are written of elements, (f(x))ᵢ = f(xᵢ)."""
        label = ",".join(filter(None, index))
        e = self._inlined(a)
        if a.type.shape == () or not label or (isinstance(a, Const) and constant(a) is not None and a.type.ndim == 0):
            return self.box(a)
        if e is not None and e.op.aligned:
            parts = [self._entry(x, index) if x.type.shape else self.box(x) for x in e.inputs]
            return laid_out(e, parts, elements=True)
        if e is not None and isinstance(e.op, Contraction) and is_view(e):
            spec: Spec = e.params["spec"]
            at = dict(zip(spec.out, index, strict=True))
            return self._entry(e.inputs[0], tuple(at.get(label, "") for label in spec.ins[0]))
        box = self.box(a)
        return box if box.kind == "number" else lowered(box, letter(label))

    # --- constants ---

    def _constant(self, a: Const) -> Box:
        short = constant(a)
        if short is not None:
            return short
        if id(a.value) not in self.constants:
            name = replace(symbol(f"C_{len(self.constants) + 1}"))
            self.constants[id(a.value)] = (name, text(f"a constant, {a.type}"))
        return self.constants[id(a.value)][0]


# --- formulas of whole programs ---------------------------------------------------------------------------------------


def title(program: Program) -> Box:
    """What the function is called; f where it has no name."""
    name = program.name
    return symbol(name if name.isidentifier() else "f")


def formula(program: Program) -> Formula:
    """A program's value just as it is recorded: `name = …`."""
    setter = Typesetter(program)
    if len(program.outputs) == 1:
        return setter.formula(title(program), program.outputs[0])
    right = fenced("(", listed([setter.box(a) for a in program.outputs]), ")")
    return Formula(((title(program), right),), setter.where(right))
