"""What the user called values, and which values are only another view of a value: rearranged or repeated.

A view deserves no name of its own; it is written as what it shows.
"""

from __future__ import annotations

from collections import Counter

from ..ir import Atom, Equation, Program, Var
from ..ops.contraction import Contraction, Spec
from .names import shortened
from .styles import notation_of

# --- names ------------------------------------------------------------------------------------------------------------


def user_names(program: Program) -> dict[Var, str]:
    """What the user calls values: unique, and short where a path is long."""
    return names_and_repeats(program)[0]


def names_and_repeats(program: Program) -> tuple[dict[Var, str], set[Var]]:
    """The names, and the values whose name was used before, so that it got a number."""
    repeats: set[Var] = set()
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
        if names[v] != name:
            repeats.add(v)
    return names, repeats


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
