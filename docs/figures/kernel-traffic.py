"""How many bytes pass through memory for a value and its gradient: op by op, and as a kernel reads and writes them."""

import numpy as np

import chainrule as cr
from chainrule.draw import Bars, Figure
from chainrule.transform.simplify import simplify


def logistic(w, X, y):
    return np.mean(np.log1p(np.exp(-y * (X @ w))))


def chain(x, a, b):
    return np.sum(np.tanh(a * x + b) * np.exp(-x * x))


def network(W, V, x):
    return np.sum(np.tanh(np.tanh(x @ W) @ V))


def op_by_op(program):
    """The operands and results of each operation, as NumPy reads and writes them; what only moves elements is free."""
    atoms = [a for e in program.equations if not e.op.only_moves(**e.params) for a in (*e.inputs, *e.outputs)]
    return sum(a.type.size * a.type.dtype.itemsize for a in atoms)


rng = np.random.default_rng(0)
X, y = rng.normal(size=(20_000, 30)), np.sign(rng.normal(size=20_000))
rows = cr.vmap(cr.grad(network, wrt=(0, 1)), in_axes=(None, None, 0))
cases = {
    "logistic loss": (cr.value_and_grad(logistic), (np.zeros(30), X, y)),
    "chain of functions": (cr.value_and_grad(chain), (X[:, 0].copy(), 1.3, -0.2)),
    "network, by rows": (rows, (rng.normal(size=(3, 4)), rng.normal(size=(4, 2)), X[:, :3].copy())),
}
numpy, kernel = [], []
for f, args in cases.values():
    (part,) = f.inspect(*args).parts
    numpy.append(op_by_op(simplify(cr.trace(f, *args))) / 1e6)
    kernel.append(part.bytes / 1e6)
figure = Figure(
    "Values and gradients of 20,000 rows",
    [Bars(list(cases), numpy, "each operation by itself"), Bars(list(cases), kernel, "as one kernel")],
    x="",
    y="megabytes read and written",
)
