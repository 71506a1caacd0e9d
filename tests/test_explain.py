"""Readers of a program: every formula, every line of code and every step says what the program computes."""

from __future__ import annotations

import claims
import numpy as np
import pytest

from chainrule.execute import run
from chainrule.explain.formula import formula
from chainrule.explain.source import source
from chainrule.explain.tidy import tidy
from chainrule.ops.op import Op
from chainrule.ops.table import OPS

every_op = pytest.mark.parametrize("op", OPS.values(), ids=str)


def programs(op: Op, points: int = 5, depth: int = 1):
    """The op's programs, and those of its derivatives and of its rows, with values for their inputs."""
    rng = np.random.default_rng(3)
    for case in claims.cases(op, points=points):
        yield from claims.transformed(claims.program_of(case), list(case.args), depth, rng)


@every_op
def test_printed_text_is_python_that_computes_the_same(op):
    for program, values in programs(op):
        written = source(program, "f")
        with np.errstate(all="ignore"):
            found = written.function()(*values)
        found = found if len(program.outputs) > 1 else (found,)
        for x, y, v in zip(found, claims.compute(program, values), program.outputs, strict=True):
            assert np.shape(x) == np.shape(y) and np.asarray(x).dtype.kind == v.type.dtype.kind, str(written)
            np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-13, err_msg=str(written))


@every_op
def test_a_program_for_a_reader_computes_the_same(op):
    for program, values in programs(op):
        with np.errstate(all="ignore"):
            found, wanted = run(tidy(program), values), run(program, values)
        for x, y in zip(found, wanted, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-12, err_msg=f"{program}\n{tidy(program)}")


@every_op
def test_every_program_has_a_formula_in_three_notations(op):
    for program, _ in programs(op, points=2):
        found = formula(program)
        assert found.unicode and found.latex and found.mathml.startswith("<math")
        assert found.latex.count("{") == found.latex.count("}")
