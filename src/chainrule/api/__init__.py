"""Functions in, functions out: what calculus has to say of a NumPy function.

Transformations (`grad(f)`) return a function with the arguments of `f`. `wrt` is a position, a name, or a tuple of
them; arguments may be nested dicts, lists, tuples and dataclasses, and derivatives come back in the same structure.
"""

from .. import execute
from ..native import compiled as _native
from ..numeric import schedules
from .antiderive import antiderive
from .call import Call, Function, Wrt, public
from .clipping import clip_by_global_norm, clip_by_norm, clip_by_value
from .compiled import compile
from .convexity import convexity
from .curvature import critical_point, learning_rate
from .examples import per_example_gradients
from .density import Density
from .first import grad, jvp, value_and_grad, vjp
from .integrals import Integral, integrate
from .intervals import critical_points
from .local import difference_quotients, step_errors, tangent
from .maps import local_map
from .matrices import hessian, hvp, jacobian
from .numerical import numerical_gradient, numerical_hessian, numerical_jacobian
from .roc import roc_curve
from .rows import vmap
from .reading import derive, explain, trace
from .run_now import check, minimize
from .sizes import gradient_norms

__all__ = [
    "Call", "Function", "Wrt", "public",
    "grad", "value_and_grad", "jvp", "vjp", "jacobian", "hessian", "hvp", "vmap", "compile", "trace", "check",
    "minimize",
    "explain", "derive", "antiderive", "numerical_gradient", "numerical_jacobian", "numerical_hessian",
    "clip_by_value", "clip_by_norm", "clip_by_global_norm", "gradient_norms", "local_map",
    "difference_quotients", "tangent", "step_errors", "critical_points",
    "learning_rate", "critical_point", "schedules",
    "Density", "Integral", "integrate", "roc_curve",
    "per_example_gradients",
    "convexity",
]  # fmt: skip

execute.register(_native)
