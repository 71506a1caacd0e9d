"""Whether a function is convex: a proof, a chord that shows that it is not, or where the proof stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from ..ir import Array, Const, Equation, Program, Var
from ..ops.enclosures import Enclosure
from ..trace.where import describe, line_text, place_of, segment, short_file
from ..transform.simplify import simplify
from .chords import Search, find
from .curvature import Reader, constants_of
from .quadratic import Quadratic, quadratic_part

_SHOWN = 30  # steps of a printed proof


@dataclass(frozen=True)
class Step:
    """One line of a proof: what the user wrote, what it is, and by which rule; `where` is file and line."""

    expression: str
    curvature: str
    rule: str
    where: str = ""

    def __str__(self) -> str:
        return f"{self.expression} is {self.curvature}" + (f": {self.rule}" if self.rule else "")


@dataclass(frozen=True)
class Chord:
    """Two points, in the structure of the arguments, and `t`: at t x + (1 − t) y the function is above the chord.

    `gap` is by how much at least; `values` are those at x, at the point between, and at y.
    """

    x: Any
    y: Any
    t: float
    gap: float
    values: tuple[float, float, float]

    def __str__(self) -> str:
        u, m, v = self.values
        return (
            f"between values {u:.6g} and {v:.6g} the middle of the graph is at {m:.6g}, {self.gap:.3g} above the chord"
        )


@dataclass(frozen=True)
class Convexity:
    """Whether a function is convex: `verdict` is "convex", "not convex" or "undecided".

    `proof` has the steps of a proof; `chord` refutes; `blocked` is the step at which a proof stopped. `strict` tells
    whether the function is strictly convex and `modulus` is an m > 0 for which f(x) − m/2 ‖x‖² is still convex; None is
    "not known". `conditions` say where the function has to be defined for the proof to hold.
    """

    verdict: str
    domain: str
    proof: tuple[Step, ...] = ()
    chord: Chord | None = None
    blocked: Step | None = None
    strict: bool | None = None
    modulus: float | None = None
    conditions: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.verdict == "convex"

    @property
    def minima(self) -> str:
        """What convexity says of minima, and what it does not."""
        if self.verdict != "convex":
            return "A local minimum need not be a global one, as far as is known here."
        if self.modulus is not None and self.domain == "all reals" and not self.conditions:
            return "There is exactly one minimum: the function is strongly convex."
        if self.strict:
            return "Every local minimum is global, and there is at most one; there may be none."
        return "Every local minimum is global; there may be several, or none."

    @property
    def reason(self) -> str:
        """The verdict in a sentence."""
        if self.verdict == "convex":
            kind = "strongly convex" if self.modulus is not None else "strictly convex" if self.strict else "convex"
            extra = f", with modulus {self.modulus:.6g}" if self.modulus is not None else ""
            where = "" if self.domain == "all reals" else f" on {self.domain}"
            where += f", where {' and '.join(self.conditions)}" if self.conditions else ""
            return f"The function is {kind}{extra}{where}."
        if self.verdict == "not convex":
            return f"The function is not convex: {self.chord}."
        told = f" The proof stops at `{self.blocked.expression}`" if self.blocked else ""
        told += f" ({self.blocked.where})" if self.blocked and self.blocked.where else ""
        return "Undecided: no proof was found, and no chord that refutes it." + (told + "." if told else "")

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists; arrays in the chord stay arrays."""

        def step(s: Step) -> dict[str, str]:
            return {"expression": s.expression, "curvature": s.curvature, "rule": s.rule, "where": s.where}

        chord = self.chord
        return {
            "verdict": self.verdict, "reason": self.reason, "minima": self.minima, "domain": self.domain,
            "strict": self.strict, "modulus": self.modulus, "conditions": list(self.conditions),
            "proof": [step(s) for s in self.proof], "blocked": step(self.blocked) if self.blocked else None,
            "chord": None if chord is None else {
                "x": chord.x, "y": chord.y, "t": chord.t, "gap": chord.gap, "values": list(chord.values),
            },
        }  # fmt: skip

    def __str__(self) -> str:
        lines = [self.reason]
        steps = self.proof if len(self.proof) <= _SHOWN else self.proof[-_SHOWN:]
        lines += [f"  {n}. {s}" for n, s in enumerate(steps, 1)]
        if self.verdict == "convex":
            lines.append(self.minima)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<li><code>{escape(s.expression)}</code> is {escape(s.curvature)}: {escape(s.rule)}</li>"
            for s in self.proof
        )
        return f"<p>{escape(self.reason)}</p>" + (f"<ol>{rows}</ol><p>{escape(self.minima)}</p>" if rows else "")


def convexity(
    program: Program,
    moving: Sequence[Var],
    values: Mapping[Var, Any],
    box: Mapping[Var, Enclosure],
    domain: str,
    arranged: Callable[[Sequence[Any]], Any],
    *,
    seconds: float,
) -> Convexity:
    """The verdict on a Program's one output as a function of the moving inputs, the others at their values."""
    program = simplify(program)  # what is computed twice is one value
    constants = constants_of(program, moving, values)
    (output,) = program.outputs
    if isinstance(output, Const) or output in constants:
        return Convexity("convex", domain, (Step("the value", "affine", "it does not change"),), strict=False)
    reader = Reader(program, constants, box)
    bend = reader.bend(output)
    conditions = tuple(dict.fromkeys(_condition(reader, v, text) for v, text in reader.conditions.items()))
    start = np.concatenate([np.asarray(values[v], float).ravel() for v in moving])
    quadratic = quadratic_part(reader, moving)
    by_hessian = quadratic is not None and quadratic.low is not None and quadratic.low >= 0
    if bool(np.all(bend.convex)) or by_hessian:
        steps = proof(reader, output)
        if quadratic is not None and not np.all(bend.convex):
            rest = "" if quadratic.whole else "; all other terms are convex"
            steps = (
                *steps,
                Step("the Hessian of the quadratic terms", "positive semidefinite", quadratic.reason + rest),
            )
        m = quadratic.modulus if quadratic is not None else None
        strict = True if m is not None else False if bend.affine or (quadratic is not None and quadratic.flat) else None
        return Convexity("convex", domain, steps, strict=strict, modulus=m, conditions=conditions)
    search = Search(program, moving, {v: np.asarray(x) for v, x in values.items()}, dict(box))
    found = find(search, start, seconds, time.monotonic)
    if found is not None:
        x, y = (arranged(_plain(search.leaves(p))) for p in (found.x, found.y))
        return Convexity("not convex", domain, chord=Chord(x, y, 0.5, found.gap, found.values), strict=False)
    return Convexity("undecided", domain, blocked=blocked(reader, output))


def _plain(leaves: Sequence[Array]) -> list[Any]:
    return [leaf if leaf.ndim else leaf[()] for leaf in leaves]


def _text(e: Equation) -> str:
    """The user's expression, on one line, or the op's name."""
    if e.where is None:
        return e.op.name
    text = segment(e.where) or line_text(e.where)
    return text if len(text) <= 80 else text[:77] + "…"


def _place(e: Equation) -> str:
    if e.where is None:
        return ""
    place = place_of(e.where)
    return f"{short_file(place)}:{place.line}"


def _condition(reader: Reader, v: Var, text: str) -> str:
    e = reader.producer[v]
    source = reader.producer.get(e.inputs[0])  # type: ignore[arg-type]
    inner = _text(source) if source is not None else e.inputs[0].name if isinstance(e.inputs[0], Var) else ""
    return f"{inner or 'the argument'} {text}"


def proof(reader: Reader, output: Var) -> tuple[Step, ...]:
    """The steps on which the curvature of the output rests: the user's expressions, each once, in order."""
    needed: set[Var] = set()
    stack: list[Any] = [output]
    while stack:
        v = stack.pop()
        if not isinstance(v, Var) or v in needed or v in reader.constants or v not in reader.producer:
            continue
        needed.add(v)
        base = reader.base.get(v)
        if "one number" in reader.reasons[v].rule and base is not None:
            stack.append(base)
        else:
            stack += reader.producer[v].inputs
    steps: dict[str, Step] = {}
    for e in reader.program.equations:
        if e.outputs[0] in needed:
            reason = reader.reasons[e.outputs[0]]
            text = _text(e)
            if reason.word != "open":
                old = steps.get(text)
                rule = reason.rule if old is None or old.curvature != reason.word or not old.rule else old.rule
                steps[text] = Step(text, reason.word, rule, _place(e))
    return tuple(steps.values())


def blocked(reader: Reader, output: Var) -> Step | None:
    """The first value on the way to the output whose curvature is not known, though that of its operands is."""
    needed: set[Any] = {output}
    for e in reversed(reader.program.equations):
        if any(v in needed for v in e.outputs):
            needed.update(a for a in e.inputs if isinstance(a, Var))
    for e in reader.program.equations:
        v = e.outputs[0]
        if v in needed and v in reader.reasons and reader.reasons[v].word == "open" and v.type.differentiable:
            return Step(
                _text(e),
                "neither known to be convex nor concave",
                "no rule applies",
                describe(e.where) if e.where else "",
            )
    return None


__all__ = ["Chord", "Convexity", "Quadratic", "Step", "convexity"]
