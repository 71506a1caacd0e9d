"""Examples in docstrings may say `np` and `cr`, as everybody does. No machine code is kept between runs."""

import os

import numpy as np
import pytest

import chainrule

os.environ["CHAINRULE_CACHE_DIR"] = ""  # a test that spoils a formula must not meet code made of the right one


@pytest.fixture(autouse=True)
def _np(doctest_namespace):
    doctest_namespace["np"] = np
    doctest_namespace["cr"] = chainrule
