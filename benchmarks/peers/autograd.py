"""HIPS autograd."""

import autograd.numpy as anp
from autograd import grad, hessian, jacobian, value_and_grad
from scipy.integrate import quad

from .. import problems as p
from ..problems import called

NEEDS = "autograd"


def under(f):
    return lambda *args: f(*args, anp)


def captured(x):
    return anp.sum(p.A * (x[1:] - x[:-1] ** p.B) ** 2 + (p.C - x[:-1]) ** 2)


OFFERED = {
    "rosenbrock 2": lambda: called(grad(under(p.rosenbrock)), p.start(2)),
    "rosenbrock 100": lambda: called(grad(under(p.rosenbrock)), p.start(100)),
    "captured": lambda: called(grad(captured), p.start(2)),
    "nested": lambda: called(grad(under(p.small_network)), *p.nested_data()),
    "chain": lambda: called(grad(lambda abx: p.chain(*abx, anp)), p.chain_data()),
    "logistic": lambda: called(grad(under(p.logistic)), *p.logistic_data()),
    "network": lambda: called(grad(under(p.network)), *p.network_data()),
    "jacobian": lambda: called(jacobian(under(p.tridiagonal)), p.start(1000)),
    "hessian": lambda: called(hessian(under(p.rosenbrock)), p.start(1000)),
    "callback": lambda: lambda: quad(under(p.wave), 0, 2)[0],
    "l-bfgs-b": lambda: called(p.minimum, value_and_grad(under(p.rosenbrock))),
}
