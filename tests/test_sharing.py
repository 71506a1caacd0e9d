"""A program whose values are used twice is as long as its text, not as its tree: sixty doublings are sixty lines."""

import time

import numpy as np
import pytest

import chainrule as cr
from chainrule.explain.backprop import backprop
from chainrule.explain.derive import derivation
from chainrule.explain.formula import formula
from chainrule.explain.source import gradient_source, source
from chainrule.ir import check
from chainrule.transform.batch import batch
from chainrule.transform.forward import forward
from chainrule.transform.reverse import reverse
from chainrule.transform.simplify import simplify

DEPTH = 60
LIMIT = 0.25  # seconds: fifty milliseconds, and room for a machine that is busy


def doubling(x):
    y = x
    for _ in range(DEPTH):
        y = np.sin(y) * y
    return y


def by_hand(x):
    """Value and slope by the recurrence y' = (cos(y) y + sin(y)) y'."""
    y, slope = x, 1.0
    for _ in range(DEPTH):
        y, slope = np.sin(y) * y, (np.cos(y) * y + np.sin(y)) * slope
    return y, slope


X = 1.1
PROGRAM = cr.trace(doubling, X)


def fresh():
    """The same function, not recorded yet."""

    def f(x):
        y = x
        for _ in range(DEPTH):
            y = np.sin(y) * y
        return y

    return f


def two():
    """The same Program twice, with variables of its own each."""
    return cr.trace(fresh(), X), cr.trace(fresh(), X)


READERS = {
    "trace": lambda: cr.trace(fresh(), X),
    "value and gradient": lambda: cr.value_and_grad(fresh())(X),
    "grad": lambda: cr.grad(fresh())(X),
    "jvp": lambda: cr.jvp(fresh(), (X,), (1.0,)),
    "vjp": lambda: cr.vjp(fresh(), X)[1](1.0),
    "jacobian": lambda: cr.jacobian(fresh())(X),
    "hessian": lambda: cr.hessian(fresh())(X),
    "hvp": lambda: cr.hvp(fresh())(X, 1.0),
    "vmap": lambda: cr.vmap(fresh())(np.array([X, 2.0])),
    "grad of grad": lambda: cr.grad(cr.grad(fresh()))(X),
    "rows of grad": lambda: cr.vmap(cr.grad(fresh()))(np.array([X, 2.0])),
    "printing": lambda: str(PROGRAM),
    "names": PROGRAM.names,
    "checking": lambda: check(PROGRAM),
    "simplifying": lambda: simplify(PROGRAM),
    "forward": lambda: forward(PROGRAM, [0]),
    "reverse": lambda: reverse(PROGRAM, [0]),
    "forward of reverse": lambda: forward(reverse(PROGRAM, [0]).program, [0]),
    "reverse of reverse": lambda: reverse(reverse(PROGRAM, [0]).program, [0]),
    "simplifying the reverse": lambda: simplify(reverse(PROGRAM, [0]).program),
    "batch": lambda: batch(PROGRAM, [True], 3),
    "key": lambda: two()[0].key(),
    "hash": lambda: hash(two()[0]),
    "equality": lambda: two()[0] == two()[1],
}


PAGES = {  # readers that write a text: more work, and no doubling either
    "formula": lambda: str(formula(PROGRAM)),
    "LaTeX": lambda: formula(PROGRAM)._repr_latex_(),
    "derivation": lambda: str(derivation(PROGRAM)),
    "backpropagation": lambda: str(backprop(PROGRAM, [0])),
    "backpropagation as a page": lambda: backprop(PROGRAM, [0], [X])._repr_html_(),
    "source": lambda: str(source(PROGRAM)),
    "source of the gradient": lambda: str(gradient_source(PROGRAM, [0])),
    "explain": lambda: str(cr.explain(fresh(), X)),
    "explain as a page": lambda: cr.explain(fresh(), X)._repr_html_(),
    "derive": lambda: str(cr.derive(fresh())),
    "check": lambda: str(cr.check(fresh(), X)),
}
WHOLE = {  # many readers one after the other, among them proofs and minimizers
    "convexity": lambda: str(cr.convexity(fresh(), X)),
    "study": lambda: str(cr.study(fresh(), X)),
}


def least(work, tries=3):
    times = []
    for _ in range(tries):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.mark.parametrize("name", READERS)
def test_sixty_doublings_take_every_reader_milliseconds(name):
    seconds = least(READERS[name])
    assert seconds < LIMIT, f"{name}: {seconds * 1e3:.0f} ms"


@pytest.mark.parametrize("name", PAGES)
def test_sixty_doublings_are_written_as_one_writes_them(name):
    texts = []
    seconds = least(lambda: texts.append(PAGES[name]()), 1)
    if seconds > 8 * LIMIT:
        seconds = least(PAGES[name], 2)
    assert seconds < 8 * LIMIT, f"{name}: {seconds * 1e3:.0f} ms"
    assert len(texts[0]) < 6000 * DEPTH


@pytest.mark.parametrize("name", WHOLE)
def test_sixty_doublings_are_studied_in_a_moment(name):
    seconds = least(WHOLE[name], 1)
    if seconds > 60 * LIMIT:
        seconds = least(WHOLE[name], 2)
    assert seconds < 60 * LIMIT, f"{name}: {seconds:.1f} s"


def test_the_source_of_the_gradient_is_its_gradient():
    scope = {}
    exec(str(gradient_source(PROGRAM, [0])), scope)
    np.testing.assert_allclose(scope["gradient"](X), by_hand(X)[1], rtol=1e-9)


def test_sixty_doublings_have_the_right_value_and_slope():
    value, slope = cr.value_and_grad(doubling)(X)
    np.testing.assert_allclose((value, slope), by_hand(X), rtol=1e-9)
    np.testing.assert_allclose(cr.jvp(doubling, (X,), (1.0,)), by_hand(X), rtol=1e-9)
    np.testing.assert_allclose(
        cr.vmap(cr.grad(doubling))(np.array([X, 0.9])), [by_hand(X)[1], by_hand(0.9)[1]], rtol=1e-9
    )


def test_programs_are_as_long_as_their_text():
    assert len(PROGRAM.equations) == 2 * DEPTH
    assert len(simplify(reverse(PROGRAM, [0]).program).equations) < 8 * DEPTH
    assert len(simplify(forward(PROGRAM, [0]).program).equations) < 8 * DEPTH
    assert len(str(PROGRAM).splitlines()) == 2 * DEPTH + 2


def test_the_length_of_a_derivative_grows_in_proportion():
    """Twice the text, twice the derivative: of first order, and of second."""

    def equations(depth, derive):
        def f(x):
            for _ in range(depth):
                x = np.sin(x) * x
            return x

        return len(simplify(derive(cr.trace(f, X))).equations)

    first = lambda p: reverse(p, [0]).program  # noqa: E731
    second = lambda p: forward(simplify(first(p)), [0]).program  # noqa: E731
    for derive in (first, second):
        assert equations(40, derive) <= 2.2 * equations(20, derive)


def test_values_computed_twice_are_computed_once():
    p = simplify(cr.trace(lambda x: np.sin(x) * np.exp(x) + np.sin(x) / np.exp(x), X))
    assert sum(e.op.evaluate is np.sin for e in p.equations) == 1
    assert sum(e.op.evaluate is np.exp for e in p.equations) == 1


def test_equal_programs_are_equal_and_others_are_not():
    one, other = two()
    assert one == other
    assert hash(one) == hash(other)
    assert one is not other
    assert cr.trace(lambda x: x * 2, X) != cr.trace(lambda x: x * 3, X)
    assert cr.trace(lambda x: x * 2, X) != cr.trace(lambda x: x + 2, X)
    assert cr.trace(lambda x, y: x - y, X, X) != cr.trace(lambda x, y: y - x, X, X)
    assert cr.trace(lambda x: x * 2, X) != cr.trace(lambda x: x * 2, np.ones(2))
    assert cr.trace(lambda x: x * 2, np.ones(2)) != cr.trace(lambda x: x * 2, np.ones(2, np.float32))
    assert cr.trace(lambda x: x * 0.0, X) != cr.trace(lambda x: x * -0.0, X)
    assert cr.trace(lambda x: x * np.nan, X) == cr.trace(lambda x: x * np.nan, X)
    assert cr.trace(lambda x: np.sum(x, axis=0), np.ones((2, 2))) != cr.trace(
        lambda x: np.sum(x, axis=1), np.ones((2, 2))
    )


def test_no_two_values_of_a_printed_program_have_the_same_name():
    for f in (doubling, lambda a, b, c: [a * b, b * c, a, a * b * c], lambda x: [x, x, 2.0]):
        p = cr.trace(f, *([X] * f.__code__.co_argcount))
        names = list(p.names().values())
        assert len(set(names)) == len(names)


def test_a_long_program_is_read_without_recursion():
    def f(x):
        for _ in range(2000):
            x = np.sin(x) * x + 1
        return x

    p = cr.trace(f, X)
    assert len(p.equations) == 6000
    assert p == cr.trace(f, X)
    assert len(str(p)) > 100_000
    assert np.isfinite(cr.grad(f)(X)) or np.isinf(cr.grad(f)(X))


def test_a_constant_that_is_repeated_for_rows_stays_one_for_those_without():
    def both(x, rows):
        zero = np.zeros(1)
        return np.concatenate([zero, rows]), np.concatenate([zero, np.sin(x)])

    program = cr.trace(both, np.ones(2), np.ones(2))
    found = batch(program, [False, True], 4, [True, False])
    assert [v.type.shape for v in found.outputs] == [(4, 3), (3,)]
