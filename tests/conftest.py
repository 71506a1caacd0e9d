"""What all tests share: points are the same in every run, and a claim that fails shows its values."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from chainrule import execute

pytest.register_assert_rewrite("claims")

# The same examples on every machine, however slow it is.
settings.register_profile("everywhere", deadline=None, derandomize=True, database=None, print_blob=False)
settings.load_profile("everywhere")

# Compiling takes tens of milliseconds, and most tests are of what a Program says, not of what runs it: those run on the
# NumPy executor. CHAINRULE_TEST_NATIVE=1 runs all of them as users do.
RUNS = (
    "test_native", "test_sparse", "test_loops", "test_captures", "test_recordings", "test_structures", "test_in_place",
    "test_nesting", "test_tiny", "test_documents", "test_examples", "test_random_programs", "test_optimize",
    "test_gradbench", "test_import", "test_reroll", "test_numpy_coverage", "test_errors", "test_edges", "test_new_op",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _what_runs_programs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not os.environ.get("CHAINRULE_TEST_NATIVE") and not request.module.__name__.startswith(RUNS):
        monkeypatch.setattr(execute, "_compilers", [])
