"""A program rewritten as a person would write it: signs and numbers in front, like terms collected, sums multiplied out
where that cancels something. For display only, since it changes roundings; as a program it can be run and compared.

>>> import numpy as np
>>> from chainrule import trace
>>> print(tidy(trace(lambda x: 3 * x * x / 2 - x**2, 1.0)))
<lambda>(x: float64[]):
  a: float64[] = power_of(x)  {n=2}
  b: float64[] = divide(a, 2)
  return b
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from ..ir import ArrayType, Atom, Const, Equation, Program, Var, without_dead_code
from ..ops.arithmetic import add, divide, multiply, negative, power_of, subtract, where
from ..ops.contraction import Spec, canonical, contract
from ..ops.op import OPS, Linear, Op
from ..transform.simplify import simplify
from .algebra import ONE, Term, collected, exact, of, without
from .formula import is_view
from .styles import uniform
from .term_writer import TermWriter, Value, constant


def tidy(program: Program, last: Sequence[Var] = (), *, expand: bool = True) -> Program:
    """The same function, written for a reader; of the factors of a product, those in `last` come last.

    With `expand`, sums are multiplied out where that makes them shorter.
    """
    program = without_dead_code(_with_table_ops(program))
    if any(v.type.shape for v in program.variables):  # of numbers, all that it does is done here too
        program = simplify(program)
    return without_dead_code(_Tidier(program, last, expand).program())


def _with_table_ops(program: Program) -> Program:
    """An op of the table for its twin that was differentiated by the book: they compute the same."""
    equations = tuple(
        Equation(OPS.get(e.op.name, e.op), e.inputs, e.outputs, e.params, e.where) for e in program.equations
    )
    return Program(program.inputs, equations, program.outputs, program.name)


class _Tidier:
    """Goes through a program once; every value is kept as a sum of terms, and written down when an op needs it."""

    def __init__(self, program: Program, last: Sequence[Var], expand: bool) -> None:
        self.old, self.expand = program, expand
        self.values: dict[Var, Value] = {v: (of(v),) for v in program.inputs}
        order = {v: i / len(program.inputs) for i, v in enumerate(program.inputs)}
        self.out = TermWriter(order | dict.fromkeys(last, 2))
        self.uses: Counter[Atom] = Counter()
        for e in program.equations:
            self.uses.update(e.inputs)
        self.uses.update(program.outputs)
        self.sizes: dict[Atom, int] = {}

    def program(self) -> Program:
        for e in self.old.equations:
            self._read(e)
        outputs = tuple(self._whole(a) for a in self.old.outputs)
        return Program(self.old.inputs, tuple(self.out.equations), outputs, self.old.name)

    # --- reading one equation ---

    def _read(self, e: Equation) -> None:
        rewrite = _REWRITES.get(e.op)
        if rewrite is None and isinstance(e.op, Linear) and len(e.inputs) == 1:
            rewrite = _Tidier._linear
        value = rewrite(self, e) if rewrite and e.outputs[0].type.differentiable else None
        if value is None:
            inputs = self._operands(e)
            made = self.out.emit(e.op, inputs, e.params, e)
            self.values.update((v, (of(m),)) for v, m in zip(e.outputs, made, strict=True))
            self._name(e, made)
            return
        v = e.output
        if v.name and self.uses[v] > 1 and not (len(value) == 1 and value[0].is_atom and value[0].number == 1):
            atom = self.out.write(value, v.type)
            if isinstance(atom, Var):
                atom.name = atom.name or v.name
            self.values[v] = (of(atom),)
            return
        self.values[v] = self._light(value, v) if self.uses[v] > 1 else value

    def _name(self, e: Equation, made: Sequence[Var]) -> None:
        for old, new in zip(e.outputs, made, strict=True):
            new.name = new.name or old.name

    def _light(self, value: Value, v: Var) -> Value:
        """What is used again is written down once; a number or scalar in front is not part of it."""
        if len(value) == 1 and (value[0].is_atom or (v.type.shape and value[0].arrays.is_atom)):
            return value
        term = self.out.term(value, v.type)
        core = Term(ONE, term.powers) if v.type.shape == () else term.arrays
        if core.is_atom:
            return (term,)
        front = without(term, core)
        return (front * of(self.out.write((core,), v.type)),)

    def value(self, a: Atom) -> Value:
        return self.values[a] if isinstance(a, Var) else (of(a),)

    def _as_term(self, a: Atom) -> Term:
        return self.out.term(self.value(a), a.type)

    def _atom(self, a: Atom, type_: ArrayType) -> Atom:
        """A value of the old program, written down in the new one."""
        return self.out.write(self.value(a), type_) if isinstance(a, Var) else a

    def _whole(self, a: Atom) -> Atom:
        """A value in its own shape: what became a number is repeated again."""
        atom = self._atom(a, a.type)
        return self.out.repeated(atom, a.type) if atom.type.shape != a.type.shape else atom

    def _operands(self, e: Equation) -> tuple[Atom, ...]:
        """The operands; beside an array of an elementwise op, a number may stay one."""
        if not e.op.aligned:
            return tuple(map(self._whole, e.inputs))
        atoms = tuple(self._atom(a, a.type) for a in e.inputs)
        if any(a.type.shape == e.outputs[0].type.shape for a in atoms):
            return atoms
        return (self.out.repeated(atoms[0], e.outputs[0].type), *atoms[1:])

    # --- rewrites: an equation's value as a sum of terms, or None ---

    def _multiply(self, e: Equation) -> Value | None:
        left, right = map(self._as_term, e.inputs)
        return self._multiplied_out(left * right)

    def _divide(self, e: Equation) -> Value | None:
        below = self._as_term(e.inputs[1]).power(-1)
        return None if below is None else self._multiplied_out(self._as_term(e.inputs[0]) * below)

    def _negative(self, e: Equation) -> Value | None:
        return tuple(t.scaled(-1) for t in self.value(e.inputs[0]))

    def _power(self, e: Equation) -> Value | None:
        n = exact(e.params["n"])
        found = None if n is None or not n else self._as_term(e.inputs[0]).power(n)
        return None if found is None else (found,)

    def _add(self, e: Equation) -> Value | None:
        return self._shortest(collected((*self.value(e.inputs[0]), *self.value(e.inputs[1]))))

    def _subtract(self, e: Equation) -> Value | None:
        minus = tuple(t.scaled(-1) for t in self.value(e.inputs[1]))
        return self._shortest(collected((*self.value(e.inputs[0]), *minus)))

    def _where(self, e: Equation) -> Value | None:
        """x where the condition holds, else 0, is x · [condition]."""
        condition, yes, no = e.inputs
        if not isinstance(no, Const) or uniform(no) != 0 or (isinstance(yes, Const) and uniform(yes) == 1):
            return None
        scalar = ArrayType((), e.output.type.dtype)
        one, zero = constant(ONE, scalar), constant(0, scalar)
        made = self.out.emit(e.op, (self._atom(condition, condition.type), one, zero), {}, e)
        return (self._as_term(yes) * of(made[0]),)

    def _linear(self, e: Equation) -> Value | None:
        """Numbers go through what is linear."""
        a, v = e.inputs[0], e.output
        if a.type.dtype != v.type.dtype:
            return None
        term = self._as_term(a)
        if not term.arrays.powers:  # the same number everywhere
            return (term,) if is_view(e) else None
        inside = self.out.write((term.arrays,), a.type)
        (made,) = self.out.emit(e.op, (inside,), e.params, e)
        self._name(e, [made])
        return (term.scalars * of(made),)

    def _contract(self, e: Equation) -> Value | None:
        """Numbers and scalars go in front; what is repeated and summed again counts."""
        spec: Spec = e.params["spec"]
        size = spec.sizes([a.type.shape for a in e.inputs])
        front = Term()
        atoms: list[Atom] = []
        ins: list[tuple[int, ...]] = []
        for a, labels in zip(e.inputs, spec.ins, strict=True):
            if not a.type.differentiable:
                return None
            term = self._as_term(a)
            front = front * (term.scalars if a.type.shape else term)
            if term.arrays.powers:
                atom, labels = self._unrepeated(self.out.write((term.arrays,), a.type), labels)
                atoms.append(atom)
                ins.append(labels)
        if len(atoms) == 1 and len(e.inputs) == 1 and self.uses[e.inputs[0]] == 1:
            atoms, ins, size = self._unsummed(atoms[0], ins[0], size)
        kept = {label for labels in ins for label in labels}
        gone = {label for labels in spec.ins for label in labels} - kept
        if len(set(spec.out)) < len(spec.out) and not set(spec.out) <= kept:
            return None
        front = front.scaled(prod(size[label] for label in gone if label not in spec.out))
        if not atoms:
            return (front,)
        new = tuple(sorted((label, size[label]) for label in set(spec.out) - kept))
        changed = canonical(Spec(tuple(ins), spec.out, new))
        if changed.is_identity:
            return (front * of(atoms[0]),)
        atoms, changed = self._turned(e, atoms, changed)
        (made,) = self.out.emit(contract, tuple(atoms), {"spec": changed}, e)
        self._name(e, [made])
        return (front * of(made),)

    def _unrepeated(self, atom: Atom, labels: tuple[int, ...]) -> tuple[Atom, tuple[int, ...]]:
        """Instead of an array that was repeated along new axes, the array."""
        e = self.out.producer.get(atom) if isinstance(atom, Var) else None
        if e is None or e.op is not contract or not is_view(e) or len(set(labels)) < len(labels):
            return atom, labels
        spec: Spec = e.params["spec"]
        if not set(spec.ins[0]) <= set(spec.out):
            return atom, labels
        at = dict(zip(spec.out, labels, strict=True))
        return e.inputs[0], tuple(at[label] for label in spec.ins[0])

    def _unsummed(self, atom: Atom, labels: tuple[int, ...], size: dict[int, int]) -> Any:
        """Instead of the sum of sums, one sum over all."""
        e = self.out.producer.get(atom) if isinstance(atom, Var) else None
        if e is None or e.op is not contract or len(e.inputs) > 1 or len(set(labels)) < len(labels):
            return [atom], [labels], size
        spec: Spec = e.params["spec"]
        inner = spec.ins[0]
        if any(len(set(x)) < len(x) for x in (inner, spec.out)) or not set(spec.out) <= set(inner):
            return [atom], [labels], size
        start = max(size, default=-1) + 1
        at = {label: start + i for i, label in enumerate(inner)} | dict(zip(spec.out, labels, strict=True))
        sizes = size | {at[label]: n for label, n in zip(inner, e.inputs[0].type.shape, strict=True)}
        return [e.inputs[0]], [tuple(at[label] for label in inner)], sizes

    def _turned(self, e: Equation, atoms: list[Atom], spec: Spec) -> tuple[list[Atom], Spec]:
        """(A B)ᵀ is Bᵀ Aᵀ: instead of a product with its axes in another order, the product in that order."""
        a = atoms[0]
        inner = self.out.producer.get(a) if isinstance(a, Var) else None
        if inner is None or inner.op is not contract or len(inner.inputs) < 2 or len(e.inputs) > 1:
            return atoms, spec
        labels, out = spec.ins[0], spec.out
        if self.uses[e.inputs[0]] > 1 or sorted(labels) != sorted(out) or len(set(out)) < len(out):
            return atoms, spec
        product: Spec = inner.params["spec"]
        turned = tuple(product.out[labels.index(label)] for label in out)
        return list(inner.inputs), canonical(Spec(product.ins, turned, product.new))

    # --- multiplying out ---

    def _multiplied_out(self, term: Term) -> Value:
        """(a/p − b/q) · p q is a q − b p: a product with sums is multiplied out where that makes it shorter."""
        above = {a for a, n in term.powers if n > 0 and self.expand}
        for atom, n in term.powers:
            if n == 1 and any(m < 0 and a in above for t in self.out.parts.get(atom, ()) for a, m in t.powers):
                rest = without(term, Term(ONE, ((atom, n),)))
                cancelled = collected([rest * t for t in self.out.parts[atom]])
                candidates = [cancelled, self._expanded(cancelled)]
                return min([(term,), *candidates], key=self._length)
        return (term,)

    def _shortest(self, value: Value) -> Value:
        """2 x (x + 1) − x² is x² + 2 x: a sum is multiplied out where that makes it shorter."""
        if not self.expand or len(value) < 2:
            return value
        if not any(n == 1 and a in self.out.parts for t in value for a, n in t.powers):
            return value
        return min((value, self._expanded(value)), key=self._length)

    def _expanded(self, value: Value) -> Value:
        """Every product of sums as a sum of products, unless that gets long."""
        total: list[Term] = []
        for term in value:
            products: Value = (Term(term.number),)
            for atom, n in term.powers:
                factors = self.out.parts[atom] if n == 1 and atom in self.out.parts else (Term(ONE, ((atom, n),)),)
                products = tuple(a * b for a in products for b in factors)
                if len(products) > 16:
                    return value
            total += products
        return collected(total)

    def _length(self, value: Value) -> int:
        return sum(1 + sum(self._atom_length(a) for a, _ in t.powers) for t in value)

    def _atom_length(self, a: Atom) -> int:
        if a not in self.sizes:
            self.sizes[a] = self._length(self.out.parts[a]) if a in self.out.parts else 1
        return self.sizes[a]


_REWRITES: dict[Op, Callable[[_Tidier, Equation], Value | None]] = {
    multiply: _Tidier._multiply,
    divide: _Tidier._divide,
    negative: _Tidier._negative,
    power_of: _Tidier._power,
    add: _Tidier._add,
    subtract: _Tidier._subtract,
    where: _Tidier._where,
    contract: _Tidier._contract,
}
