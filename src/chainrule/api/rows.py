"""A function of one example, on many."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..execute import recording_of
from ..ir import Program
from ..trace.record import Recording, Static, argument_names, leaf_of, type_of
from ..trace.recorder import Traced
from ..trace.tree import Tree, flatten, parts_of
from ..transform.batch import batch
from .call import Function, to_run, transformation
from .planned import Reading, spliced, transformed


@transformation
def vmap(f: Function, *, in_axes: Any = 0, threads: int = 1) -> Function:
    """`f` on each row at once: one example -> many.

    `in_axes` is the axis of each argument that counts the rows, None for an argument shared by all; a tuple gives one
    entry for each argument, each an axis or a structure of them. Results have the rows in front. Long loops
    run on up to `threads` threads, with the same bits as on one (see `value_and_grad`).

    >>> vmap(lambda x, y: x @ y, in_axes=(0, None))(np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([3.0, 4.0]))
    array([3., 8.])
    """

    def read(args: tuple[Any, ...], options: dict[str, Any]) -> Reading:
        if not args and not options:
            raise ArgumentError("vmap needs at least one argument with rows")
        axes = tuple(in_axes) if isinstance(in_axes, (tuple, list)) else (in_axes,) * len(args)
        if len(axes) != len(args):
            raise ArgumentError(f"in_axes has {len(axes)} entries, the call {len(args)} positional arguments")
        values, tree = flatten((args, options))
        names = argument_names(f, args, options)
        trees = (*tree.children[0].children, *tree.children[1].children)
        per_leaf = [a for axis, t in zip((*axes, *(0 for _ in options)), trees, strict=True) for a in _axes_of(axis, t)]
        labels = [name + path for name, t in zip(names, trees, strict=True) for path in t.paths()]
        leaves = [leaf_of(v, name) for v, name in zip(values, labels, strict=True)]
        sizes: dict[str, int] = {}
        for leaf, axis, label in zip(leaves, per_leaf, labels, strict=True):
            if axis is None:
                continue
            t = None if isinstance(leaf, Static) else type_of(leaf)
            if t is None or not -t.ndim <= axis < t.ndim:
                raise ArgumentError(f"`{label}` has no axis {axis} to map over", hint="give it None in in_axes")
            sizes[label] = t.shape[axis]
        if not sizes:
            raise ArgumentError("vmap needs at least one argument with rows: all of in_axes are None")
        if len(set(sizes.values())) > 1:
            raise ShapeError(
                "arguments have different numbers of rows: " + ", ".join(f"`{k}` has {n}" for k, n in sizes.items())
            )
        size = next(iter(sizes.values()))
        mapped = [axis is not None for axis in per_leaf]
        examples = [
            x if axis is None else _row(np.moveaxis(x, axis, 0)) for x, axis in zip(leaves, per_leaf, strict=True)
        ]
        recording = recording_of(f, examples, tree, labels)
        for i, _ in recording.asked:
            if mapped[i]:
                raise ArgumentError(
                    f"the function asks for the very value of `{labels[i]}`, which differs from row to row"
                )
        _refuse_courses_that_differ(recording, mapped, labels)
        axes_of_inputs = (*(per_leaf[i] for i in recording.dynamic), *(None for _ in recording.hidden))
        same = all([a is b for a, b in zip(values, leaves, strict=True) if not isinstance(b, Static)])
        return Reading(
            recording, ("rows", axes_of_inputs, size),
            lambda inputs: recording.result.build(_rows(to_run(recording), axes_of_inputs, size, inputs)),
            leaves, (args, options) if same else None,
        )  # fmt: skip

    return transformed(f, ("vmap", repr(in_axes)), read, threads)


def _rows(program: Program, axes: tuple[int | None, ...], size: int, inputs: list[Any]) -> list[Any]:
    """The Program on all rows at once."""
    fronted = [x if axis is None else np.moveaxis(x, axis, 0) for x, axis in zip(inputs, axes, strict=True)]
    return spliced(batch(program, [axis is not None for axis in axes], size), fronted)


def _refuse_courses_that_differ(recording: Recording, mapped: list[bool], labels: list[str]) -> None:
    """A recording holds for one course of the function; rows might take several."""
    for program, _ in recording.conditions:
        read = {a for e in program.equations for a in e.inputs} | set(program.outputs)
        for v, i in zip(program.inputs, recording.dynamic, strict=False):
            if mapped[i] and v in read:
                raise ArgumentError(
                    f"the function's course depends on `{labels[i]}` (by a mask), and may differ from row to row",
                    hint="write np.where(mask, x, 0) instead of x[mask]",
                )


def _axes_of(axes: Any, tree: Tree) -> list[Any]:
    """An axis for each leaf: one entry may stand for a whole structure."""
    if axes is None or (hasattr(axes, "__index__") and not isinstance(axes, (bool, np.bool_))):
        return [None if axes is None else operator.index(axes)] * tree.size
    parts = parts_of(axes)
    if parts is None:
        raise ArgumentError(f"in_axes holds {axes!r}: an axis is a whole number, or None for what all rows share")
    keys, found = parts
    if tree.kind is None or keys != tree.keys:
        raise ArgumentError("in_axes has not the structure of the arguments")
    return [a for part, child in zip(found, tree.children, strict=True) for a in _axes_of(part, child)]


def _row(x: Any) -> Any:
    if isinstance(x, Traced):
        return x[0] if x.shape[0] else np.zeros(x.shape[1:], x.dtype)
    return np.asarray(x[0]) if x.shape[0] else np.zeros(x.shape[1:], x.dtype)
