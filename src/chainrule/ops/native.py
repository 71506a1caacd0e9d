"""How ops become machine code: facts for entries; the compiler that reads them is elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

How = Literal["formula", "function", "address", "product", "routine"]


@dataclass(frozen=True)
class Native:
    """One way to compute an op. `how` is the kind of code, `name` says which."""

    how: How
    name: str


def formula(name: str) -> Native:
    """Each element by instructions on lanes: the formula of that name."""
    return Native("formula", name)


def c_function(name: str) -> Native:
    """Each element by a function of C, real numbers in and out: SciPy's of that name for Cython."""
    return Native("function", name)


def address(name: str) -> Native:
    """Only moves numbers: where an element of the result is read."""
    return Native("address", name)


def routine(name: str) -> Native:
    """Works on whole arrays in memory: a routine of LAPACK, or several."""
    return Native("routine", name)


PRODUCT = Native("product", "contract")  # products summed over labels, as the spec says
