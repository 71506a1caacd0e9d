"""The op table, whole: importing this enters every op. To add one, add an entry to the page where it belongs."""

from . import (
    arithmetic,
    assembly,
    contraction,
    control,
    elementary,
    indexing,
    linalg,
    loops,
    reductions,
    special,
    structure,
)
from .op import OPS, by_function

OWN = frozenset(OPS.values())  # without those that a user adds

__all__ = [
    "OPS",
    "OWN",
    "arithmetic",
    "assembly",
    "by_function",
    "contraction",
    "control",
    "elementary",
    "indexing",
    "linalg",
    "loops",
    "reductions",
    "special",
    "structure",
]
