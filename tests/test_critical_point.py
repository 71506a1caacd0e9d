"""The kind of a critical point is what mathematics says it is, and is left open where second derivatives are silent."""

import numpy as np
import pytest
from scipy.optimize import rosen, rosen_hess

import chainrule as cr
from chainrule.errors import ArgumentError, ChainruleError, ShapeError


def himmelblau(p):
    return (p[0] ** 2 + p[1] - 11) ** 2 + (p[0] + p[1] ** 2 - 7) ** 2


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


MINIMA = [
    (3, 2),
    (-2.805118086953, 3.131312518250),
    (-3.779310253378, -3.283185991286),
    (3.584428340330, -1.848126526964),
]
SADDLES = [(0.0866775, 2.8842547), (3.3851542, 0.0738519), (-3.0730258, -0.0813530), (-0.1279613, -1.9537150)]
TOP = (-0.2708446, -0.9230386)


def polished(p):
    """Newton's method with derivatives written out by hand: the critical point to all its digits."""
    x, y = p
    for _ in range(5):
        a, b = x**2 + y - 11, x + y**2 - 7
        g = np.array([4 * x * a + 2 * b, 2 * a + 4 * y * b])
        H = np.array([[4 * a + 8 * x**2 + 2, 4 * x + 4 * y], [4 * x + 4 * y, 4 * b + 8 * y**2 + 2]])
        x, y = np.array([x, y]) - np.linalg.solve(H, g)
    return np.array([x, y]), H


@pytest.mark.parametrize(
    ("p", "kind"),
    [*((p, "minimum") for p in MINIMA), *((p, "saddle") for p in SADDLES), (TOP, "maximum")],
)
def test_the_nine_critical_points_of_himmelblau(p, kind):
    x, H = polished(p)
    found = cr.critical_point(himmelblau, x)
    assert found.kind == kind, found
    assert np.allclose(found.eigenvalues, np.linalg.eigvalsh(H))
    if kind == "saddle":
        lower = x + found.step * found.direction
        assert himmelblau(x) - himmelblau(lower) == pytest.approx(found.drop)
        assert found.drop > 0


@pytest.mark.parametrize("n", [1, 2, 5, 40])
@pytest.mark.parametrize("seed", range(6))
def test_quadratic_forms_of_known_inertia(n, seed):
    random = np.random.default_rng([n, seed])
    Q = np.linalg.qr(random.normal(size=(n, n)))[0]
    signs = [np.ones(n), -np.ones(n), random.choice([-1.0, 1.0], n)][seed % 3]
    values = signs * 10 ** random.uniform(-3, 3, n)
    A, c = (Q * values) @ Q.T, random.normal(size=n)
    A = (A + A.T) / 2
    found = cr.critical_point(lambda x, A, c: 0.5 * (x - c) @ A @ (x - c), c.copy(), A, c)
    positive = int((values > 0).sum())
    assert found.signs == (positive, n - positive, 0)
    assert found.kind == ("minimum" if positive == n else "saddle" if positive else "maximum")
    assert np.allclose(found.eigenvalues, np.linalg.eigvalsh(A), atol=1e-9)


@pytest.mark.parametrize("n", [2, 5, 40])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_semidefinite_hessian_decides_nothing(n, sign):
    random = np.random.default_rng(n)
    A = random.normal(size=(n, n - 1))
    found = cr.critical_point(lambda x, A: sign * np.sum((x @ A) ** 2), np.zeros(n), A)
    assert found.kind == "inconclusive"
    assert found.signs == ((n - 1, 0, 1) if sign > 0 else (0, n - 1, 1))
    assert "does not change" in found.reason


DEGENERATE = {  # f, x, what a look shows
    "x³": (lambda x: x**3, 0.0, "lower by 1e-09 on one side, and higher on the other"),
    "x⁴": (lambda x: x**4, 0.0, "higher on both sides"),
    "-x⁴": (lambda x: -(x**4), 0.0, "lower on both sides"),
    "x² - y⁴": (lambda p: p[0] ** 2 - p[1] ** 4, np.zeros(2), "lower on both sides"),
    "x² + y⁴": (lambda p: p[0] ** 2 + p[1] ** 4, np.zeros(2), "higher on both sides"),
    "x² + y³": (lambda p: p[0] ** 2 + p[1] ** 3, np.zeros(2), "on one side, and higher on the other"),
    "the monkey's saddle": (lambda p: p[0] ** 3 - 3 * p[0] * p[1] ** 2, np.zeros(2), "on one side, and higher"),
    "(x - y)²": (lambda p: (p[0] - p[1]) ** 2, np.ones(2), "does not change"),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_where_second_derivatives_are_silent_it_says_so_and_what_a_look_shows(name):
    f, x, shown = DEGENERATE[name]
    found = cr.critical_point(f, x)
    assert found.kind == "inconclusive"
    assert shown in found.reason
    assert str(found).startswith("Inconclusive: ")


@pytest.mark.parametrize("x", [1e-20, 1e-12, 1e-9, 1e-6, 1e-4])
@pytest.mark.parametrize("f", [lambda x: x**3, lambda x: x**4, lambda x: -(x**6)])
def test_beside_a_degenerate_point_the_positive_second_derivative_does_not_mislead(f, x):
    """x³ has a positive second derivative at 1e-9, and no minimum anywhere."""
    assert cr.critical_point(f, x).kind in ("inconclusive", "plateau")


def test_a_positive_definite_hessian_makes_no_minimum_where_the_gradient_does_not_vanish():
    found = cr.critical_point(lambda p: p[0] ** 2 + p[1] ** 2, np.array([1.0, 0.0]))
    assert found.kind == "not critical"
    assert found.lambda_min > 0
    assert found.newton_distance == pytest.approx(1.0)
    assert "Newton's step leads 1 away" in found.reason


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (np.exp, -20.0),
        (lambda x: 1 / (1 + np.exp(-x)), 40.0),
        (lambda x: 1 / (1 + np.exp(-x)), -800.0),
        (lambda x: (1 / (1 + np.exp(-x)) - 1) ** 2, 20.0),
        (lambda x: np.maximum(x, 0), -1.0),
        (lambda x: 0 * x + 3, 1.0),
        (lambda x: 1e-8 * x, 1.0),
        (lambda p: np.exp(-np.sum(p**2)), np.array([4.0, 3.0])),
    ],
)
def test_where_gradient_and_curvature_fade_together_it_is_a_plateau(f, x):
    assert cr.critical_point(f, x).kind == "plateau"


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1.0, 1e6, 1e12])
@pytest.mark.parametrize(("at", "kind"), [(1 / 3, "minimum"), (-2.0, "not critical")])
def test_the_kind_does_not_depend_on_the_unit_of_the_loss(scale, at, kind):
    """A loss of 1e-12 (x − 1/3)² has a gradient below any tolerance everywhere; it still has one minimum."""
    assert cr.critical_point(lambda x, s: s * (x - 1 / 3) ** 2, at, scale).kind == kind


@pytest.mark.parametrize(
    "f",
    [
        np.abs,
        lambda x: x**2 - np.abs(x) / 1000,
        lambda x: x**2 + np.abs(x),
        lambda x: np.maximum(x, -x) ** 3 - np.abs(x),
    ],
)
def test_at_a_kink_second_derivatives_claim_nothing(f):
    found = cr.critical_point(f, 0.0)
    assert found.kind == "inconclusive"
    assert "kink" in found.reason


@pytest.mark.parametrize("method", ["l-bfgs", "bfgs", "newton-cg", "trust-ncg"])
@pytest.mark.parametrize("n", [2, 5])
def test_where_descent_ended_on_rosenbrock_is_a_minimum(method, n):
    found = cr.minimize(rosenbrock, np.full(n, 0.5), method=method)
    point = cr.critical_point(rosenbrock, found.x)
    assert point.kind == "minimum", point
    assert np.allclose(point.eigenvalues, np.linalg.eigvalsh(rosen_hess(found.x)), rtol=1e-6)
    assert rosen(found.x) == pytest.approx(point.value)


def test_gradient_descent_may_end_at_a_saddle():
    f = lambda p: p[0] ** 2 - p[1] ** 2 + p[1] ** 4  # noqa: E731
    found = cr.minimize(f, np.array([1.0, 0.0]), method="gradient descent", learning_rate=0.1)
    assert found.success
    point = cr.critical_point(f, found.x)
    assert point.kind == "saddle"
    further = cr.minimize(f, found.x + point.step * point.direction, method="gradient descent", learning_rate=0.1)
    assert cr.critical_point(f, further.x).kind == "minimum"
    assert further.fun < found.fun - 0.2


def test_structures_come_back_as_structures():
    f = lambda p, s: s * p["a"] ** 2 - np.sum(p["b"] ** 2)  # noqa: E731
    found = cr.critical_point(f, {"a": 0.0, "b": np.zeros(2)}, 2.0)
    assert found.kind == "saddle"
    assert found.signs == (1, 2, 0)
    assert found.direction["a"] == 0
    assert np.linalg.norm(found.direction["b"]) == pytest.approx(1)
    plain = found.as_dict()
    assert plain["direction"]["b"] == found.direction["b"].tolist()
    both = cr.critical_point(lambda a, b: a**2 + b**2, 0, 0, wrt=("a", "b"))
    assert both.kind == "minimum"


@pytest.mark.parametrize("x", [np.zeros(3, np.float32), np.full(3, 1e-4, np.float32)])
def test_single_precision(x):
    scale = np.array([1, 2, 3], np.float32)
    assert cr.critical_point(lambda x, s: np.sum(s * x**2), x, scale).kind == "minimum"
    assert cr.critical_point(lambda x, s: np.sum(s * x**2) - 3 * x[0] ** 2, x, scale).kind == "saddle"


@pytest.mark.parametrize(
    ("first", "kind"), [(1.0, "minimum"), (-1.0, "saddle"), (0.0, "inconclusive")], ids=["minimum", "saddle", "flat"]
)
def test_a_large_problem_without_its_hessian(first, kind):
    d = np.linspace(2, 50, 3000)
    d[7] = first
    found = cr.critical_point(lambda x, d: 0.5 * np.sum(d * x * x), np.zeros(3000), d)
    assert found.kind == kind, found
    assert found.eigenvalues is None
    assert found.lambda_min == pytest.approx(first, abs=1e-6)


@pytest.mark.parametrize("least", [1.0, 1e-2, 1e-4, -1e-4, -1e-2, -1.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_large_saddle_is_never_called_a_minimum_nor_a_minimum_a_saddle(least, seed):
    random = np.random.default_rng(seed)
    d = random.uniform(0.01 if least < 0.01 else least, 50, 2000)
    d[random.integers(2000)] = least
    found = cr.critical_point(lambda x, d: 0.5 * np.sum(d * x * x), np.zeros(2000), d)
    assert found.kind in ("inconclusive", "saddle" if least < 0 else "minimum")
    if found.kind == "saddle":
        x = found.step * found.direction
        assert np.sum(d * x * x) < 0


@pytest.mark.parametrize(
    ("f", "args", "error"),
    [
        (np.log, (-1.0,), ArgumentError),
        (np.sqrt, (0.0,), ArgumentError),
        (lambda x: x**2, (np.nan,), ArgumentError),
        (lambda x: x, (np.ones(2),), ShapeError),
        (lambda x: np.sum(x), (np.ones(0),), ArgumentError),
        (lambda x: np.sum(x), ("text",), ChainruleError),
        (lambda x: np.sum(x * 1.0), (np.arange(3),), ChainruleError),
    ],
)
def test_what_has_no_answer_is_refused(f, args, error):
    with pytest.raises(error):
        cr.critical_point(f, *args)
    with pytest.raises(error):
        cr.learning_rate(f, *args)


@pytest.mark.parametrize("tol", [-1.0, np.nan, "small", True])
def test_a_tolerance_is_a_number(tol):
    with pytest.raises(ArgumentError, match="tol is"):
        cr.critical_point(lambda x: x**2, 0.0, tol=tol)


def test_inside_of_another_recording_it_is_refused():
    with pytest.raises(ChainruleError, match="recorded"):
        cr.grad(lambda x: cr.critical_point(lambda y: y**2, x).lambda_max * x)(1.0)


BROKEN = {  # what second derivatives at the point don't see
    "another parabola to the left": lambda x: np.where(x >= 0, x**2, -(x**2)),
    "a jump down to the left": lambda x: np.where(x >= 0, x**2, x**2 - 5),
    "a small jump": lambda x: x**2 + 1e-9 * np.floor(x),
    "a step": lambda x: x**2 + np.floor(x),
    "a jump from a maximum": lambda x: -(x**2) - np.floor(x),
}


@pytest.mark.parametrize("name", BROKEN)
def test_where_the_slope_or_the_value_breaks_nothing_is_claimed(name):
    found = cr.critical_point(BROKEN[name], 0.0)
    assert found.kind == "inconclusive", found
    assert "derivatives tell nothing" in found.reason


def test_what_varies_fast_has_its_kind():
    """Over the first step of a look around cos(10⁸ x) has seen eight waves."""
    assert cr.critical_point(lambda x: np.cos(1e8 * x), 0.0).kind == "maximum"


@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
def test_a_quarter_of_the_plane_that_bends_down_is_seen(signs):
    def f(p):
        inside = (signs[0] * p[0] > 0) & (signs[1] * p[1] > 0)
        return np.where(inside, -1.0, 1.0) * np.sum(p**2)

    assert cr.critical_point(f, np.zeros(2)).kind == "inconclusive"
