"""Gradients kept within a limit."""

from __future__ import annotations

from typing import Any

from ..numeric import clipping as work
from .call import public


@public
def clip_by_value(gradient: Any, limit: float) -> Any:
    """Each entry of a gradient between −limit and limit. This turns its direction.

    `gradient` is an array, a number, or a nested structure of them (as `grad` returns it); the result has the same
    structure, shapes and dtypes, integers become floats, None stays None. Raises ArgumentError where an entry is NaN or
    infinite, and names it; and for a limit that is not positive and finite.

    >>> clip_by_value([30.0, 40.0], 5.0)
    [5.0, 5.0]
    """
    return work.clipped(gradient, limit, work.by_value, work.each)


@public
def clip_by_norm(gradient: Any, limit: float) -> Any:
    """Each array of a gradient scaled down to a norm of at most `limit`, if it is longer. This keeps its direction.

    The norm may be above the limit by the rounding of the entries. Every array of a structure is scaled on its own;
    numbers beside each other in a list or tuple count as one vector.
    `clip_by_global_norm` takes the whole as one. Structure, dtypes and errors are those of `clip_by_value`.

    >>> clip_by_norm([30.0, 40.0], 5.0)
    [3.0, 4.0]

    Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks", 2013.
    """
    return work.clipped(gradient, limit, work.by_norm, work.each)


@public
def clip_by_global_norm(gradient: Any, limit: float) -> Any:
    """A whole gradient scaled down to a norm of at most `limit`, if it is longer: all arrays by the same factor.

    The direction in the space of all parameters is kept. Structure, dtypes and errors are those of `clip_by_value`.

    >>> clip_by_global_norm({"w": [30.0, 0.0], "b": 40.0}, 5.0)
    {'w': [3.0, 0.0], 'b': 4.0}

    Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks", 2013.
    """
    return work.clipped(gradient, limit, work.by_norm, work.together)
