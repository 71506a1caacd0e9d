"""Every error chainrule raises on purpose: a short letter to someone who is busy.

    ChainruleError                what happened, where in your code, what to try
    ├── ArgumentError             what was handed to a chainrule function can't be used
    ├── ShapeError                the shapes don't fit together
    ├── DtypeError                the dtypes don't fit, or have no derivative
    ├── NoRuleError               a function without an entry in the op table
    │   └── NoAttributeError      an attribute of arrays that a recording does not have
    ├── ValueNeededError          the recording was asked for a number it does not have yet
    ├── InPlaceError              a write that would reach an array outside the recording
    ├── CaptureError              hidden data that a recording can't watch
    ├── SideEffectError           something done while recording would happen only once
    ├── LeakError                 a stand-in used after its recording ended
    ├── IntegralError             an integral that does not exist, or is not known well enough
    ├── ParseError                an expression that is not one
    └── ProgramError              a malformed Program: a mistake of ours, not of yours

Each also is the built-in error a NumPy user would expect (ValueError, TypeError), so that existing `except` clauses
keep working.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class ChainruleError(Exception):
    """What happened, in the user's words; `operands`, `where` and `hint` are filled in as they become known.

    The message may name operands as `$0`, `$1`: whoever knows the user's source puts the text in their place.
    """

    def __init__(self, message: str, *, operands: Sequence[Any] = (), where: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        # types, printed beside the operands' names
        self.operands = tuple(
            str(getattr(operand, "type", operand))
            if not hasattr(type(operand), "flags")
            else f"{operand.dtype}{list(operand.shape)}"
            for operand in operands
        )
        self.names: tuple[str, ...] = ()
        self.where = where
        self.hint = hint

    @property
    def located(self) -> bool:
        """Whether the user's line is known already."""
        return bool(self.where)

    def __str__(self) -> str:
        names = list(self.names)
        if len(names) < len(self.operands):
            names = (
                ["the operand"] if len(self.operands) == 1 else [f"operand {i + 1}" for i in range(len(self.operands))]
            )
        text = self.message
        for i, name in enumerate(names):
            text = text.replace(f"${i}", name)
        # zip stops at the operands: a call may have more names than operands worth showing
        facts = ", ".join(f"{name} is {type_}" for name, type_ in zip(names, self.operands, strict=False))
        lines = [text]
        if facts or self.where:
            lines.append(
                "  "
                + "   ".join(part for part in (facts.ljust(52) if self.where else facts, self.where) if part.strip())
            )
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


class ArgumentError(ChainruleError, ValueError, TypeError):
    """What was handed to a chainrule function can't be used."""


class ShapeError(ChainruleError, ValueError):
    """The shapes don't fit together."""


class DtypeError(ChainruleError, TypeError):
    """The dtypes don't fit together, or have no derivative."""


class NoRuleError(ChainruleError, TypeError):
    """A function without an entry in the op table."""

    def __init__(self, message: str, *, operands: Sequence[Any] = (), where: str = "", hint: str = "") -> None:
        hint = hint or "write it with entries that exist, or add one: docs/guide/add-an-op.md"
        super().__init__(message, operands=operands, where=where, hint=hint)


class NoAttributeError(NoRuleError, AttributeError):
    """An attribute of arrays that a recording does not have; `hasattr` sees it as missing."""


class ValueNeededError(ChainruleError, TypeError):
    """The recording was asked for a number it does not have yet.

    While a function is recorded, its arguments are stand-ins: `if x > 0:` would pick one branch for every later call.
    """


class InPlaceError(ChainruleError, ValueError):
    """A write that would reach an array outside the recording."""


class CaptureError(ChainruleError, ValueError):
    """Hidden data that a recording can't watch, so that a later change of it would give a stale answer."""


class SideEffectError(ChainruleError, RuntimeError):
    """Something done while recording would happen once, not at every call."""


class LeakError(ChainruleError, RuntimeError):
    """A stand-in used after its recording ended."""


class IntegralError(ChainruleError, ArithmeticError):
    """An integral within a function that does not exist, or could not be computed to its tolerance."""


class ParseError(ChainruleError, ValueError):
    """An expression that can't be read."""


class ProgramError(ChainruleError, AssertionError):
    """A malformed Program: a mistake of ours."""
