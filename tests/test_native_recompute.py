"""Compute again or store: what costs less than memory is computed again in the loop that reads it, to the same bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from test_native_kernels import same
from test_native_large import traced
from test_random_programs import cook, points, steps

import chainrule as cr
from chainrule.execute import Executable
from chainrule.native import recompute
from chainrule.native.compiler import _kernel
from chainrule.native.lower import lowered
from chainrule.native.recompute import arranged
from chainrule.native.run import compiled
from chainrule.native.schedule import loops_in, nodes_in

N = 5000


def logsumexp(x):
    top = np.max(x)
    return top + np.log(np.sum(np.exp(x - top)))


def scratch(program):
    return _kernel(program).scratch


def test_the_gradient_of_logsumexp_stores_its_exponentials_where_it_will_be_and_nothing_else():
    program = traced(cr.grad(logsumexp), np.linspace(0, 1, N))
    assert scratch(program) == 0


def test_what_is_computed_again_stands_in_the_loop_that_reads_it():
    found, _, items = arranged(lowered(traced(cr.grad(logsumexp), np.linspace(0, 1, N))))
    last = list(loops_in(items))[-1]
    again = [node for node in found.nodes if node.again]
    assert again
    assert set(again) <= set(nodes_in(last))


def product(x):
    """It is stored for its maximum: computed again, and fused with the difference, none would be zero."""
    z = x * 1.1
    return z - np.max(z)


def product_and_sum(x):
    z = x * 1.1 + x
    return np.where(z == np.max(z), 1.0, 0.0)


@pytest.mark.parametrize(("f", "value", "repeated"), [(product, 0.0, ["multiply"]), (product_and_sum, 1.0, [])])
def test_an_element_is_still_the_maximum_that_it_was(f, value, repeated):
    rng = np.random.default_rng(0)
    program = traced(f, np.zeros(N))
    nodes = arranged(lowered(program))[0].nodes
    assert [node.equation.op.name for node in nodes if node.again and node.equation.op.name != "contract"] == repeated
    run = compiled(program)
    for _ in range(20):
        assert np.sum(run([rng.normal(size=N)])[0] == value) == 1


def test_nothing_costly_is_computed_again():
    program = traced(lambda x: np.exp(x) / np.sum(np.exp(x)), np.linspace(0, 1, N))
    assert not any(node.again for node in arranged(lowered(program))[0].nodes)
    assert sum(node.equation.op.name == "exp" for node in arranged(lowered(program))[0].nodes) == 1


def test_short_arrays_are_stored():
    program = traced(cr.grad(logsumexp), np.linspace(0, 1, 100))
    assert not any(node.again for node in arranged(lowered(program))[0].nodes)


@settings(deadline=None, max_examples=25)
@given(steps, points)
def test_random_programs_are_the_same_whatever_is_computed_again(recipe, inputs):
    def f(x, y):
        made = cook(recipe, x, y)
        return np.sum(made / (2 + np.max(np.abs(made))))

    recording = traced(cr.value_and_grad(f, wrt=(0, 1)), *inputs)
    expected = Executable(recording)(inputs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recompute, "_ELEMENTS", 1)
        run = compiled(recording)
    same(run(inputs), expected, 10)


def test_a_number_chosen_from_two_is_converted_before_it_is_chosen():
    program = traced(lambda x: np.astype(np.where(x > 0, 1, 0), np.float32), np.linspace(-1, 1, 9))
    assert [e.op.name for e in program.equations] == ["greater", "where"]
    assert program.outputs[0].type.dtype == np.float32
