"""Every claim about every entry of the op table."""

from __future__ import annotations

import claims
import pytest

from chainrule.ops.op import Op
from chainrule.ops.table import OPS

every_op = pytest.mark.parametrize("op", OPS.values(), ids=str)


@every_op
def test_the_entry_is_complete(op: Op) -> None:
    claims.the_entry_is_complete(op)


@every_op
def test_tracing_changes_no_value(op: Op) -> None:
    claims.tracing_changes_no_value(op)


@every_op
def test_results_lie_in_the_image(op: Op) -> None:
    claims.results_lie_in_the_image(op)


@every_op
def test_outside_its_domain_numpy_answers(op: Op) -> None:
    claims.outside_its_domain_numpy_answers(op)


@every_op
def test_what_is_not_taken_leaves_no_trace(op: Op) -> None:
    claims.what_is_not_taken_leaves_no_trace(op)


@every_op
def test_stated_partials_are_slopes(op: Op) -> None:
    claims.stated_partials_are_slopes(op)


@every_op
def test_kinks_are_where_the_slope_jumps(op: Op) -> None:
    claims.kinks_are_where_the_slope_jumps(op)


@every_op
def test_at_a_kink_the_slope_is_the_mean(op: Op) -> None:
    claims.at_a_kink_the_slope_is_the_mean(op)


@every_op
def test_forward_and_reverse_are_transposes(op: Op) -> None:
    claims.forward_and_reverse_are_transposes(op)


@every_op
def test_vmap_is_the_loop_over_rows(op: Op) -> None:
    claims.vmap_is_the_loop_over_rows(op)


@every_op
def test_small_dtypes_stay_small(op: Op) -> None:
    claims.small_dtypes_stay_small(op)


@every_op
def test_programs_stay_well_formed(op: Op) -> None:
    claims.programs_stay_well_formed(op)


@every_op
def test_simplifying_changes_no_value(op: Op) -> None:
    claims.simplifying_changes_no_value(op)


def test_every_claim_is_tested_here() -> None:
    for claim in claims.CLAIMS:
        assert f"test_{claim.__name__}" in globals()
