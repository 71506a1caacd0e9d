"""What all tests share: points are the same in every run, and a claim that fails shows its values."""

from __future__ import annotations

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("claims")

# The same examples on every machine, however slow it is.
settings.register_profile("everywhere", deadline=None, derandomize=True, database=None, print_blob=False)
settings.load_profile("everywhere")
