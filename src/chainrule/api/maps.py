"""What a function does near a point, as a linear map."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, DtypeError
from ..numeric.local_map import LocalMap
from ..numeric.local_map import local_map as _local_map
from ..trace.record import Static
from ..trace.recorder import Traced
from ..trace.tree import flatten
from .call import Call, Function, Wrt, public
from .matrices import jacobian_blocks

LARGEST = 4_000_000  # entries: a dense matrix that can still be taken apart


@public
def local_map(f: Function, *args: Any, wrt: Wrt = 0) -> LocalMap:
    """The Jacobian of `f` at a point as a linear map: what it stretches, how it turns, what it does to areas.

    The numbers in `wrt` (n of them, whatever their structure) are one vector, those that `f` returns (m) another; the
    record holds the m × n Jacobian, its singular values with their directions, rank, determinant, polar form, angle and
    shear, prints them as sentences, and draws them (`figure`). Where something is not defined, as a determinant for
    m ≠ n, it is None. Raises DtypeError for integers, ArgumentError where the Jacobian is not finite, and where
    differences of values show a kink or a jump: no linear map fits to both sides of it.

    >>> turned = local_map(lambda x: np.array([-2 * x[1], 2 * x[0]]), np.array([1.0, 0.0]))
    >>> print(turned)
    Near (1, 0) the function takes the plane to the plane, linearly.
    It stretches (1, 0) by 2, onto (0, 1).
    It stretches (0, 1) by 2, onto (-1, 0).
    It turns by 90°.
    It slants by 0.
    Areas are multiplied by 4.
    """
    call = Call(f, args, {}, wrt)
    if any(isinstance(leaf, Traced) for leaf in call.leaves):
        raise ArgumentError("local_map takes numbers apart, and inside of a recorded function there are none yet")
    outs, ins = [a.type for a in call.program.outputs], call.types()
    m, n = sum(t.size for t in outs), sum(t.size for t in ins)
    for t in outs:
        if not t.differentiable:
            raise DtypeError(f"a local map needs real results; the function returns {t}")
    if not m or not n:
        raise ArgumentError(f"a local map from {n} numbers to {m} is empty")
    if m * n > LARGEST:
        raise ArgumentError(
            f"the Jacobian has {m} × {n} entries, too many to take apart", hint="jvp and vjp multiply by it unseen"
        )
    blocks = jacobian_blocks(call)
    matrix = np.block(
        [
            [np.asarray(b).reshape(o.size, i.size) for b, i in zip(row, ins, strict=True)]
            for row, o in zip(blocks, outs, strict=True)
        ]
    )
    plain = [leaf.value if isinstance(leaf, Static) else leaf for leaf in call.leaves]

    def function(point: Any) -> Any:
        leaves, start = list(plain), 0
        for i in call.wrt_leaves:
            old = np.asarray(plain[i])
            new = np.asarray(point[start : start + old.size], dtype=old.dtype).reshape(old.shape)
            leaves[i] = new if isinstance(plain[i], np.ndarray) else new[()]
            start += old.size
        positional, named = call.tree.build(leaves)
        return np.concatenate([np.ravel(v) for v in flatten(f(*positional, **named))[0]]).astype(float)

    at = np.concatenate([np.ravel(plain[i]) for i in call.wrt_leaves]).astype(float)
    return _local_map(function, at, function(at), matrix)
