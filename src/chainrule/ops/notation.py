"""How ops are written: as NumPy text that runs, and as mathematics. Facts for entries; the writer is elsewhere.

Levels say what binds tighter: 1 a sum, 2 a product, 3 a sign or a power, 4 an atom.
"""

from __future__ import annotations

from typing import NamedTuple

SUM, PRODUCT, POWER, ATOM = 1, 2, 3, 4


class Notation(NamedTuple):
    """One way of writing an application.

    `style` is the layout (infix, prefix, call, fraction, power, root, bars, …); `text` its NumPy name or sign; `tex`
    its LaTeX name or sign; `symbol` its Unicode sign in mathematics. Where there are several results, `each` says how
    one of them is written, in Unicode and in LaTeX, with · for the operand.
    """

    style: str
    text: str
    tex: str
    symbol: str
    level: int = ATOM
    each: tuple[tuple[str, str], ...] = ()


def infix(sign: str, level: int, tex: str | None = None, symbol: str | None = None) -> Notation:
    return Notation("infix", sign, tex or sign, symbol or sign, level)


def prefix(sign: str, tex: str | None = None, symbol: str | None = None) -> Notation:
    return Notation("prefix", sign, tex or sign, symbol or sign, PRODUCT)


def call(name: str, tex: str | None = None, *, symbol: str | None = None) -> Notation:
    """`np.name(x)`; `name` may carry its module ("special.erf", "linalg.inv")."""
    short = name.rsplit(".", 1)[-1]
    upright = short.replace("_", r"\_")
    return Notation("call", name, tex or rf"\operatorname{{{upright}}}", symbol or short)


FRACTION = Notation("fraction", "/", r"\frac", "/", PRODUCT)
POWER_OF = Notation("power", "**", "^", "^", POWER)
ROOT = Notation("root", "sqrt", r"\sqrt", "√")
BARS = Notation("bars", "abs", r"\lvert", "|")
FLOOR = Notation("floor", "floor", r"\lfloor", "⌊")
FLOOR_OF_QUOTIENT = Notation("floor of a quotient", "floor_divide", r"\lfloor", "⌊")
CEIL = Notation("ceil", "ceil", r"\lceil", "⌈")
CASES = Notation("cases", "where", r"\begin{cases}", "if")
