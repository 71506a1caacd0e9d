"""chainrule: calculus for machine learning that runs.

>>> import numpy as np
>>> import chainrule as cr
>>> cr.grad(lambda x: np.sum(np.tanh(x) ** 2))(np.array([0.0, 1.0]))
array([0.        , 0.63970001])
"""

from typing import TYPE_CHECKING

from .api import compile, derive, explain, grad, hessian, hvp, jacobian, jvp, trace, value_and_grad, vjp, vmap
from .errors import ChainruleError
from .later import names_from
from .study import study

if TYPE_CHECKING:  # imported when they are used: see the end
    from .api import (
        antiderive,
        clip_by_global_norm, clip_by_norm, clip_by_value, gradient_norms, local_map,
        check, minimize,
        numerical_gradient, numerical_hessian, numerical_jacobian,
        critical_point, learning_rate, schedules,
        critical_points, difference_quotients, step_errors, tangent,
        Density, integrate, roc_curve,
        per_example_gradients,
        convexity,
        cond, scan, while_loop,
    )  # fmt: skip

__version__ = "0.1.0"
__all__ = [
    "grad", "value_and_grad", "jvp", "vjp", "jacobian", "hessian", "hvp", "vmap", "compile", "trace",
    "check", "minimize", "explain", "derive", "antiderive",
    "numerical_gradient", "numerical_jacobian", "numerical_hessian",
    "clip_by_value", "clip_by_norm", "clip_by_global_norm", "gradient_norms", "local_map",
    "difference_quotients", "tangent", "step_errors", "critical_points",
    "learning_rate", "schedules", "critical_point",
    "integrate", "Density", "roc_curve",
    "per_example_gradients",
    "convexity",
    "scan", "while_loop", "cond",
    "study", "ChainruleError",
]  # fmt: skip

if not TYPE_CHECKING:
    __getattr__, __dir__ = names_from(__name__, {".api": " ".join(__all__)})
del TYPE_CHECKING, names_from
