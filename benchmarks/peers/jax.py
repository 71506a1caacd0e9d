"""JAX, everything compiled, every result waited for and turned into NumPy arrays."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import sparse
from scipy.integrate import quad

from .. import problems as p

NEEDS = "jax"
jax.config.update("jax_enable_x64", True)


def under(f):
    return lambda *args: f(*args, jnp)


def called(f, *args, there=False):
    f = jax.jit(f)
    args = jax.device_put(args) if there else args
    return lambda: jax.tree.map(np.asarray, f(*args))


def captured(x):
    return jnp.sum(p.A * (x[1:] - x[:-1] ** p.B) ** 2 + (p.C - x[:-1]) ** 2)


def coloured(matrix):
    """asdex's result, as SciPy's."""
    f, x = jax.jit(matrix), p.start(1000)

    def call():
        found = f(x)
        return sparse.coo_array((np.asarray(found.data), np.asarray(found.indices).T), shape=found.shape).tocsr()

    return call


def sparse_jacobian():
    import asdex

    return coloured(asdex.jacobian(under(p.tridiagonal), p.start(1000)))


def sparse_hessian():
    import asdex

    return coloured(asdex.hessian(under(p.rosenbrock), p.start(1000)))


def callback():
    f = jax.jit(under(p.wave))
    return lambda: quad(lambda x: float(f(x)), 0, 2)[0]


def integral():
    import quadax

    f = jax.jit(lambda a, b: quadax.quadgk(under(p.wave), [a, b], epsabs=1.5e-8, epsrel=1.5e-8)[0])
    return lambda: float(f(0.0, 2.0))


def descent():
    both = jax.jit(jax.value_and_grad(under(p.rosenbrock)))

    def numbers(x):
        value, gradient = both(x)
        return float(value), np.asarray(gradient)

    return lambda: p.minimum(numbers)


OFFERED = {
    "rosenbrock 2": lambda: called(jax.grad(under(p.rosenbrock)), p.start(2)),
    "rosenbrock 100": lambda: called(jax.grad(under(p.rosenbrock)), p.start(100)),
    "captured": lambda: called(jax.grad(captured), p.start(2)),
    "nested": lambda: called(jax.grad(under(p.small_network)), *p.nested_data()),
    "chain": lambda: called(jax.grad(under(p.chain), argnums=(0, 1, 2)), *p.chain_data(), there=True),
    "logistic": lambda: called(jax.grad(under(p.logistic)), *p.logistic_data(), there=True),
    "network": lambda: called(jax.grad(under(p.network)), *p.network_data(), there=True),
    "jacobian": lambda: called(jax.jacfwd(under(p.tridiagonal)), p.start(1000)),
    "sparse jacobian": sparse_jacobian,
    "hessian": lambda: called(jax.hessian(under(p.rosenbrock)), p.start(1000)),
    "sparse hessian": sparse_hessian,
    "callback": callback,
    "integral": integral,
    "l-bfgs-b": descent,
}
