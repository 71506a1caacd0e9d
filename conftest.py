"""Examples in docstrings may say `np` without importing it, as everybody does."""

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _np(doctest_namespace):
    doctest_namespace["np"] = np
