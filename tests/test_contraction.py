"""Contractions of every spec: evaluated as NumPy's einsum would, and transposed twice they are themselves."""

from __future__ import annotations

from typing import Any

import claims
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.ir import ArrayType
from chainrule.ops.contraction import Spec, canonical, contract

SIZES = st.lists(st.sampled_from([2, 3, 2, 1, 4, 0]), min_size=5, max_size=5)


@st.composite
def specs(draw: Any) -> tuple[Spec, list[tuple[int, ...]]]:
    """Any spec of one or two operands, labels repeated anywhere, and shapes for it."""
    size = draw(SIZES)
    words = st.lists(st.integers(0, 4), max_size=3).map(tuple)
    ins = tuple(draw(st.lists(words, min_size=1, max_size=2)))
    out = draw(words)
    known = {label for labels in ins for label in labels}
    new = tuple(sorted({(label, size[label]) for label in out if label not in known}))
    return Spec(ins, out, new), [tuple(size[label] for label in labels) for labels in ins]


def by_einsum(operands: list[np.ndarray], spec: Spec) -> np.ndarray:
    """The meaning of a spec: a label that is new is one of a vector of ones; one that is repeated, a diagonal."""
    unique = list(dict.fromkeys(spec.out))
    args: list[Any] = [a for x, labels in zip(operands, spec.ins, strict=True) for a in (x, list(labels))]
    for label, n in spec.new:
        args += [np.ones(n), [label]]
    core = np.einsum(*args, unique)
    whole = np.zeros([core.shape[unique.index(label)] for label in spec.out])
    for at in np.ndindex(core.shape):
        whole[tuple(at[unique.index(label)] for label in spec.out)] = core[at]
    return whole


@settings(max_examples=300)
@given(specs())
def test_a_contraction_is_what_einsum_says(drawn):
    spec, shapes = drawn
    rng = np.random.default_rng(0)
    operands = [rng.normal(size=s) for s in shapes]
    expected = by_einsum(operands, spec)
    for s in (spec, canonical(spec)):
        found = contract.evaluate(*operands, spec=s)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


@settings(max_examples=300)
@given(specs())
def test_a_spec_transposed_twice_is_itself(drawn):
    spec, shapes = drawn
    out = contract.types(*(ArrayType(s) for s in shapes), spec=spec)[0].shape
    for i in range(len(spec.ins)):
        once, order = spec.transposed(i, shapes[i])
        twice, back = once.transposed(order.index(-1), out)
        # an operand of the second: the cotangent's cotangent stands for operand i, others for themselves
        who = [i if j < 0 else order[j] for j in back]
        ins = tuple(twice.ins[who.index(j)] for j in range(len(spec.ins)))
        assert canonical(Spec(ins, twice.out, twice.new)) == canonical(spec)


@settings(max_examples=150)
@given(specs())
def test_contractions_of_every_spec_keep_the_claims_of_the_table(drawn):
    spec, shapes = drawn
    rng = np.random.default_rng(1)
    case = claims.Case(contract, tuple(rng.normal(size=s) for s in shapes), {"spec": spec})
    program, values = claims.program_of(case), list(case.args)
    claims.modes_agree(program, values, case.moving, rng)
    claims.slopes_agree(program, values, case.moving, rng)
    claims.simplified_agrees(program, values)
    rows = [claims.random_like(case.args, rng) for _ in range(2)]
    for chosen in claims.subsets(range(len(shapes))):
        claims.rows_agree(program, rows, [i in chosen for i in range(len(shapes))])
