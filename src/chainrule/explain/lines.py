"""A program cut into lines: each computes one named value from others, as the user might have written it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ..ir import Equation, Program, Var, Where
from ..trace.where import place_of, short_file
from .formula import Typesetter, is_view, user_names
from .layout import Box
from .names import fresh, symbol


@dataclass(frozen=True)
class Line:
    """`program` computes `values` from its inputs, which are values of other lines or inputs of the whole."""

    values: tuple[Var, ...]
    program: Program
    where: Where | None


def cut(program: Program, at: Collection[Var]) -> tuple[Line, ...]:
    """The lines that compute the values in `at`, in order."""
    wanted = set(at)
    producer = {v: e for e in program.equations for v in e.outputs}
    lines = []
    for e in program.equations:
        if any(v in wanted for v in e.outputs):
            lines.append(_line(e, wanted, producer))
    return tuple(lines)


def _line(last: Equation, wanted: Collection[Var], producer: Mapping[Var, Equation]) -> Line:
    """The equations between a value and the named ones below it, in their order."""
    found: dict[Equation, None] = {}
    inputs: dict[Var, None] = {}
    stack: list[tuple[Equation, bool]] = [(last, False)]
    while stack:
        e, ready = stack.pop()
        if ready:
            found[e] = None
            continue
        if e in found:
            continue
        stack.append((e, True))
        for a in reversed(e.inputs):
            if not isinstance(a, Var):
                continue
            if a in wanted or a not in producer:
                inputs[a] = None
            else:
                stack.append((producer[a], False))
    program = Program(tuple(inputs), tuple(found), last.outputs)
    return Line(last.outputs, program, last.where)


def written_lines(program: Program) -> tuple[Line, ...]:
    """One line for each value that the user named, that is used again, or that is too long to stand inside another."""
    setter = Typesetter(program)
    named = set(setter.definitions) | set(setter.names) | {a for a in program.outputs if isinstance(a, Var)}
    return cut(program, named - set(program.inputs))


def every_value(program: Program) -> tuple[Line, ...]:
    """One line for each equation that computes something."""
    last = {a for a in program.outputs if isinstance(a, Var)}
    named = user_names(program)
    return cut(program, {v for e in program.equations for v in e.outputs if not is_view(e) or v in named or v in last})


def names_for(program: Program, lines: Collection[Line], letters: str = "") -> dict[Var, Box]:
    """The user's names, and v₁, v₂, … for values without one."""
    names = user_names(program)
    new = fresh(names.values(), letters, "v")
    boxes = {v: symbol(names.get(v) or next(new)) for v in program.inputs}
    for line in lines:
        boxes.update((v, symbol(names.get(v) or next(new))) for v in line.values)
    return boxes


def short(where: Where) -> str:
    """`file.py:12`"""
    place = place_of(where)
    return f"{short_file(place)}:{place.line}"
