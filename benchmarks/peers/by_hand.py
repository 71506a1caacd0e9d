"""Plain NumPy, with derivatives by hand."""

import math

import numpy as np
from scipy import sparse
from scipy.integrate import quad

from .. import problems as p
from ..problems import called

NEEDS = "numpy"


def rosenbrock(x):
    rise = x[1:] - x[:-1] ** 2
    slope = np.zeros_like(x)
    slope[:-1] = -400.0 * x[:-1] * rise - 2.0 * (1.0 - x[:-1])
    slope[1:] += 200.0 * rise
    return slope


def small_network(params, x):
    hidden, out = params["hidden"], params["out"]
    h = np.tanh(hidden["w"] @ x + hidden["b"])
    outer = 2.0 * (out["w"] @ h + out["b"])
    inner = (outer @ out["w"]) * (1.0 - h**2)
    return {"hidden": {"w": np.outer(inner, x), "b": inner}, "out": {"w": np.outer(outer, h), "b": outer}}


def chain(a, b, x):
    t, e = np.tanh(a * x + b), np.exp(-x * x)
    inner = (1.0 - t * t) * e
    return inner @ x, np.sum(inner), a * inner - 2.0 * x * t * e


def logistic(w, X, y):
    return X.T @ (-y / (1.0 + np.exp(y * (X @ w)))) / len(y)


def network(params, x, classes):
    h = np.tanh(x @ params[0] + params[1])
    scores = h @ params[2] + params[3]
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    outer = (e / e.sum(axis=1, keepdims=True) - classes) / len(x)
    inner = (outer @ params[2].T) * (1.0 - h * h)
    return [x.T @ inner, inner.sum(axis=0), h.T @ outer, outer.sum(axis=0)]


def jacobian(x):
    one = np.ones(len(x) - 1)
    return sparse.diags_array([-one, 3.0 - 4.0 * x, -2.0 * one], offsets=[-1, 0, 1], format="csr")


def hessian(x):
    middle = np.zeros_like(x)
    middle[:-1] = 1200.0 * x[:-1] ** 2 - 400.0 * x[1:] + 2.0
    middle[1:] += 200.0
    beside = -400.0 * x[:-1]
    return sparse.diags_array([beside, middle, beside], offsets=[-1, 0, 1], format="csr")


OFFERED = {
    "rosenbrock 2": lambda: called(rosenbrock, p.start(2)),
    "rosenbrock 100": lambda: called(rosenbrock, p.start(100)),
    "captured": lambda: called(rosenbrock, p.start(2)),
    "nested": lambda: called(small_network, *p.nested_data()),
    "chain": lambda: called(chain, *p.chain_data()),
    "logistic": lambda: called(logistic, *p.logistic_data()),
    "network": lambda: called(network, *p.network_data()),
    "jacobian": lambda: called(lambda x: jacobian(x).toarray(), p.start(1000)),
    "sparse jacobian": lambda: called(jacobian, p.start(1000)),
    "hessian": lambda: called(lambda x: hessian(x).toarray(), p.start(1000)),
    "sparse hessian": lambda: called(hessian, p.start(1000)),
    "callback": lambda: lambda: quad(p.wave, 0, 2)[0],
    "integral": lambda: lambda: quad(lambda x: math.exp(-x * x) * math.cos(30.0 * x), 0, 2)[0],
    "l-bfgs-b": lambda: called(p.minimum, lambda x: (p.rosenbrock(x), rosenbrock(x))),
}
