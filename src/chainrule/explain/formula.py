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

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from math import prod

from ..ir import Atom, Const, Equation, Program, Var
from ..ops.contraction import Contraction, Labels, Spec
from ..ops.indexing import scatter_add
from ..ops.notation import PRODUCT
from .equations import Formula as Formula
from .layout import (
    Box,
    beside,
    fenced,
    letter,
    listed,
    lowered,
    number,
    product,
    raised,
    relation,
    summed,
    text,
)
from .matrix import Axes, contracted, index_letters, lifted, relettered
from .names import base, fresh, iterate, symbol, verbatim
from .selection import Picked, added, counts_up, is_position, picked, rows, scattered
from .styles import constant, laid_out, notation_of, one_of, placed, reshaped, uniform
from .views import is_view as is_view
from .views import names_and_repeats
from .views import user_names as user_names
from .views import views as views

REPEATED = 3  # a value that is used again gets a name when it is longer than this many names and numbers
LONG = 24  # and any value that is longer than this


# --- reading ----------------------------------------------------------------------------------------------------------

At = Mapping[int, str]  # the letter for each axis of a value


def long_axes(a: Atom) -> Axes:
    """The axes that are written: those of length 1 are not."""
    return tuple(i for i, n in enumerate(a.type.shape) if n != 1)


class Typesetter:
    """The boxes of a program's values, made bottom up; `definitions` lists what got a name, in order.

    A box may have fewer axes than the value it stands for, which repeats it along the others: `axes` says which of the
    value's axes the box has. Where that must be seen, it is written with vectors of ones; a value that matrices can't
    say is written by its elements.
    """

    def __init__(
        self, program: Program, *, named: Mapping[Var, Box] | None = None, cut: Iterable[Var] = (),
        counts: Mapping[Var, int] | None = None, inline: bool = False,
    ) -> None:  # fmt: skip
        self.program, self.counts = program, counts or {}
        self.producer = {v: e for e in program.equations for v in e.outputs}
        self.names, self._repeats = names_and_repeats(program)
        self.given = named or {}  # names that the caller wants
        self.boxes: dict[Var, Box] = {}
        self.own_axes: dict[Var, Axes] = {}
        self.elements: dict[Var, Box] = {}  # what is written by its elements, and has no name
        self.definitions: dict[Var, tuple[Box, Box]] = {}
        self.constants: dict[int, tuple[Box, Box]] = {}
        self._fresh = self._new_names()
        self._source, self._uses = views(program)
        self._cut = set(cut)
        self._index_tex: dict[str, str] = {}  # elements of index arrays, where they are an index
        self._symbols: dict[str, str] = {}  # what is written how
        self._inline = inline  # give no names to what is shared or long
        for v in program.inputs:
            self.boxes[v] = self.given.get(v) or self._name(v)
        for v, n in self.counts.items():
            self.definitions[v] = (self.boxes[v], number(str(n)))
        for e in program.equations:
            self._read(e)

    @cached_property
    def _taken(self) -> set[str]:
        """What is called something already."""
        return {*self.names.values(), *(box.unicode for box in self.given.values())}

    def _new_names(self) -> Iterator[str]:
        yield from fresh(self._taken)

    def _letters(self) -> Iterator[str]:
        """Letters that are free to count with."""
        return index_letters(self._taken)

    @cached_property
    def _whole(self) -> set[Atom]:
        """What is taken as a whole somewhere, and not by its elements."""
        found: set[Atom] = set()
        for e in self.program.equations:
            if not (e.op.aligned or isinstance(e.op, Contraction) or is_view(e)):
                found.update(self._source.get(a, a) for a in e.inputs)
        return found

    def box(self, a: Atom) -> Box:
        """How a value is written where it is used."""
        return self.boxes[a] if isinstance(a, Var) else self._constant(a)

    def axes(self, a: Atom) -> Axes:
        """The axes of a value that its box has."""
        if isinstance(a, Const):
            return () if uniform(a) is not None else long_axes(a)
        found = self.own_axes.get(a)
        return long_axes(a) if found is None else found

    def where(self, *boxes: Box) -> tuple[tuple[Box, Box], ...]:
        """The definitions that are needed to understand these boxes, in the order of their first use."""
        known = {id(self.boxes[v]): line for v, line in self.definitions.items()}
        known |= {id(line[0]): line for line in self.constants.values()}
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
        if isinstance(output, Var) and output in self.definitions:
            own = self.definitions[output]
            if own[0] is not self.boxes[output]:
                left = _entry_of(left, own[0].parts[1].sign)
            right = own[1] if self.axes(output) in ((), long_axes(output)) else self.shown(output)
            return Formula(((left, right),), tuple(d for d in self.where(right) if d is not own or right is not own[1]))
        if isinstance(output, Var) and output in self.elements and self.axes(output) == long_axes(output):
            left, right = _entry_of(left, self.boxes[output].parts[1].sign), self.elements[output]
        else:
            right = self.shown(output)
            if right.kind == "lowered" and right.parts[0].sign == "[ ]":
                left, right = _entry_of(left, right.parts[1].sign), right.parts[0].parts[0]
        return Formula(((left, right),), self.where(right))

    def system(self, lefts: Sequence[Box], outputs: Sequence[Atom]) -> Formula:
        """A formula for each output; what their names stand for is said once."""
        each = [self.formula(left, a) for left, a in zip(lefts, outputs, strict=True)]
        where = {id(d[0]): d for d in self.where(*(f.right for f in each))}
        return Formula(tuple(f.heads[0] for f in each), tuple(where.values()))

    # --- one equation ---

    def _read(self, e: Equation) -> None:
        form, axes = self._form(e)
        for k, v in enumerate(e.outputs):
            if axes is not None:
                self.own_axes[v] = axes
            index, body = "", form
            if body is None:  # by its elements
                at = dict(zip(self.axes(v), self._letters(), strict=False))
                body, index = self._element(e, at, set(at.values())), ",".join(at.values())
                assert body is not None
            if len(e.outputs) > 1:
                body = one_of(e, k, body, [self.whole(a) for a in e.inputs])
            if self._deserves_name(e, v, body) or (index and self._source.get(v, v) in self._whole):
                name = self._name(v)
                self.boxes[v] = name
                self.definitions[v] = (lowered(name, letter(index)) if index else name, body)
            elif index:
                self.elements[v] = body
                self.boxes[v] = lowered(fenced("[", body, "]"), letter(index))
            else:
                self.boxes[v] = body

    def _name(self, v: Var) -> Box:
        """The box of a value's name: one object for each value, so that it can be found again in a formula."""
        if v in self.given:
            return replace(self.given[v])
        name = self.names.get(v) or next(self._fresh)
        box = iterate(name) if v.type.shape and v in self._repeats else symbol(name)
        if self._symbols.setdefault(box.unicode, name) != name:  # w_1 and w1
            box = verbatim(name)
        return replace(box)

    def _deserves_name(self, e: Equation, v: Var, body: Box) -> bool:
        if v in self._cut or len(e.outputs) > 1:
            return True
        if self._inline:
            return False
        if body.size > LONG:
            return True
        if is_view(e) or self._uses[v] < 2 or (e.op is scatter_add and not added(e, self.producer)):
            return False
        return body.size > (1 if v in self.names else REPEATED)

    def _form(self, e: Equation) -> tuple[Box | None, Axes | None]:
        """How an equation is written, or None if that is by its elements; and which axes that has, or None for all."""
        style = notation_of(e).style
        if style == "silent":
            return self._rearranged(e)
        if e.op.aligned:
            return self._aligned(e)
        if isinstance(e.op, Contraction):
            return self._contraction(e)
        if is_position(e):
            return self.box(e.inputs[0]), self.axes(e.inputs[0])
        if picked(e, self.producer) or added(e, self.producer):
            return None, long_axes(e.output)
        if style == "slice" and not self.axes(e.inputs[0]):
            return self.box(e.inputs[0]), ()
        parts = [self.box(a) if style == "update" and not self.axes(a) else self.whole(a) for a in e.inputs]
        unit = "" if "e" in self._bases else "e"
        found = placed(e, parts[0], unit, "" if "I" in self._taken else "I") if style == "place" else None
        found = found or laid_out(e, parts)
        if style == "slice" and found.unicode in self._symbols:  # the user calls something else x₁
            found = beside(found.parts[0], fenced("[", found.parts[1], "]"))
        return found, None

    def _rearranged(self, e: Equation) -> tuple[Box | None, Axes | None]:
        """A value with other axes of length 1 is written the same."""
        (a,), out = e.inputs, e.outputs[0]
        old, new = long_axes(a), long_axes(out)
        if [a.type.shape[i] for i in old] != [out.type.shape[i] for i in new]:
            if not self.axes(a):
                return self.box(a), ()
            if scattered(a, out.type.shape, self.producer):
                return None, new
            return reshaped(e, self.whole(a)), None
        if isinstance(a, Var) and a in self.elements:
            return None, tuple(new[old.index(i)] for i in sorted(self.axes(a)))
        return self.box(a), tuple(new[old.index(i)] for i in self.axes(a))

    def _aligned(self, e: Equation) -> tuple[Box | None, Axes | None]:
        each = [self.axes(a) for a in e.inputs]
        found = dict.fromkeys(filter(None, each))
        axes = next(iter(found), ())
        by_elements = any(a in self.elements for a in e.inputs)
        if len(found) < 2 and not by_elements:
            return laid_out(e, [self.box(a) for a in e.inputs], elements=not all(each)), axes
        axes = tuple(sorted({i for own in each for i in own}))
        notation = notation_of(e)
        if by_elements or len(axes) > 2:
            return None, axes
        if notation.style == "infix" and notation.level == PRODUCT:
            return contracted(each, axes, [self.box(a) for a in e.inputs]), axes
        if all(len(own) == 1 for own in found):
            return None, axes
        parts = [lifted(self.box(a), own, axes) if own else self.box(a) for a, own in zip(e.inputs, each, strict=True)]
        return laid_out(e, [part for part in parts if part is not None]), axes

    def _contraction(self, e: Equation) -> tuple[Box | None, Axes | None]:
        spec: Spec = e.params["spec"]
        if len(e.inputs) == 1 and not spec.out and len(set(spec.ins[0])) == len(spec.ins[0]) > 0:
            return self._sum(e.inputs[0]), ()
        ins, size = self._labels(e)
        known = {label for labels in ins for label in labels}
        axes = tuple(
            i for i, n in enumerate(spec.out) if size[n] != 1 and (n in known or spec.out.count(n) > 1)
        )  # fmt: skip
        out = tuple(spec.out[i] for i in axes)
        lazy = len(e.inputs) == 1 and len(out) > 2 and sorted(out) == sorted(ins[0])  # a tensor with its axes turned
        no_name = out[:1] == out[1:] and "I" in self._taken  # I is something else here
        if any(a in self.elements for a in e.inputs) or no_name:
            body = None
        elif lazy or (len(e.inputs) == 1 and ins[0] == out):
            body, axes = self.box(e.inputs[0]), tuple(axes[out.index(n)] for n in ins[0])
        else:
            body = contracted(ins, out, [self.box(a) for a in e.inputs])
        if body is None:
            return (None, axes) if axes else (self._element(e, {}, set()), axes)
        times = self._times(e)
        return body if times == 1 else product([number(str(times)), body]), axes

    def _labels(self, e: Equation) -> tuple[list[Labels], dict[int, int]]:
        """The labels of the axes that each operand's box has, and the lengths of all."""
        spec: Spec = e.params["spec"]
        ins = [tuple(labels[i] for i in self.axes(a)) for a, labels in zip(e.inputs, spec.ins, strict=True)]
        return ins, spec.sizes([a.type.shape for a in e.inputs])

    def _times(self, e: Equation) -> int:
        """How often the same is added up: the length of what is summed though no box has it."""
        spec: Spec = e.params["spec"]
        ins, size = self._labels(e)
        known = {label for labels in (*ins, spec.out) for label in labels}
        return prod(size[label] for label in {label for labels in spec.ins for label in labels} - known)

    def _sum(self, a: Atom) -> Box:
        """The sum of all elements: a squared norm, or Σ over the indices of what is added up."""
        own = self.axes(a)
        times = prod(a.type.shape[i] for i in set(long_axes(a)) - set(own))
        found = self._sum_over(a, tuple(sorted(own))) if own else self.box(a)
        return found if times == 1 else product([number(str(times)), found])

    def _sum_over(self, a: Atom, own: Axes) -> Box:
        e = self._inlined(a)
        if e is not None and notation_of(e).style == "power" and e.params.get("n") == 2 and a not in self.elements:
            norm = fenced("‖", self.box(e.inputs[0]), "‖", (r"\lVert", r"\rVert"))
            return raised(norm if len(own) == 1 else lowered(norm, letter("F")), number("2"))
        at = dict(zip(own, self._letters(), strict=False))
        return summed(",".join(at.values()), self._entry(a, at, set(at.values())))

    def _inlined(self, a: Atom) -> Equation | None:
        """The equation that is written out where `a` stands; None for what has a name."""
        return self.producer.get(a) if isinstance(a, Var) and a not in self.definitions else None

    def shown(self, a: Atom) -> Box:
        """How a value is written where it stands alone: as a whole, but one number for many that are the same."""
        return self.whole(a) if self.axes(a) else self.box(a)

    def whole(self, a: Atom) -> Box:
        """A value in its own shape: what is repeated is seen to be."""
        own, whole = self.axes(a), long_axes(a)
        found = None if isinstance(a, Var) and a in self.elements else lifted(self.box(a), own, whole)
        if found is not None:
            return found
        at = dict(zip(whole, self._letters(), strict=False))
        return lowered(fenced("[", self._entry(a, at, set(at.values())), "]"), letter(",".join(at.values())))

    # --- one element ---

    def _entry(self, a: Atom, at: At, bound: set[str]) -> Box:
        """One element of an array: elementwise functions are written of elements, (f(x))ᵢ = f(xᵢ)."""
        own = self.axes(a)
        if not own:
            return relettered(self.box(a), bound, self._letters())
        e = self._inlined(a)
        if e is not None and (e.op.aligned or a in self.elements or is_view(e) or rows(e, self.producer)):
            found = self._element(e, at, bound)
            if found is not None:
                return found
        box = relettered(self.box(a), bound, self._letters())
        return box if box.kind == "number" else lowered(box, self._index(at, own))

    def _element(self, e: Equation, at: At, bound: set[str]) -> Box | None:
        """One element of an equation's result; None where it is only said of the whole."""
        if e.op.aligned:
            return laid_out(e, [self._entry(a, at, bound) for a in e.inputs], elements=True)
        if isinstance(e.op, Contraction):
            return self._contracted_element(e, at, bound)
        if (found := picked(e, self.producer)) is not None:
            return self._picked(found, at, bound)
        if (found := rows(e, self.producer)) is not None:
            along = {1: at[1]} if 1 in at else {}
            return self._entry(found.table, {0: self._position(found.indices[0], at.get(0, ""), bound), **along}, bound)
        a = e.inputs[0]
        if (found := scattered(a, e.outputs[0].type.shape, self.producer)) is not None:
            return self._scattered(found, at, bound)
        if (found := added(e, self.producer)) is not None:
            return self._scattered(found, at, bound)
        if not is_view(e):
            return None
        old, new = long_axes(a), long_axes(e.outputs[0])
        if [a.type.shape[i] for i in old] != [e.outputs[0].type.shape[i] for i in new]:
            return None
        return self._entry(a, {i: at[j] for i, j in zip(old, new, strict=True) if j in at}, bound)

    def _picked(self, found: Picked, at: At, bound: set[str]) -> Box:
        """z[i, y[i]]"""
        (place,) = at.values() or ("",)
        inner = {i: self._position(a, place, bound) for i, a in enumerate(found.indices)}
        return self._entry(found.table, inner, bound)

    def _position(self, a: Atom, place: str, bound: set[str]) -> str:
        box = letter(place) if counts_up(a) and place else self._entry(a, {0: place} if place else {}, bound)
        self._index_tex[box.unicode] = box.latex
        return box.unicode

    def _scattered(self, found: Picked, at: At, bound: set[str]) -> Box:
        """Where the elements of a value were added to: Σₖ vₖ [yₖ = j]"""
        own = next((i for i, a in enumerate(found.indices) if counts_up(a) and i in at), None)
        place = at[own] if own is not None else next(c for c in self._letters() if c not in bound)
        inside = bound | {place}
        along = {1: at[1]} if len(found.indices) == 1 and 1 in at else {}  # whole rows are added
        factors = [self._entry(found.table, {0: place, **along}, inside)]
        for i, a in enumerate(found.indices):
            if i != own and i in at:
                equal = relation(self._entry(a, {0: place}, inside), "=", "=", letter(at[i]))
                factors.append(fenced("[", equal, "]"))
        body = product([f for f in factors if f.sign != "1"] or factors)
        return body if own is not None else summed(place, body)

    def _index(self, at: At, axes: Axes) -> Box:
        """The index of an element: letters, numbers, and elements of index arrays."""
        names = [at[i] for i in axes]
        return letter(",".join(names), ",".join(self._index_tex.get(name, name) for name in names))

    def _contracted_element(self, e: Equation, at: At, bound: set[str]) -> Box:
        spec: Spec = e.params["spec"]
        ins, _ = self._labels(e)
        name: dict[int, str] = {}
        deltas: list[Box] = []
        for i, label in enumerate(spec.out):
            if i in at and name.setdefault(label, at[i]) != at[i]:  # one index twice: zero off the diagonal
                deltas.append(fenced("[", relation(letter(name[label]), "=", "=", letter(at[i])), "]"))
        free = (c for c in self._letters() if c not in bound)
        gone = [label for label in dict.fromkeys(n for labels in ins for n in labels) if label not in spec.out]
        name.update(zip(gone, free, strict=False))
        inside = bound | {name[label] for label in gone}
        factors = [
            self._entry(a, {i: name[n] for i, n in enumerate(labels) if n in name}, inside)
            for a, labels in zip(e.inputs, spec.ins, strict=True)
        ]
        times = self._times(e)
        factors = [f for f in (*([number(str(times))] if times > 1 else ()), *factors, *deltas) if f.sign != "1"]
        body = product(factors or [number("1")])
        return summed(",".join(name[label] for label in gone), body) if gone else body

    # --- constants ---

    def _constant(self, a: Const) -> Box:
        short = constant(a)
        if short is not None and (short.sign != "I" or "I" not in self._taken):
            return short
        if id(a.value) not in self.constants:
            base = next(c for c in "CKMBDE" if c not in self._bases)
            name = replace(symbol(f"{base}_{len(self.constants) + 1}"))
            self.constants[id(a.value)] = (name, text(f"a constant, {a.type}"))
        return self.constants[id(a.value)][0]

    @cached_property
    def _bases(self) -> set[str]:
        return set(map(base, self._taken))


def _entry_of(left: Box, index: str) -> Box:
    """An element of what a formula is about: (∇x f)ᵢ."""
    return lowered(left if left.kind == "letter" else fenced("(", left, ")"), letter(index))


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
    right = fenced("(", listed([setter.shown(a) for a in program.outputs]), ")")
    return Formula(((title(program), right),), setter.where(right))
