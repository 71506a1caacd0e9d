"""Stable and best learning rates are those of the Hessian's spectrum, and are called exact only where they are."""

import itertools

import numpy as np
import pytest

import chainrule as cr
from chainrule.ir import ArrayType, Program, Var
from chainrule.numeric.spectrum import spectrum
from chainrule.ops.op import OPS, Elementwise
from chainrule.trace.recorder import Recorder
from chainrule.transform.quadratic import quadratic


def bowl(p):
    return p[0] ** 2 + p[0] * p[1] + p[1] ** 2


def form(x, A):
    return 0.5 * x @ A @ x


def test_the_bowl_of_the_lessons():
    found = cr.learning_rate(bowl, np.array([1.0, -2.0]))
    assert (found.lambda_min, found.lambda_max) == pytest.approx((1, 3))
    assert (found.largest, found.best, found.contraction) == pytest.approx((2 / 3, 1 / 2, 1 / 2))
    assert found.quadratic
    assert not found.local
    assert found.condition == pytest.approx(3)
    assert found.as_dict()["condition"] == found.condition


def symmetric(values, seed=0):
    n = len(values)
    Q = np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]
    A = (Q * np.asarray(values)) @ Q.T
    return (A + A.T) / 2


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("n", [1, 2, 7, 60])
def test_on_random_quadratics_walks_below_the_limit_come_to_rest_and_walks_above_run_away(n, seed):
    random = np.random.default_rng([n, seed])
    A = symmetric(10 ** random.uniform(-1, 1, n), seed)
    found = cr.learning_rate(form, random.normal(size=n), A)
    values = np.linalg.eigvalsh(A)
    assert found.largest == pytest.approx(2 / values[-1])
    assert found.best == pytest.approx(2 / (values[0] + values[-1]))
    assert found.contraction == pytest.approx(max(abs(1 - found.best * values)))
    x0 = random.normal(size=n)
    ends = []
    for share in (0.999, 1.001):
        x = x0
        for _ in range(3000):
            x = x - share * found.largest * A @ x
        ends.append(np.linalg.norm(x))
    assert ends[0] < np.linalg.norm(x0) < ends[1]


@pytest.mark.parametrize("seed", range(5))
def test_no_fixed_rate_beats_the_best(seed):
    values = 10 ** np.random.default_rng(seed).uniform(-1, 1, 6)
    found = cr.learning_rate(form, np.zeros(6), symmetric(values))
    factors = [np.abs(1 - rate * values).max() for rate in found.best * np.linspace(0.5, 1.5, 101)]
    assert np.argmin(factors) == 50
    assert min(factors) == pytest.approx(found.contraction)


def test_gradient_descent_at_the_best_rate_shrinks_by_the_contraction():
    found = cr.learning_rate(bowl, np.array([1.0, 0.0]))
    xs = []
    cr.minimize(
        bowl, np.array([1.0, 0.0]), method="gradient descent", learning_rate=found.best, max_iter=20,
        callback=lambda progress: xs.append(np.linalg.norm(progress.x)),
    )  # fmt: skip
    assert np.allclose(np.divide(xs[1:], xs[:-1]), found.contraction)


# --- quadratic, or only here? -----------------------------------------------------------------------------------------

QUADRATIC = {
    "a number": (lambda x: 3 * x**2 - x + 1, 2),
    "a linear function": (lambda x: 5 * x, 1.0),
    "least squares": (lambda w: np.mean((np.vander(np.linspace(0, 1, 9), 3) @ w - 1) ** 2), np.zeros(3)),
    "the square of a norm": (lambda x: np.linalg.norm(x) ** 2, np.ones(3)),
    "|x|²": (lambda x: np.abs(x) ** 2, 1.0),
    "pieces put together": (lambda p: np.sum(np.concatenate([p["a"] ** 2, p["b"].reshape(-1)])), None),
}
NOT = {
    "|x|": (np.abs, 1.0),
    "a positive part, squared": (lambda x: np.maximum(x, 0) ** 2, 1.0),
    "two parabolas": (lambda x: np.where(x > 0, x**2, 2 * x**2), 1.0),
    "a parabola with steps": (lambda x: np.floor(x) + x**2, 1.5),
    "a parabola with a sign": (lambda x: np.sign(x) + x**2, 1.5),
    "sorted": (lambda x: np.sort(x) @ np.array([1.0, 2.0]) + x @ x, np.array([2.0, 1.0])),
    "the largest, squared": (lambda x: np.max(x) ** 2, np.array([2.0, 1.0])),
    "picked by a mask": (lambda x: np.sum(x[x > 0] ** 2), np.array([2.0, -1.0])),
    "cosh": (np.cosh, 0.0),
    "x⁴": (lambda x: x**4, 1.0),
    "x³": (lambda x: x**3, 1.0),
    "a quotient": (lambda x: x**2 / (1 + x), 1.0),
    "rounded": (lambda x: np.round(x) * x, 1.3),
    "a remainder": (lambda x: np.mod(x, 2.0) ** 2, 1.3),
}


@pytest.mark.parametrize("name", QUADRATIC)
def test_a_quadratic_is_seen_to_be_one(name):
    f, x = QUADRATIC[name]
    found = cr.learning_rate(f, {"a": np.ones(2), "b": np.ones((1, 2))} if x is None else x)
    assert found.quadratic
    assert not found.local


@pytest.mark.parametrize("name", NOT)
def test_what_is_not_quadratic_is_never_called_so(name):
    f, x = NOT[name]
    found = cr.learning_rate(f, x)
    assert not found.quadratic
    assert found.local
    assert str(found).startswith("Here ")


@pytest.mark.parametrize("op", [op for op in OPS.values() if isinstance(op, Elementwise)], ids=lambda op: op.name)
def test_no_op_of_the_table_passes_for_quadratic_unless_its_third_differences_vanish(op):
    for k, params in itertools.product(range(op.arity), op.samples):
        types = [ArrayType((), dtype) for dtype in op.operand_dtypes((np.dtype(np.float64),) * op.arity)]
        variables = tuple(map(Var, types))
        recorder = Recorder(quiet=True)
        (output,) = recorder.emit(op, variables, dict(params), None)
        program = Program(variables, tuple(recorder.equations), (output,))
        if types[k].dtype.kind != "f" or not output.type.differentiable or not quadratic(program, (k,)):
            continue
        others = [np.asarray(2.0).astype(t.dtype) for t in types]
        values = []
        for x in np.linspace(0.3, 6.3, 13):
            others[k] = np.float64(x)
            values.append(float(op.evaluate(*others, **params)))
        assert np.abs(np.diff(values, 3)).max() < 1e-12, (op.name, k)


def test_quadratic_in_one_argument_only():
    f = lambda w, v: np.sum(w**2) * np.exp(v)  # noqa: E731
    assert cr.learning_rate(f, np.ones(2), 0.0).quadratic
    assert not cr.learning_rate(f, np.ones(2), 0.0, wrt="v").quadratic
    assert not cr.learning_rate(f, np.ones(2), 0.0, wrt=("w", "v")).quadratic


def test_two_over_lambda_is_exact_on_a_quadratic_and_no_more_than_local_elsewhere():
    """Logistic regression bends less the further a walk goes: steps far above the local limit come to rest too."""
    random = np.random.default_rng(0)
    X = random.normal(size=(60, 3))
    y = (X[:, 0] + random.normal(size=60) > 0).astype(float)
    loss = lambda w, X, y: np.mean(np.log1p(np.exp(X @ w)) - y * (X @ w))  # noqa: E731
    found = cr.learning_rate(loss, np.zeros(3), X, y)
    assert found.local
    walked = cr.minimize(
        loss, np.zeros(3), (X, y), method="gradient descent", learning_rate=1.3 * found.largest, max_iter=2000
    )
    assert walked.success


# --- where there is no best one ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "x", "largest", "says"),
    [
        (lambda x: -(x**2), 1.0, None, "nowhere up"),
        (lambda x: 3 * x, 1.0, None, "flat"),
        (lambda x: 1e-320 * x**2, 1.0, None, "flat"),
        (lambda x: 0 * np.sum(x), np.ones(3), None, "flat"),
        (lambda p: p[0] ** 2 - p[1] ** 2, np.ones(2), 1.0, "runs away"),
        (lambda p: (p[0] - p[1]) ** 2, np.ones(2), 0.5, "is flat"),
    ],
)
def test_no_best_rate_without_curvature_upward_everywhere(f, x, largest, says):
    found = cr.learning_rate(f, x)
    assert found.best is None
    assert found.contraction is None
    assert found.condition is None
    assert found.largest == (largest if largest is None else pytest.approx(largest))
    assert says in str(found)


# --- large ones -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_lanczos_finds_what_the_whole_matrix_says(seed):
    random = np.random.default_rng(seed)
    n = 120
    A = symmetric(random.normal(size=n) * 10 ** random.uniform(-1, 1, n), seed)
    found = spectrum(lambda v: A @ v, n, 2.0**-52, dense=10)
    values = np.linalg.eigvalsh(A)
    assert abs(found.low - values[0]) <= found.low_error
    assert abs(found.high - values[-1]) <= found.high_error
    assert found.residual <= 0.11 * np.abs(values).max()
    assert found.high == pytest.approx(values[-1], rel=2e-3)
    assert found.low == pytest.approx(values[0], rel=2e-3)


@pytest.mark.parametrize("matrix", [0.0, 1.0, -3.0])
def test_lanczos_on_a_multiple_of_the_identity(matrix):
    found = spectrum(lambda v: matrix * v, 1000, 2.0**-52)
    assert (found.low, found.high) == pytest.approx((matrix, matrix))


def test_a_hundred_thousand_arguments_without_a_hessian():
    n = 100_000
    d = np.linspace(1, 2, n)
    d[5], d[6] = 0.5, 4.0
    found = cr.learning_rate(lambda x, d: 0.5 * np.sum(d * x**2), np.ones(n), d)
    assert found.lambda_max == pytest.approx(4, rel=1e-4)
    assert found.lambda_min == pytest.approx(0.5, rel=1e-3)
    assert found.quadratic
    assert found.products < 1000
    assert found.residual < 0.01


def test_single_precision_stays_within_its_error():
    A = symmetric(np.linspace(1, 3, 6)).astype(np.float32)
    found = cr.learning_rate(form, np.ones(6, np.float32), A)
    assert abs(found.lambda_max - 3) <= found.error_max < 1e-4
    assert found.best == pytest.approx(0.5, rel=1e-5)


def test_a_limit_that_is_known_roughly_is_called_so():
    rough = cr.learning_rate(lambda x, d: 0.5 * np.sum(d * x**2), np.ones(3000), np.linspace(1, 50, 3000))
    assert rough.error_max > 1e-5 * rough.lambda_max
    assert f"below about {rough.largest:.4g}" in str(rough)
    assert "about" not in str(cr.learning_rate(lambda x: np.sum(x**2), np.ones(3)))


def test_the_pace_is_told_as_what_is_left_or_as_what_is_taken():
    def told(high):
        return str(cr.learning_rate(lambda p: 0.5 * (p[0] ** 2 + high * p[1] ** 2), np.ones(2)))

    assert "comes to rest in one step" in told(1.0)
    assert "leaves 0.9 of the error a step" in told(19.0)
    assert "takes only 2e-06 of the error away a step" in told(1e6)
