"""chainrule: nothing is adapted."""

import numpy as np
from scipy.integrate import quad

import chainrule as cr

from .. import problems as p
from ..problems import called

NEEDS = "chainrule"
A, B, C = p.A, p.B, p.C


def captured(x):
    return np.sum(A * (x[1:] - x[:-1] ** B) ** 2 + (C - x[:-1]) ** 2)


OFFERED = {
    "rosenbrock 2": lambda: called(cr.grad(p.rosenbrock), p.start(2)),
    "rosenbrock 100": lambda: called(cr.grad(p.rosenbrock), p.start(100)),
    "captured": lambda: called(cr.grad(captured), p.start(2)),
    "nested": lambda: called(cr.grad(p.small_network), *p.nested_data()),
    "chain": lambda: called(cr.grad(p.chain, wrt=(0, 1, 2)), *p.chain_data()),
    "logistic": lambda: called(cr.grad(p.logistic), *p.logistic_data()),
    "network": lambda: called(cr.grad(p.network), *p.network_data()),
    "jacobian": lambda: called(cr.jacobian(p.tridiagonal), p.start(1000)),
    "sparse jacobian": lambda: called(cr.jacobian(p.tridiagonal, sparse=True), p.start(1000)),
    "hessian": lambda: called(cr.hessian(p.rosenbrock), p.start(1000)),
    "sparse hessian": lambda: called(cr.hessian(p.rosenbrock, sparse=True), p.start(1000)),
    "callback": lambda: called(lambda f: quad(f, 0, 2)[0], cr.compile(p.wave)),
    "low-level callback": lambda: called(lambda f: quad(f, 0, 2)[0], cr.compile(p.wave).low_level_callable()),
    "integral": lambda: lambda: float(cr.integrate(p.wave, 0.0, 2.0)),
    "l-bfgs-b": lambda: called(p.minimum, cr.value_and_grad(p.rosenbrock)),
}
