"""Whether a function is convex: a proof, a chord that refutes it, or neither."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analyze.bounds import interval
from ..analyze.convexity import Chord, Convexity, Step
from ..analyze.convexity import convexity as _convexity
from ..errors import ArgumentError
from ..ir import Var
from ..ops.enclosures import TINY, Enclosure
from ..trace.recorder import Traced
from ..trace.tree import Tree, parts_of
from .call import Call, Function, Wrt, public

__all__ = ["Chord", "Convexity", "Step", "convexity"]


@public
def convexity(f: Function, *args: Any, wrt: Wrt = 0, domain: Any = None, seconds: float = 5.0) -> Convexity:
    """Is `f` convex in the arguments in `wrt`, the others fixed at their values?

    The verdict is "convex", with a proof; "not convex", with a chord below the graph that rounding cannot explain; or
    "undecided", with the expression at which the proof stopped. `f` returns one number. `domain` is None (all reals),
    "positive", or a pair (low, high) of numbers or of structures like the arguments in `wrt`. The search for a chord
    ends after about `seconds`.

    >>> X, y = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]]), np.array([1.0, 0.0, 1.0])
    >>> print(convexity(lambda w: np.mean((X @ w - y) ** 2), np.zeros(2)).verdict)
    convex
    >>> print(convexity(lambda x: x**3, 0.0).verdict)
    not convex

    Composition rules: Grant, Boyd & Ye, 2006; exact and interval proofs of φ″ ≥ 0: Sturm, 1829; Moore, 1966.
    """
    call = Call(f, args, {}, wrt)
    call.scalar("a convexity check")
    call.one_course("a convexity check")
    inputs = call.inputs
    if any(isinstance(v, Traced) for v in inputs):
        raise ArgumentError("convexity needs the values of all arguments: it can't be asked for inside grad or vmap")
    program = call.program
    moving = [program.inputs[i] for i in call.wanted]
    values = dict(zip(program.inputs, inputs, strict=True))
    for v, value in values.items():
        if v not in moving and v.type.differentiable and not np.all(np.isfinite(np.asarray(value))):
            raise ArgumentError(f"`{v.name}` holds NaN or infinity: nothing can be proved with it")
    box, told = _box(call, moving, domain)
    return _convexity(program, moving, values, box, told, call.arranged, seconds=seconds)


def _box(call: Call, moving: list[Var], domain: Any) -> tuple[dict[Var, Enclosure], str]:
    """An interval for every moving input, and in words."""
    if domain is None:
        return {v: interval((-np.inf, np.inf), v.type) for v in moving}, "all reals"
    if isinstance(domain, str):
        if domain != "positive":
            raise ArgumentError(f'domain={domain!r}: it is None, "positive", or a pair (low, high)')
        return {v: interval((TINY, np.inf), v.type) for v in moving}, "positive numbers"
    if not isinstance(domain, (tuple, list)) or len(domain) != 2:
        raise ArgumentError('domain is None, "positive", or a pair (low, high)')
    ends = [_leaves(call, end) for end in domain]
    box = {v: interval((low, high), v.type) for v, low, high in zip(moving, *ends, strict=True)}
    low, high = domain
    return box, f"[{low}, {high}]" if all(isinstance(e, (int, float)) for e in domain) else "a box"


def _leaves(call: Call, end: Any) -> list[Any]:
    """One end for each moving leaf: one number for all, or a structure like the arguments."""
    if parts_of(end) is None and np.ndim(end) == 0:
        return [end] * len(call.wrt_leaves)
    trees = call.wrt_trees
    return _matched(end, trees[0] if call.single else Tree(tuple, tuple(range(len(trees))), tuple(trees)))


def _matched(end: Any, tree: Tree) -> list[Any]:
    """The parts of an end that belong to the leaves; for an array also a list will do."""
    if tree.kind is None:
        return [end]
    keys, children = parts_of(end) or ((), [])
    if set(keys) != set(tree.keys):
        raise ArgumentError("an end of the domain is one number, or has the structure of the arguments in wrt")
    found = dict(zip(keys, children, strict=True))
    return [leaf for key, child in zip(tree.keys, tree.children, strict=True) for leaf in _matched(found[key], child)]
