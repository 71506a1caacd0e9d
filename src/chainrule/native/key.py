"""What a Program is, as bytes that are the same in every process: the name under which its machine code is kept.

Names of ops, types, params, constants bit by bit; not what variables are called, nor where the user wrote it. What
can't be said so (a function in a param, an op that is not of our own table) makes a Program that has no key.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Iterable
from types import EllipsisType
from typing import Any

import numpy as np

from ..ir import ArrayType, Atom, Const, Program, Var
from ..ops.op import Op
from ..ops.table import OWN


class NoKey(Exception):
    """Something can't be said in the same bytes by every process."""


def key_of_program(program: Program) -> bytes | None:
    """The bytes that say the Program; None if it has no key."""
    parts: list[bytes] = []
    try:
        _program(program, parts.append)
    except NoKey:
        return None
    return b"".join(parts)


def named(what: bytes, key: bytes | None) -> bytes | None:
    """A key of one of several things that are kept of a Program."""
    return None if key is None else what + b" " + key


Say = Callable[[bytes], None]


def _program(program: Program, say: Say) -> None:
    number = {v: n for n, v in enumerate(program.variables)}
    types: dict[ArrayType, bytes] = {}

    def say_types(variables: Iterable[Var]) -> None:
        for v in variables:
            said = types.get(v.type)
            if said is None:
                said = types[v.type] = f"{v.type.dtype.str}{v.type.shape}{v.type.weak};".encode()
            say(said)

    def say_atoms(atoms: Iterable[Atom]) -> None:
        for a in atoms:
            if isinstance(a, Var):
                say(b"%d," % number[a])
            else:
                _const(a, say)

    say_types(program.inputs)
    for e in program.equations:
        if e.op not in OWN:
            raise NoKey
        say(f"\n{e.op.name}(".encode())
        say_atoms(e.inputs)
        say(b")")
        for name in sorted(e.params):
            say(f" {name}=".encode())
            _value(e.params[name], say)
        say(b":")
        say_types(e.outputs)
    say(b"\n=")
    say_atoms(program.outputs)


def _const(a: Const, say: Say) -> None:
    say(f"{a.type.weak}".encode())
    _array(a.value, say)


def _array(x: np.ndarray[Any, Any], say: Say) -> None:
    if x.dtype.hasobject:
        raise NoKey
    say(f"{x.dtype.str}{x.shape}[".encode())
    say(x.tobytes())
    say(b"]")


def _value(x: Any, say: Say) -> None:
    """A param, its type included: 1, 1.0 and True are three."""
    kind = type(x)
    if kind in (bool, int, type(None), EllipsisType):
        say(f"{x!r};".encode())
    elif kind is float:
        say(f"{x.hex()};".encode())
    elif kind in (str, bytes):
        said = x.encode() if kind is str else x
        say(f"{kind.__name__}{len(said)}:".encode())
        say(said)
    elif isinstance(x, (np.ndarray, np.generic)):
        say(b"array " if isinstance(x, np.ndarray) else b"number ")
        _array(np.asarray(x), say)
    elif isinstance(x, np.dtype):
        say(f"dtype {x.str};".encode())
    elif isinstance(x, type) and x in (bool, int, float):
        say(f"{x.__name__};".encode())
    elif isinstance(x, Program):
        _program(x, say)
    elif isinstance(x, Op) and x in OWN:
        say(f"op {x.name};".encode())
    elif isinstance(x, enum.Enum):
        say(f"{kind.__qualname__}.{x.name};".encode())
    elif isinstance(x, slice):
        _several("slice", (x.start, x.stop, x.step), say)
    elif isinstance(x, (tuple, list)):
        _several(kind.__qualname__, x, say)
    elif kind is dict:
        _several("dict", [part for pair in sorted(x.items()) for part in pair], say)
    elif dataclasses.is_dataclass(x):
        _several(kind.__qualname__, [getattr(x, f.name) for f in dataclasses.fields(x) if f.compare], say)
    else:
        raise NoKey


def _several(kind: str, parts: Iterable[Any], say: Say) -> None:
    say(f"{kind}(".encode())
    for part in parts:
        _value(part, say)
    say(b")")
