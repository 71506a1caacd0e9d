"""The derivative as a limit: what quotients do as the step shrinks, from both sides; and how wrong they are."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, ChainruleError, DtypeError, ShapeError

SMOOTH = [
    (lambda x: x**2, 2.0),
    (np.sin, 1.0),
    (np.exp, 0.0),
    (lambda x: x**3, 0.0),
    (lambda x: 1e8 + np.sin(x), 1.0),
    (lambda x: np.sin(1e4 * x), 1.0),
    (lambda x: np.cos(1e10 * x), 0.3),
    (np.log, 1e-8),
    (np.tanh, -30.0),
    (lambda x: 1 / x, 1e-9),
    (lambda x: np.maximum(x, 0), 1e-7),
    (lambda x: np.where(np.abs(x) < 1, x**2 / 2, np.abs(x) - 0.5), 1.0),
    (lambda x: x * np.abs(x), 0.0),
    (lambda x: np.hypot(x, 1e-6), 0.0),
    (lambda x: x**2, 1e150),
    (lambda x: x**2, 1e-150),
    (lambda x: 3.0 + 0 * x, 1.0),
]


@pytest.mark.parametrize("case", range(len(SMOOTH)))
def test_where_there_is_a_derivative_both_sides_settle_on_it(case):
    f, x = SMOOTH[case]
    told = cr.difference_quotients(f, x)
    assert told.exists, told
    exact = float(cr.grad(f)(x))
    assert told.exact == exact
    assert abs(told.derivative - exact) <= 2 * told.error
    for side in (told.left, told.right):
        assert side.kind != "settles" or abs(side.limit - exact) <= 2 * side.error


@pytest.mark.parametrize(
    ("f", "x", "left", "right"),
    [
        (abs, 0.0, -1, 1),
        (lambda x: np.maximum(x, 0), 0.0, 0, 1),
        (lambda x: np.maximum(x, 0.01 * x), 0, 0.01, 1),
        (lambda x: abs(x - 0.1), 0.1, -1, 1),
        (lambda x: 1.0507 * x if x > 0 else 1.0507 * 1.67326 * (math.exp(x) - 1), 0.0, 1.0507 * 1.67326, 1.0507),
        (lambda x: max(x**2, x), 1.0, 1, 2),
        (lambda x: max(math.sin(x), math.cos(x)), math.pi / 4, -math.sqrt(0.5), math.sqrt(0.5)),
    ],
)
def test_at_a_kink_the_sides_differ(f, x, left, right):
    told = cr.difference_quotients(f, x)
    assert told.verdict == "the sides differ", told
    assert abs(told.left.limit - left) <= 2 * told.left.error + 1e-15
    assert abs(told.right.limit - right) <= 2 * told.right.error + 1e-15
    assert math.isnan(told.derivative)
    assert "kink" in str(told)


@pytest.mark.parametrize(
    ("f", "x", "verdict"),
    [
        (np.cbrt, 0.0, "no finite slope"),
        (lambda x: math.sqrt(abs(x)), 0.0, "no finite slope"),
        (np.sqrt, 0.0, "defined on one side"),
        (lambda x: x**1.5, 0.0, "defined on one side"),
        (lambda x: x * math.sin(1 / x) if x else 0.0, 0.0, "does not settle"),
        (np.sign, 0.0, "a jump"),
        (math.floor, 2.0, "a jump"),
        (lambda x: float(x >= 0), 0.0, "a jump"),
        (math.log, -1.0, "no value"),
        (lambda x: x**0.5, -1.0, "no value"),
        (lambda x: np.cos(1e17 * x), 0.3, "hidden in noise"),
        (lambda x: math.floor(x * 1e9) / 1e9, 0.123456789123, "hidden in noise"),
    ],
)
def test_where_there_is_no_derivative_the_verdict_says_why(f, x, verdict):
    with np.errstate(all="ignore"):
        told = cr.difference_quotients(f, x)
    assert told.verdict == verdict, told
    assert not told.exists
    assert math.isnan(told.derivative)


def test_an_infinite_slope_has_a_sign():
    told = cr.difference_quotients(lambda x: -math.sqrt(abs(x)), 0.0)
    assert (told.left.limit, told.right.limit) == (math.inf, -math.inf)
    assert "on the right, where the quotients grow without bound" in cr.difference_quotients(np.sqrt, 0.0).sentence


def test_the_table_holds_the_quotients():
    told = cr.difference_quotients(lambda x: x**2, 3.0)
    for row in told.table:
        assert row.forward == pytest.approx(6 + row.h, abs=1e-6)
        assert row.backward == pytest.approx(6 - row.h, abs=1e-6)
        assert row.central == pytest.approx(6, abs=1e-6)
    assert [row.h for row in told.table] == pytest.approx([10.0**-k for k in range(1, 9)])
    assert cr.difference_quotients(np.log, 2e-6).table[0].h == pytest.approx(1e-7)


def test_the_quotients_come_nearer_as_the_step_shrinks():
    table = cr.difference_quotients(np.exp, 0.0).table
    forward, central = ([abs(getattr(row, side) - 1) for row in table[:5]] for side in ("forward", "central"))
    np.testing.assert_allclose(forward, [row.h / 2 for row in table[:5]], rtol=0.05)
    np.testing.assert_allclose(central[:4], [row.h**2 / 6 for row in table[:4]], rtol=0.05, atol=1e-12)


def test_functions_that_no_recording_can_follow():
    told = cr.difference_quotients(lambda x: float(f"{x:.17g}") ** 2, 3.0)
    assert told.exact is None
    assert told.exists
    assert abs(told.derivative - 6) <= told.error


def test_any_number_is_taken():
    for x in (2, np.int64(2), np.array(2), np.array(2.0), np.float64(2)):
        assert cr.difference_quotients(lambda x: x**2, x).derivative == pytest.approx(4)
    single = cr.difference_quotients(lambda x: x**2, np.float32(3))
    assert single.exists
    assert abs(single.derivative - 6) <= 2 * single.error < 1e-2


@pytest.mark.parametrize(
    ("f", "x", "error", "said"),
    [
        (3, 1.0, ArgumentError, "takes a function"),
        (np.sin, np.ones(2), ShapeError, "one number"),
        (np.sum, [1.0], ShapeError, "one number"),
        (lambda x: np.ones(2) * x, 1.0, ShapeError, "one number"),
        (lambda x: None, 1.0, DtypeError, "NoneType"),
        (np.sin, "1", ArgumentError, "str"),
        (np.sin, np.inf, ArgumentError, "inf"),
        (np.sin, None, ArgumentError, "NoneType"),
    ],
)
def test_refusals(f, x, error, said):
    with pytest.raises(error, match=said):
        cr.difference_quotients(f, x)


def test_records_show_themselves():
    for told in (cr.difference_quotients(np.sin, 1.0), cr.difference_quotients(abs, 0.0)):
        assert told.figure.svg().startswith("<svg")
        assert told.sentence in str(told)
        assert "<table>" in told._repr_html_()
        assert told.as_dict()["verdict"] == told.verdict


# --- error against step -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("x", "eps"), [(1.0, 2.0**-52), (np.float32(1.0), 2.0**-23)], ids=["float64", "float32"])
def test_the_error_falls_with_the_step_and_rises_again(x, eps):
    found = cr.step_errors(np.sin, x)
    assert eps ** (1 / 3) / 30 < found.best_central < 30 * eps ** (1 / 3)
    assert eps ** (1 / 2) / 30 < found.best_forward < 30 * eps ** (1 / 2)
    assert found.error("central") < found.error("forward") / 10
    large = (found.steps > 20 * found.best_central) & (found.steps < 0.3)
    bend = math.cos(1) / 6 * found.steps[large] ** 2
    np.testing.assert_allclose(found.central[large], bend, rtol=0.1)  # truncation: h² f‴/6
    small = (found.steps < found.best_central / 30) & np.isfinite(found.central)
    assert np.nanmax(found.central[small] * found.steps[small]) < 4 * eps  # rounding: ε/h
    assert np.nanmedian(found.central[small] * found.steps[small]) > eps / 100


def test_what_a_lesson_says_of_its_step():
    found = cr.step_errors(np.sin, 1.0)
    at = {h: int(np.argmin(np.abs(np.log(found.steps / h)))) for h in (1e-5, 1e-11)}
    assert found.central[at[1e-5]] < 1e-10
    assert found.forward[at[1e-5]] > 1e-6
    assert found.central[at[1e-11]] > 1e-7 or found.forward[at[1e-11]] > 1e-7


def test_errors_against_the_step_need_a_derivative():
    for f, x in ((abs, 0.0), (np.sqrt, 0.0), (lambda x: x * math.sin(1 / x) if x else 0.0, 0.0)):
        with pytest.raises(ChainruleError):
            cr.step_errors(f, x)
    assert cr.step_errors(math.exp, 1).truth == pytest.approx(math.e, rel=1e-15)
    assert cr.step_errors(lambda x: math.exp(float(str(x))), 1.0).truth == pytest.approx(math.e, rel=1e-9)


def test_the_v_is_a_picture():
    found = cr.step_errors(np.sin, 1.0)
    assert "forward" in found.figure.svg()
    assert "smaller steps lose to rounding" in str(found)
    assert found._repr_html_()
    assert len(found.as_dict()["steps"]) == len(found.steps)
