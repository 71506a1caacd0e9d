"""How ops become machine code: facts for entries; the compiler that reads them is elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

How = Literal[
    "formula", "function", "address", "assembly", "scatter", "product", "reduction", "running", "index", "meaning",
    "routine",
]  # fmt: skip


class Native(NamedTuple):
    """One way to compute an op. `how` is the kind of code, `name` says which, `means` says it by other ops."""

    how: How
    name: str = ""
    means: Callable[..., Any] | None = None
    side_by_side: bool = False  # of an assembly: along `axis` each operand begins where the one before ends


def formula(name: str) -> Native:
    """Each element by instructions on lanes: the formula of that name."""
    return Native("formula", name)


def c_function(name: str, library: str = "special") -> Native:
    """Each element by a function of C, real numbers in and out: SciPy's for Cython, or of C's own library (`libm`)."""
    return Native("function", f"{library}.{name}")


def address(name: str) -> Native:
    """Only moves numbers: where an element of the result is read in the first operand."""
    return Native("address", name)


def assembly(name: str, side_by_side: bool = False) -> Native:
    """Each element is one of an operand's: where it would be in each of them; the last that has it gives it."""
    return Native("assembly", name, side_by_side=side_by_side)


def reduction(combine: str) -> Native:
    """Over `axes`, elements are combined by a formula that may take them in any order."""
    return Native("reduction", combine)


def meaning(means: Callable[..., Any]) -> Native:
    """What other ops do together; `means` is written with NumPy calls, and takes the operands and the params."""
    return Native("meaning", "", means)


def routine(name: str) -> Native:
    """Works on whole arrays in memory: a routine of LAPACK, or several."""
    return Native("routine", name)


PRODUCT = Native("product")  # products summed over labels, as the spec says
RUNNING = Native("running")  # a sum over all that stand before
SCATTER = Native("scatter")  # rows written at positions that are read
INDEX = Native("index")  # positions in several axes as one; what is out of bounds ends the computation
