"""The same objectives under JAX: `python -m benchmarks.gradbench.under_jax` is a tool, too.

It puts JAX's transformations where the evals look for ours, and `jax.numpy` where they look for NumPy. What can't be
written for both has a form of its own here: arrays of JAX can't be written into.
"""

from __future__ import annotations

import functools
import importlib
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)


def waiting(f):
    """`jax.jit`, with whole numbers static, that waits for its result. Inside another one it is f."""

    @functools.cache
    def compiled(static):
        return jax.jit(f, static_argnums=static)

    def call(*args):
        if any(isinstance(a, jax.core.Tracer) for a in jax.tree.leaves(args)):
            return f(*args)
        return jax.block_until_ready(compiled(tuple(i for i, a in enumerate(args) if isinstance(a, int)))(*args))

    return call


def triangular(q, lower):
    """Q of the mixture, its entries looked up, not written."""
    k, d = q.shape
    left, low = np.triu_indices(d, 1)
    place = np.full((d, d), len(left))
    place[low, left] = np.arange(len(left))
    return jnp.concatenate([lower, jnp.zeros((k, 1))], axis=1)[:, place] + jnp.exp(q)[:, :, None] * jnp.eye(d)


def stand_in() -> types.ModuleType:
    """A module with the names that the evals use."""
    module = types.ModuleType("chainrule")
    module.compile = waiting
    module.grad = lambda f, *, wrt=0: waiting(jax.grad(f, argnums=wrt))
    module.jacobian = lambda f, *, sparse=False: waiting(jax.jacfwd(f))
    module.jvp, module.scan, module.while_loop, module.cond = jax.jvp, jax.lax.scan, jax.lax.while_loop, jax.lax.cond
    return module


def main() -> None:
    sys.modules["chainrule"] = stand_in()
    from . import protocol

    protocol.array = jnp.asarray
    for name in protocol.EVALS:
        module = importlib.import_module(f"{__package__}.{name}")
        module.np = jnp
        if name == "gmm":
            module.triangular = triangular
    importlib.import_module(f"{__package__}.descent").np = jnp
    protocol.serve(sys.stdin, sys.stdout)


if __name__ == "__main__":
    main()
