"""What a program costs: floating-point operations and bytes moved, counted from the shapes.

Each equation reads its operands and writes its results; a view moves nothing. One call of `exp` counts as one flop.

>>> import numpy as np
>>> from chainrule import trace
>>> print(cost(trace(lambda w, X: np.sum(np.tanh(X @ w)), np.ones(3), np.ones((100, 3)))))
800 flops, 5.63 kB read and written; at most 4.02 kB of values are alive at once
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..ir import Atom, Equation, Program, Var
from .formula import is_view


@dataclass(frozen=True)
class Cost:
    """Totals of a program, and the flops and bytes of each of its equations, in order."""

    flops: float
    bytes: int
    memory: int  # the most bytes alive at once, when each value goes after its last use
    equations: tuple[tuple[float, int], ...]

    def __str__(self) -> str:
        return (
            f"{scaled(self.flops, 'flops')}, {scaled(self.bytes, 'B')} read and written; "
            f"at most {scaled(self.memory, 'B')} of values are alive at once"
        )

    def as_dict(self) -> dict[str, Any]:
        return {"flops": self.flops, "bytes": self.bytes, "memory": self.memory}


def scaled(amount: float, unit: str) -> str:
    """1500 B is 1.5 kB, 2e6 flops are 2 Mflops."""
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if amount >= factor:
            return f"{amount / factor:.3g} {prefix}{unit}"
    return f"{amount:.0f} {unit}"


def cost(program: Program) -> Cost:
    """The cost of running a program as it stands, equation by equation."""
    each = tuple((_flops(e), _bytes(e)) for e in program.equations)
    return Cost(sum(f for f, _ in each), sum(b for _, b in each), _memory(program), each)


def _flops(e: Equation) -> float:
    return e.op.flops([a.type for a in e.inputs], [v.type for v in e.outputs], **e.params)


def _bytes(e: Equation) -> int:
    return 0 if is_view(e) else sum(map(_size, (*dict.fromkeys(e.inputs), *e.outputs)))


def _size(a: Atom) -> int:
    return a.type.size * a.type.dtype.itemsize


def _memory(program: Program) -> int:
    last: dict[Var, int] = {
        a: len(program.equations) for a in (*program.inputs, *program.outputs) if isinstance(a, Var)
    }
    for n, e in enumerate(program.equations):
        for a in e.inputs:
            if isinstance(a, Var):
                last[a] = max(last.get(a, n), n)
    gone: dict[int, list[Var]] = {}
    for v, n in last.items():
        gone.setdefault(n, []).append(v)
    views = {v for e in program.equations if is_view(e) for v in e.outputs}
    alive = sum(map(_size, program.inputs))
    most = alive
    for n, e in enumerate(program.equations):
        owned = 0 if is_view(e) else sum(map(_size, e.outputs))
        alive += owned
        most = max(most, alive)
        alive -= sum(_size(v) for v in gone.get(n, ()) if v not in views)
    return most
