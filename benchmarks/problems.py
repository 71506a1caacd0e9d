"""What peers are compared on: functions as NumPy users write them, and their data.

`np` may be any module that looks like NumPy. Nothing else is imported: peers live in interpreters of their own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

PROBLEMS = {
    "rosenbrock 2": "gradient of Rosenbrock's function, n = 2",
    "rosenbrock 100": "gradient of Rosenbrock's function, n = 100",
    "captured": "gradient of Rosenbrock's function, n = 2, three numbers from globals",
    "nested": "gradient in a nested dict of parameters: a network 2-3-1",
    "chain": "gradients of Σ tanh(a x + b) exp(−x²) in a, b and x, a million elements",
    "logistic": "gradient of the logistic loss, 100 000 × 100",
    "network": "gradient of a network 784-128-10, batch of 128",
    "jacobian": "dense Jacobian with three diagonals, n = 1000",
    "sparse jacobian": "sparse Jacobian with three diagonals, n = 1000",
    "hessian": "dense Hessian of Rosenbrock's function, n = 1000",
    "sparse hessian": "sparse Hessian of Rosenbrock's function, n = 1000",
    "callback": "integral of exp(−x²) cos(30 x) on [0, 2], our function as quad's callback",
    "low-level callback": "the same, our function as quad's callback in C",
    "integral": "integral of exp(−x²) cos(30 x) on [0, 2], our own",
    "l-bfgs-b": "SciPy's L-BFGS-B on Rosenbrock's function, n = 100",
}

SMALL = ("rosenbrock 2", "rosenbrock 100", "captured", "nested")
A, B, C = 100.0, 2.0, 1.0  # captured


def rosenbrock(x: Any, np: Any = np) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def small_network(p: Any, x: Any, np: Any = np) -> Any:
    hidden = np.tanh(p["hidden"]["w"] @ x + p["hidden"]["b"])
    return np.sum((p["out"]["w"] @ hidden + p["out"]["b"]) ** 2)


def chain(a: Any, b: Any, x: Any, np: Any = np) -> Any:
    return np.sum(np.tanh(a * x + b) * np.exp(-x * x))


def logistic(w: Any, X: Any, y: Any, np: Any = np) -> Any:
    return np.mean(np.logaddexp(0.0, -y * (X @ w)))


def network(p: Any, x: Any, classes: Any, np: Any = np) -> Any:
    scores = np.tanh(x @ p[0] + p[1]) @ p[2] + p[3]
    top = np.max(scores, axis=1, keepdims=True)
    total = top + np.log(np.sum(np.exp(scores - top), axis=1, keepdims=True))
    return np.mean(np.sum(classes * (total - scores), axis=1))


def tridiagonal(x: Any, np: Any = np) -> Any:
    """Broyden's equations: each value depends on three neighbours."""
    zero = np.zeros(1)
    before, after = np.concatenate([zero, x[:-1]]), np.concatenate([x[1:], zero])
    return (3.0 - 2.0 * x) * x - before - 2.0 * after + 1.0


def wave(x: Any, np: Any = np) -> Any:
    return np.exp(-x * x) * np.cos(30.0 * x)


def start(n: int) -> Any:
    return np.resize([-1.2, 1.0], n)


def nested_data() -> tuple[Any, ...]:
    rng = np.random.default_rng(4)
    hidden = {"w": rng.normal(size=(3, 2)), "b": rng.normal(size=3)}
    return {"hidden": hidden, "out": {"w": rng.normal(size=(1, 3)), "b": rng.normal(size=1)}}, rng.normal(size=2)


def chain_data() -> tuple[Any, ...]:
    return 1.3, 0.2, np.random.default_rng(5).normal(size=1_000_000)


def logistic_data() -> tuple[Any, ...]:
    rng = np.random.default_rng(6)
    X = rng.normal(size=(100_000, 100))
    y = np.sign(X @ rng.normal(size=100) + rng.normal(size=100_000))
    return 0.1 * rng.normal(size=100), X, y


def network_data() -> tuple[Any, ...]:
    rng = np.random.default_rng(7)
    p = [0.05 * rng.normal(size=(784, 128)), np.zeros(128), 0.1 * rng.normal(size=(128, 10)), np.zeros(10)]
    return p, rng.random((128, 784)), np.eye(10)[rng.integers(0, 10, 128)]


def minimum(value_and_gradient: Any) -> Any:
    """How low SciPy gets with it."""
    from scipy.optimize import minimize

    return minimize(value_and_gradient, start(100), jac=True, method="L-BFGS-B", options={"maxiter": 2000}).fun


def called(f: Any, *args: Any) -> Any:
    return lambda: f(*args)
