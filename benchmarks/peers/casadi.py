"""CasADi: graphs of scalars, turned into C and compiled where there is a compiler, called through its buffers."""

import functools
import shutil

import casadi
import numpy as np
from scipy import sparse

from .. import problems as p

NEEDS = "casadi"
FLAGS = {"flags": ["-Ofast", "-march=native"], "verbose": False}
COMPILED = {"jit": True, "compiler": "shell", "jit_options": FLAGS} if shutil.which("gcc") else {}


def rosenbrock(x):
    return casadi.sumsqr(10.0 * (x[1:] - x[:-1] ** 2)) + casadi.sumsqr(1.0 - x[:-1])


def tridiagonal(x):
    before, after = casadi.vertcat(0, x[:-1]), casadi.vertcat(x[1:], 0)
    return (3.0 - 2.0 * x) * x - before - 2.0 * after + 1.0


@functools.cache  # compiling thousands of lines takes the C compiler half a minute
def compiled(result, n):
    x = casadi.SX.sym("x", n)
    return casadi.Function("f", [x], results if isinstance(results := result(x), list) else [results], COMPILED)


def called(result, n, finish=lambda values, rows, begins, shape: values):
    """The function's nonzeros, and `finish` with their places."""
    f, x = compiled(result, n), p.start(n)
    pattern = f.sparsity_out(0)
    begins, rows = map(np.array, pattern.get_ccs())
    values = np.empty(pattern.nnz())
    buffer, call = f.buffer()
    buffer.set_arg(0, memoryview(x))
    buffer.set_res(0, memoryview(values))

    def run(kept=(f, buffer, x)):
        call()
        return finish(values, rows, begins, pattern.shape)

    return run


def matrix(values, rows, begins, shape):
    return sparse.csc_array((values, rows, begins), shape=shape)


def jacobian(x):
    return casadi.jacobian(tridiagonal(x), x)


def hessian(x):
    return casadi.hessian(rosenbrock(x), x)[0]


def gradient(x):
    return casadi.gradient(rosenbrock(x), x)


def descent():
    f = compiled(lambda x: [rosenbrock(x), gradient(x)], 100)
    value, slope = np.empty(1), np.empty(100)
    buffer, call = f.buffer()
    buffer.set_res(0, memoryview(value))
    buffer.set_res(1, memoryview(slope))

    def both(x, kept=(f, buffer)):
        x = np.ascontiguousarray(x)
        buffer.set_arg(0, memoryview(x))
        call()
        return value[0], slope.copy()

    return lambda: p.minimum(both)


OFFERED = {
    "rosenbrock 2": lambda: called(gradient, 2),
    "rosenbrock 100": lambda: called(gradient, 100),
    "sparse jacobian": lambda: called(jacobian, 1000, matrix),
    "sparse hessian": lambda: called(hessian, 1000, matrix),
    "l-bfgs-b": descent,
}
