"""What the explain layer says of a function, as the data of a report."""

from __future__ import annotations

from .problem import Problem
from .record import Explained


def explained_by(problem: Problem) -> Explained | None:
    """The value and gradient as formulas, as code, and step by step."""
    return None
