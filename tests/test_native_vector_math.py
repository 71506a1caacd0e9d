"""Vector math: each function within 1.5 units in the last place, with the special values that NumPy gives."""

import ctypes

import mpmath as mp
import numpy as np
import pytest
import scipy.special
from fitted import coefficients, constants

from chainrule.native import coefficients as stored
from chainrule.native import single_math
from chainrule.native.lanes import Lanes
from chainrule.native.llvm import load, object_code, target
from chainrule.native.vector_math import FORMULAS

WIDTHS = sorted({1, 2, target().width, 2 * target().width})
NUMPY = {
    "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log2": np.log2, "log10": np.log10,
    "log1p": np.log1p, "sin": np.sin, "cos": np.cos, "tan": np.tan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "sqrt": np.sqrt, "sigmoid": scipy.special.expit, "erf": scipy.special.erf, "power": np.power,
    "arctan": np.arctan, "arctan2": np.arctan2, "arcsin": np.arcsin, "arccos": np.arccos, "arcsinh": np.arcsinh,
    "arccosh": np.arccosh, "arctanh": np.arctanh, "cbrt": np.cbrt,
}  # fmt: skip
EXACT = {
    "exp": mp.exp, "exp2": lambda x: mp.power(2, x), "expm1": mp.expm1, "log": mp.log, "log2": lambda x: mp.log(x, 2),
    "log10": mp.log10, "log1p": mp.log1p, "sin": mp.sin, "cos": mp.cos, "tan": mp.tan, "sinh": mp.sinh,
    "cosh": mp.cosh, "tanh": mp.tanh, "sqrt": mp.sqrt, "sigmoid": lambda x: 1 / (1 + mp.exp(-x)), "erf": mp.erf,
    "power": mp.power, "arctan": mp.atan, "arctan2": mp.atan2, "arcsin": mp.asin, "arccos": mp.acos,
    "arcsinh": mp.asinh, "arccosh": mp.acosh, "arctanh": mp.atanh, "cbrt": lambda x: mp.sign(x) * mp.cbrt(abs(x)),
}  # fmt: skip
LIMIT = dict.fromkeys(FORMULAS, 1.5) | dict.fromkeys(
    ("arctan", "arctan2", "arcsinh", "arccosh", "arctanh", "cbrt"), 2.5
)
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 5e-324, -5e-324, 1e-310, 2.3e-308, 1e308, -1e308, 710.0,
           -746.0, 0.5, -0.5, 1e22, -1e22, 2.0, -2.0, 3.0, -3.0]  # fmt: skip


def compiled(formula, width, arity):
    """The formula over arrays whose length is a multiple of the width."""
    code = Lanes(width)
    code.target.blocks[-1] = "body"
    y = formula(code, *(code.input(f"v{i}") for i in range(arity)))
    kind = code.type("f64")
    arguments = ", ".join(f"ptr %x{i}" for i in range(arity))
    reads = "\n".join(
        f"  %p{i} = getelementptr double, ptr %x{i}, i64 %i\n  %v{i} = load {kind}, ptr %p{i}, align 8"
        for i in range(arity)
    )
    head = "\n".join([*code.target.declared.values(), *code.target.helpers.values()])
    text = f"""{head}
define void @each({arguments}, ptr %y, i64 %n) {{
entry:
  br label %body
body:
  %i = phi i64 [ 0, %entry ], [ %next, %{code.target.block} ]
{reads}
{code.text()}
  %q = getelementptr double, ptr %y, i64 %i
  store {kind} {y.text}, ptr %q, align 8
  %next = add i64 %i, {width}
  %more = icmp ult i64 %next, %n
  br i1 %more, label %body, label %done
done:
  ret void
}}
"""
    loaded = load(object_code(text, verify=True), ["each"])
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (arity + 1), ctypes.c_int64)(loaded["each"])

    def run(*xs, loaded=loaded):
        n = -(-len(xs[0]) // width) * width
        padded = [np.concatenate([x, np.ones(n - len(x))]) for x in xs]
        y = np.empty(n)
        call(*(x.ctypes.data for x in padded), y.ctypes.data, n)
        return y[: len(xs[0])]

    return run


def points(name, rng):
    n = 300
    some = [rng.uniform(-3, 3, n), rng.normal(size=n) * 10.0 ** rng.uniform(-8, 2, n)]
    if name in ("exp", "sinh", "cosh", "expm1", "sigmoid", "exp2"):
        some.append(rng.uniform(-745, 709, n))
    if name in ("sin", "cos", "tan"):
        some += [rng.uniform(-1e6, 1e6, n), rng.uniform(-(2.0**30), 2.0**30, n), np.arange(1, n) * np.pi / 2]
    x = np.concatenate([*some, np.exp(rng.uniform(-600, 600, n))])
    if name in ("arcsin", "arccos", "arctanh"):
        return np.concatenate([rng.uniform(-1, 1, n), x[np.abs(x) < 1], 1 - 10.0 ** rng.uniform(-15, 0, n)])
    if name == "arccosh":
        return np.concatenate([1 + 10.0 ** rng.uniform(-15, 3, n), x[x > 1]])
    if name in ("log", "log2", "log10", "sqrt"):
        return np.concatenate([np.abs(x), 1 + rng.normal(size=n) * 1e-3])
    return np.concatenate([x[x > -1], rng.uniform(-1, 1, n)]) if name == "log1p" else x


def units(found, exact):
    """The largest error in units of the last place, over values that are finite and normal."""
    worst = 0.0
    for y, t in zip(found, exact, strict=True):
        if mp.isfinite(t) and 2.3e-308 < abs(t) < 1.7e308:
            worst = max(worst, float(abs(mp.mpf(float(y)) - t) / mp.mpf(float(np.spacing(abs(float(t)))))))
    return worst


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_is_within_a_unit_and_a_half(name, width):
    rng = np.random.default_rng(0)
    if name == "power":
        xs = [np.exp(rng.uniform(-100, 100, 600)), rng.uniform(-3, 3, 600)]
        xs = [np.concatenate([xs[0], rng.uniform(0.5, 2, 600)]), np.concatenate([xs[1], rng.uniform(-900, 900, 600)])]
    elif name == "arctan2":
        xs = [np.concatenate([rng.normal(size=600), np.exp(rng.uniform(-300, 300, 600))]) for _ in range(2)]
        xs[1] *= rng.choice([-1, 1], 1200)
    else:
        xs = [points(name, rng)]
    with mp.workprec(120):
        exact = [EXACT[name](*map(mp.mpf, map(float, x))) for x in zip(*xs, strict=True)]
        found = compiled(FORMULAS[name], width, len(xs))(*xs)
        assert units(found, exact) <= LIMIT[name]
        assert units(found + 3 * np.spacing(np.abs(found)), exact) > LIMIT[name], "the measure sees three units"


@pytest.mark.parametrize("name", sorted(set(single_math.FORMULAS) - {"logaddexp"}))
def test_a_formula_for_single_precision_is_rounded_once(name):
    rng = np.random.default_rng(0)
    with np.errstate(over="ignore", under="ignore"):
        x = np.concatenate([points(name, rng), rng.uniform(-80, 80, 300), rng.normal(size=300)]).astype(np.float32)
    x = x[np.isfinite(x) & ((x > 0) if name == "log" else (x > -1) if name == "log1p" else True)].astype(float)
    found = compiled(single_math.FORMULAS[name], target().width, 1)(x)
    with mp.workprec(120):
        exact = [EXACT[name](mp.mpf(v)) for v in x]
    kept = [k for k, t in enumerate(exact) if 1.2e-38 < abs(t) < 3.4e38]
    assert len(kept) > 500
    off = max(abs(found[k] / exact[k] - 1) for k in kept)
    assert off < 2.0**-30, "so little that only rounding to 24 bits is felt"
    assert off > 2.0**-53, "the measure sees what is lost"


@pytest.mark.parametrize("apart", [0.0, 1e-9, 0.3, 0.7, 5.0, 40.0, 103.0])
def test_logaddexp_in_single_precision_keeps_its_digits(apart):
    x = np.array([0.0, -2.5, 30.0, -0.125])
    found = compiled(single_math.FORMULAS["logaddexp"], 1, 2)(x - apart, x)
    with mp.workprec(300):
        exact = [mp.log(mp.exp(mp.mpf(a)) + mp.exp(mp.mpf(b))) for a, b in zip(x - apart, x, strict=True)]
    np.testing.assert_allclose(found, [float(t) for t in exact], rtol=2.0**-30)


def test_tanh_is_right_where_it_is_almost_one():
    x = np.random.default_rng(1).uniform(3, 22, 2000)
    found = compiled(FORMULAS["tanh"], target().width, 1)(x)
    with mp.workprec(120):
        assert units(found, [mp.tanh(mp.mpf(float(v))) for v in x]) < 1


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", FORMULAS)
def test_special_values_are_numpys(name, width):
    xs = [np.array(SPECIAL)]
    if name in ("power", "arctan2"):
        xs = [g.ravel() for g in np.meshgrid(SPECIAL, SPECIAL)]
    with np.errstate(all="ignore"):
        expected = NUMPY[name](*xs)
    found = compiled(FORMULAS[name], width, len(xs))(*xs)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(found), np.isinf(expected))
    known = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(found[known]), np.signbit(expected[known]))
    np.testing.assert_allclose(found, expected, rtol=1e-15, atol=5e-324)


def test_the_stored_coefficients_are_the_fitted_ones():
    with mp.workprec(200):
        fitted, numbers = coefficients(), constants()
    assert fitted == stored.COEFFICIENTS
    assert all(getattr(stored, name) == row for name, row in numbers.items())


def test_a_spoiled_coefficient_is_seen(monkeypatch):
    spoiled = list(stored.COEFFICIENTS["exp"])
    spoiled[1] *= 1 + 1e-13
    monkeypatch.setitem(stored.COEFFICIENTS, "exp", tuple(spoiled))
    x = np.random.default_rng(0).uniform(-1, 1, 512)
    found = compiled(FORMULAS["exp"], 1, 1)(x)
    with mp.workprec(120):
        assert units(found, [mp.exp(mp.mpf(float(v))) for v in x]) > 1.5
