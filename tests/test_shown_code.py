"""What `explain` shows of a gradient: copied, the code runs and agrees with it; what does not agree is not shown."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from test_explain import LOSSES, every_loss

import chainrule as cr
from chainrule.api.call import Call
from chainrule.execute import run
from chainrule.explain import derive, explanation, python_text, verified
from chainrule.explain.literals import literal
from chainrule.explain.names import symbol
from chainrule.explain.operations import operations
from chainrule.explain.source import Source, gradient_source, source
from chainrule.explain.textbook import gradient, gradient_program, typesetter
from chainrule.ir import Equation, Program
from chainrule.ops.table import OPS


def copied(code: Source) -> Any:
    """The function, from its text and nothing else; what is too large to be written out is an argument of it."""
    scope: dict[str, Any] = {}
    exec(code.text, scope)
    return lambda *values: scope[code.name](*values, *code.constants.values())


def assert_what_is_shown_agrees(f, args, wrt=(0,)):
    call = Call(f, args, {}, wrt)
    wanted = cr.grad(f, wrt=wrt)(*args)
    with np.errstate(all="ignore"):
        shown = gradient_source(call.program, call.wanted)
        found = copied(shown)(*call.inputs)
        value = copied(source(call.program, "value"))(*call.inputs)
        counted = gradient_program(call.program, call.wanted)
        computed = run(counted.program, [*call.inputs, *counted.counts.values()])
    np.testing.assert_allclose(value, f(*args), rtol=1e-10, err_msg=str(call.program))
    for x, y, z in zip(found if len(wrt) > 1 else (found,), computed, wanted, strict=True):
        np.testing.assert_allclose(x, z, rtol=1e-9, atol=1e-9 * np.max(np.abs(z)), err_msg=shown.text)
        np.testing.assert_allclose(y, z, rtol=1e-9, atol=1e-9 * np.max(np.abs(z)), err_msg=str(counted.program))


# --- sums over shared labels ------------------------------------------------------------------------------------------

words = st.lists(st.sampled_from("ijk"), min_size=1, max_size=3).map("".join)
functions = st.sampled_from([np.tanh, np.sin, lambda x: x**2, lambda x: 3 * x, lambda x: x, lambda x: x * np.sum(x)])


@st.composite
def contractions(draw: Any) -> tuple[Any, tuple[np.ndarray, ...]]:
    """A number made by two sums over shared labels, some of them repeated, with functions between; and operands."""
    ins = draw(st.lists(words, min_size=1, max_size=2))
    known = sorted(set("".join(ins)))
    out = "".join(draw(st.lists(st.sampled_from(known), unique=True, max_size=3)))
    again = "".join(draw(st.lists(st.sampled_from("ij"), min_size=len(out), max_size=len(out))))
    kept = "".join(draw(st.lists(st.sampled_from(sorted(set(again))), unique=True))) if again else ""
    inner, outer, last = draw(functions), draw(functions), draw(functions)
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    weights = rng.normal(size=(3,) * len(kept))

    def f(*operands):
        z = outer(np.einsum(f"{','.join(ins)}->{out}", *map(inner, operands)))
        return np.sum(last(np.einsum(f"{again}->{kept}", z)) * weights)

    return f, tuple(rng.normal(size=(3,) * len(word)) / 3 for word in ins)


@settings(max_examples=60)
@given(contractions())
def test_sums_over_repeated_labels_are_shown_as_they_compute(case):
    f, args = case
    assert_what_is_shown_agrees(f, args, tuple(range(len(args))))


DIAGONALS = {
    "trace of a square": lambda A: np.einsum("ii", A**2),
    "diagonal of two axes": lambda A: np.sum(np.einsum("iji->j", np.stack([A, A**2], 1)) ** 2),
    "trace": lambda A: np.trace(np.exp(A)),
    "diagonal": lambda A: np.sum(np.diagonal(A) ** 3),
    "sum of a diagonal matrix": lambda A: np.sum((np.diag(A[0]) @ A) ** 2),
}


@pytest.mark.parametrize("f", DIAGONALS.values(), ids=DIAGONALS)
def test_a_diagonal_is_not_the_whole(f):
    assert_what_is_shown_agrees(f, (np.arange(1.0, 10.0).reshape(3, 3) / 5,))


def test_the_trace_of_a_square_has_the_identity_in_its_gradient():
    text = cr.explain(DIAGONALS["trace of a square"], np.eye(2) + 1).code.text
    assert "np.eye(2)" in text


# --- constants --------------------------------------------------------------------------------------------------------


def test_well_known_arrays_are_written_as_a_person_would():
    known = {
        "np.arange(5)": np.arange(5),
        "np.arange(3, 12, 3)": np.arange(3, 12, 3),
        "np.arange(4).astype(np.float64)": np.arange(4.0),
        "np.eye(3)": np.eye(3),
        "np.tri(4, dtype=bool)": np.tri(4, dtype=bool),
        "np.tri(3, 5, k=-1)": np.tri(3, 5, -1),
        "np.triu(np.ones((3, 3)), 1)": np.triu(np.ones((3, 3)), 1),
        "np.add.outer(np.arange(8), np.arange(3))": np.arange(8)[:, None] + np.arange(3),
        "np.flatnonzero(np.triu(np.ones((4, 4)), 1))": np.flatnonzero(np.triu(np.ones((4, 4)), 1)),
        "np.linspace(0.0, 1.0, 11)": np.linspace(0, 1, 11),
        "np.array([3, 1, 2])": np.array([3, 1, 2]),
        "np.array([True, False])": np.array([True, False]),
        "np.array([1.5, -2.0], np.float32)": np.array([1.5, -2.0], np.float32),
        "np.array([np.nan, np.inf, -np.inf])": np.array([np.nan, np.inf, -np.inf]),
    }
    for text, value in known.items():
        made = eval(text, {"np": np})
        np.testing.assert_array_equal(made, value)
        assert (made.dtype, made.shape) == (value.dtype, value.shape)
        assert literal(value) == text


LABELS = np.array([0, 2, 1, 1] * 3)


def softmax_regression(W, X):
    z = X @ W
    return np.mean(scipy.special.logsumexp(z, axis=1) - z[np.arange(12), LABELS])


WITH_CONSTANTS = {
    "labels": (softmax_regression, (np.ones((4, 3)) / 10, np.random.default_rng(0).normal(size=(12, 4)))),
    "half a matrix": (lambda A: np.sum(A[np.triu_indices(12)] ** 3), (np.ones((12, 12)),)),
    "a mask": (lambda A: np.sum(np.where(np.tri(12, k=-1) > 0, A, 0) ** 2), (np.ones((12, 12)),)),
    "windows": (lambda x: np.sum(x[np.arange(20)[:, None] + np.arange(3)] ** 2), (np.arange(22.0),)),
    "a large one": (lambda x: np.sum((x - np.sqrt(np.arange(300.0))) ** 2), (np.ones(300),)),
    "a middling one": (lambda x: np.sum((x - np.sqrt(np.arange(30.0))) ** 2), (np.ones(30),)),
}


@pytest.mark.parametrize("name", WITH_CONSTANTS)
def test_copied_code_needs_nothing_else(name):
    f, args = WITH_CONSTANTS[name]
    assert_what_is_shown_agrees(f, args)
    assert max(map(len, cr.explain(f, *args).code.text.split("\n"))) <= 120


@every_loss
def test_copied_code_of_every_loss_agrees(name):
    f, args, wrt = LOSSES[name]
    assert_what_is_shown_agrees(f, args, wrt)


# --- what is not right is not shown -----------------------------------------------------------------------------------


def loss(A):
    return np.sum(np.tanh(A) * A.T + A)


POINT = np.array([[0.1, 0.2], [0.3, 0.4]])


def assert_code_agrees(found):
    np.testing.assert_allclose(copied(found.code)(POINT), cr.grad(loss)(POINT), rtol=1e-12)


def test_a_wrong_rewrite_is_not_shown(monkeypatch):
    honest = verified.gradient_program

    def spoiled(program, wanted):
        found = honest(program, wanted)
        turned = {"add": OPS["subtract"]}
        wrong = [
            Equation(turned.get(e.op.name, e.op), e.inputs, e.outputs, e.params, e.where)
            for e in found.program.equations
        ]
        return found._replace(program=Program(found.program.inputs, tuple(wrong), found.program.outputs))

    monkeypatch.setattr(verified, "gradient_program", spoiled)
    program = cr.trace(loss, POINT)
    shown = cr.explain(loss, POINT)
    assert str(shown.gradient) != str(gradient(program, [0], typesetter(spoiled(program, [0]))))
    assert_code_agrees(shown)


def test_wrong_code_is_not_shown(monkeypatch):
    monkeypatch.setitem(python_text._STYLES, "infix", lambda e, notation, parts: parts[0])
    shown = cr.explain(loss, POINT)
    assert "no NumPy code was found" in str(shown)
    with pytest.raises(NotImplementedError):
        shown.code.function()(POINT)


def test_code_that_overflows_gives_way_to_code_that_does_not():
    def f(x):
        return np.sum(np.tanh(x))

    x = np.array([20.0, 25.0])  # where 1 − tanh² has lost all its digits
    found = copied(cr.explain(f, x).code)(x)
    np.testing.assert_allclose(found, cr.grad(f)(x), rtol=1e-6)


def test_at_a_minimum_roundings_are_no_reason_to_hide_the_code():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 3)), rng.normal(size=50)
    w = np.linalg.lstsq(X, y)[0]

    def squares(w):
        return np.mean((X @ w - y) ** 2)

    assert "X.T @ (X @ w - y)" in cr.explain(squares, w).code.text


# --- names ------------------------------------------------------------------------------------------------------------


def loop(p, t):
    m = 0.0
    for z in t:
        s = np.exp(-m) + p
        m = m + (z - m) * s + np.sin(s) / (1 + s * s) * z
    return m**2


STEPS = {**LOSSES, "loop": (loop, (0.5, np.array([1.0, 2.0, 4.0])), (0,))}
LETTER = re.compile(r"[^\W\d_]['\u0304]*[₀-₉]*")


@pytest.mark.parametrize("name", STEPS)
def test_every_name_in_a_derivation_is_defined(name):
    """Each is an input, a value of an earlier line, its own change, or said beside it."""
    f, args, wrt = STEPS[name]
    found = cr.explain(f, *args, wrt=wrt)
    known = {v.name for v in found.program.inputs}
    own = {str(symbol(n)) for n in known}
    for step in found.steps:
        for a, _ in step.where:
            own.add(str(a))
        for box in (step.value, step.differential):
            used = {str(b) for b in letters(box)}
            here = {*own, str(step.name), "d", "F", *"ijkT"}
            strangers = {u for u in used if LETTER.fullmatch(u) and not {u, u.rstrip("₀₁₂₃")} & here}
            assert not strangers, f"{step}: {strangers}"
        own.add(str(step.name))


def letters(box):
    """Every name in a box: t₁ is one."""
    if box.kind == "letter" or (box.kind == "lowered" and box.parts[1].unicode.isdigit()):
        yield box
    else:
        for part in box.parts:
            yield from letters(part)


def test_a_value_has_one_name_in_the_formula_and_in_the_code():
    f, args, wrt = LOSSES["network"]
    found = cr.explain(f, *args, wrt=wrt)
    assert "q = p W₂ᵀ ⊙ (1 − H²)" in str(found.gradient)
    assert "q = p @ W2.T * (1 - H ** 2)" in found.code.text


# --- operations -------------------------------------------------------------------------------------------------------


def test_operations_are_written_in_numpys_words():
    def f(theta, b, X):
        return np.sum(np.tanh(X @ theta + b)) * theta[0]

    written = [text for _, text in operations(cr.trace(f, np.ones(2), 1.0, np.ones((400, 2))))]
    assert written[:3] == ["X @ theta", "np.full((400,), b)", "a + c"]
    assert "theta[0]" in written


@every_loss
def test_operations_as_written_compute_the_value(name):
    f, args, _ = LOSSES[name]
    program = cr.trace(f, *args)
    scope = {"np": np, "special": scipy.special}
    scope |= {v.name: np.asarray(a) for v, a in zip(program.inputs, args, strict=True)}
    scope["flat_index"] = OPS["flat_index"].evaluate
    names = program.names()
    for e, text in operations(program):
        found = eval(text, scope)
        scope |= zip([names[v] for v in e.outputs], found if len(e.outputs) > 1 else [found], strict=True)
    np.testing.assert_allclose(scope[names[program.outputs[0]]], f(*args))


# --- time -------------------------------------------------------------------------------------------------------------


def test_what_nobody_reads_of_an_explanation_is_not_worked_out(monkeypatch):
    monkeypatch.setattr(explanation, "backprop", lambda *args: pytest.fail("the table was made"))
    monkeypatch.setattr(derive, "steps", lambda *args: pytest.fail("steps were made"))
    assert str(cr.explain(loss, POINT).gradient)
    assert cr.derive("sin(x)").derivative(0.0) == 1.0


def test_an_explanation_is_of_the_values_at_the_call():
    x = np.ones(2)
    found = cr.explain(lambda x: np.sum(x**2), x)
    x *= 100
    assert found.backprop.rows[0].size == pytest.approx(np.sqrt(2))
