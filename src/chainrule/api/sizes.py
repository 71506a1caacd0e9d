"""How large gradients are, layer by layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..explain.gains import GradientNorms
from ..explain.gains import gradient_norms as _gradient_norms
from ..trace.record import name_variables
from ..trace.recorder import Traced
from .call import Call, Function, Wrt, public


@public
def gradient_norms(f: Function, *args: Any, wrt: Wrt = 0) -> GradientNorms:
    """How large the gradient of `f` is in each parameter, and on its way back through each intermediate value.

    `f` returns one number. The record has `parameters` (one for each array in `wrt`), `values` (in program order, each
    with its line, the norm of its adjoint, and the gain of that step back), a `verdict` with its `reason`, and a
    `figure`. It is "vanishing" or "exploding" when, between the values where parameters enter, norms differ from that
    at the last of them by a factor of more than 1000. Raises ShapeError when `f` returns an array, DtypeError when an
    argument in `wrt` is an integer array.

    >>> def chain(w):  # three sigmoids at 0, each with the slope 1/4
    ...     for k in range(3):
    ...         w = 1 / (1 + np.exp(-w)) - 0.5
    ...     return w
    >>> gradient_norms(chain, 0.0).parameters[0].gradient
    0.015625

    Bengio, Simard & Frasconi, "Learning long-term dependencies with gradient descent is difficult", 1994.
    """
    call = Call(f, args, {}, wrt)
    call.scalar("a table of gradient norms")
    call.one_course("a table of gradient norms")
    values = call.inputs
    if any(isinstance(v, Traced) for v in values):
        raise ArgumentError("gradient_norms measures numbers, and inside of a recorded function there are none yet")
    names = [call.names[i] for i in call.wrt_leaves]
    return _gradient_norms(name_variables(call.program), call.wanted, [np.asarray(v) for v in values], names)
