"""Arrays that may lie in the memory of an output until it is written: the exponentials of a softmax, say.

An output waits for a loop that reads an array of the same size at just the place that it writes. Until then its memory
is free, and each element of the array is read before the output's is written over it. So nothing of that size has to be
found, and what is written is still in the cache where it is read from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..ir import Var
from .lower import Lowered, Node
from .schedule import Classes, Item, Loop, nodes_in, plain

LEAST = 1024  # elements: the memory of less is in the cache anyway


def borrowed(
    lowered: Lowered, items: Sequence[Item], paths: Mapping[Node, tuple[Loop, ...]], classes: Classes, longest: int
) -> dict[Var, Var]:  # fmt: skip
    """Which array may lie in which output. `longest` counts the rounds of loops that may do some elements twice."""
    when: dict[object, int] = {}
    for n, item in enumerate(items):
        when.update((step, n) for step in (nodes_in(item) if isinstance(item, Loop) else [item]))
    makers: dict[Var, list[object]] = {}
    readers: dict[Var, list[object]] = {}
    for step in lowered.steps:
        for v in step.outs:
            makers.setdefault(v, []).append(step)
        for source in {r.source for r in step.needs if isinstance(r.source, Var)}:
            readers.setdefault(source, []).append(step)
    given = [r.source for r in lowered.outputs]
    found: dict[Var, Var] = {}
    for out in given:
        if given.count(out) > 1 or out in lowered.zeroed or readers.get(out) or len(makers.get(out, ())) != 1:
            continue
        (writer,) = makers[out]
        if not isinstance(writer, Node) or not _plain(writer) or out.type.size < LEAST or not paths.get(writer):
            continue
        if any(loop.counter.size <= longest for loop in paths[writer]):
            continue
        beside = [node for node in paths[writer][-1].body if isinstance(node, Node)]
        for array in dict.fromkeys(r.source for node in beside for r in node.needs if isinstance(r.source, Var)):
            (maker, *more), users = makers.get(array, [None]), readers[array]
            if (
                isinstance(maker, Node) and not more and _plain(maker) and array not in found and array not in given
                and (array.type.shape, array.type.dtype) == (out.type.shape, out.type.dtype)
                and when[maker] < when[writer]
                and all(isinstance(u, Node) and _before(u, writer, array, when, paths, classes) for u in users)
            ):  # fmt: skip
                found[array] = out
                break
    return found


def _plain(node: Node) -> bool:
    """Whether each element is written once, at the node's own counts."""
    return not node.reduced and not node.onto and node.at is None


def _before(
    user: Node, writer: Node, array: Var, when: Mapping[object, int], paths: Mapping[Node, tuple[Loop, ...]],
    classes: Classes,
) -> bool:  # fmt: skip
    """Whether a node reads the array before the writer writes over what it reads."""
    if when[user] != when[writer]:
        return when[user] < when[writer]
    loop = paths[writer][-1]
    if paths[user] != paths[writer] or loop.body.index(user) > loop.body.index(writer):
        return False
    place = [plain(i) for i in writer.place]
    for read in user.needs:
        if read.source is array:
            at = [plain(i) for i in read.at]
            if any(
                i is None or j is None or classes.of(i) is not classes.of(j) for i, j in zip(at, place, strict=True)
            ):
                return False
    return True
