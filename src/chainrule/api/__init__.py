"""Functions in, functions out: what calculus has to say of a NumPy function.

Transformations (`grad(f)`) return a function with the arguments of `f`. `wrt` is a position, a name, or a tuple of
them; arguments may be nested dicts, lists, tuples and dataclasses, and derivatives come back in the same structure.
"""

from typing import TYPE_CHECKING

from .. import execute
from ..later import names_from
from ..native import compiled as _native
from ..ops.control import ENTERED_BY
from .call import Call, Function, Wrt, public
from .compiled import compile
from .first import grad, jvp, value_and_grad, vjp
from .matrices import hessian, hvp, jacobian
from .reading import derive, explain, trace
from .rows import vmap

ENTERED_BY += [f"chainrule.numeric.{part}" for part in ("inside", "loops")]
ENTERED_BY += [f"chainrule.transform.{part}" for part in ("leibniz", "loops", "branches", "while_loops")]

if TYPE_CHECKING:  # imported when they are used: see below
    from ..numeric import schedules
    from .antiderivatives import antiderive
    from .clipping import clip_by_global_norm, clip_by_norm, clip_by_value
    from .convex import convexity
    from .curvature import critical_point, learning_rate
    from .density import Density
    from .examples import per_example_gradients
    from .integrals import Integral, integrate
    from .intervals import critical_points
    from .local import difference_quotients, step_errors, tangent
    from .loops import cond, scan, while_loop
    from .maps import local_map
    from .numerical import numerical_gradient, numerical_hessian, numerical_jacobian
    from .roc import roc_curve
    from .run_now import check, minimize
    from .sizes import gradient_norms
else:
    __getattr__, __dir__ = names_from(
        __name__,
        {
            "..numeric": "schedules",
            ".antiderivatives": "antiderive",
            ".clipping": "clip_by_global_norm clip_by_norm clip_by_value",
            ".convex": "convexity",
            ".curvature": "critical_point learning_rate",
            ".density": "Density",
            ".examples": "per_example_gradients",
            ".integrals": "Integral integrate",
            ".intervals": "critical_points",
            ".local": "difference_quotients step_errors tangent",
            ".loops": "cond scan while_loop",
            ".maps": "local_map",
            ".numerical": "numerical_gradient numerical_hessian numerical_jacobian",
            ".roc": "roc_curve",
            ".run_now": "check minimize",
            ".sizes": "gradient_norms",
        },
    )

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
    "scan", "while_loop", "cond",
]  # fmt: skip

execute.register(_native)
