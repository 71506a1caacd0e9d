"""chainrule: calculus for machine learning that runs.

>>> import numpy as np
>>> import chainrule as cr
>>> cr.grad(lambda x: np.sum(np.tanh(x) ** 2))(np.array([0.0, 1.0]))
array([0.        , 0.63970001])
"""

from .api import (
    antiderive,
    clip_by_global_norm, clip_by_norm, clip_by_value, gradient_norms, local_map,
    check, compile, derive, explain, grad, hessian, hvp, jacobian, jvp, minimize,
    numerical_gradient, numerical_hessian, numerical_jacobian, trace, value_and_grad, vjp, vmap,
    critical_point, learning_rate, schedules,
    critical_points, difference_quotients, step_errors, tangent,
    Density, integrate, roc_curve,
    per_example_gradients,
    convexity,
)  # fmt: skip
from .errors import ChainruleError
from .study import study

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
    "study", "ChainruleError",
]  # fmt: skip
