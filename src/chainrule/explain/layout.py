"""One layout, three writers: mathematics as a tree of boxes, written as Unicode text, LaTeX or MathML.

A box knows how tightly it binds (`level`) and what each place in it asks for; brackets follow from the two, and so may
differ between a page, where a fraction has a bar, and a line, where it has a slash.

>>> half = fraction(number("1"), number("2"))
>>> box = product([half, letter("x")])
>>> box.unicode, box.latex
('(1/2) x', '\\\\frac{1}{2}\\\\,x')
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from unicodedata import normalize

from ..ops.notation import ATOM, POWER, PRODUCT, SUM

# between the levels of the op table
RELATION, SIGN, QUOTIENT, BIG, HADAMARD = 0, SUM + 0.2, SUM + 0.5, SUM + 0.7, PRODUCT - 0.1


@dataclass(frozen=True)
class Box:
    """A piece of typeset mathematics: its kind, its parts, and for signs and names their Unicode and LaTeX.

    `needs` says for each part how tightly it must bind to stand there without brackets.
    """

    kind: str
    parts: tuple[Box, ...] = ()
    sign: str = ""
    tex: str = ""
    level: float = ATOM
    needs: tuple[float, ...] = ()
    size: int = field(default=0, init=False, compare=False, repr=False)
    """How many names, numbers and functions it holds: what a reader has to take in."""

    def __post_init__(self) -> None:
        own = 1 if self.kind in _COUNTED else 0
        object.__setattr__(self, "size", own + sum([part.size for part in self.parts]))

    @property
    def unicode(self) -> str:
        return write_unicode(self)

    @property
    def latex(self) -> str:
        return write_latex(self)

    @property
    def mathml(self) -> str:
        """A whole `<math>` element, for a web page."""
        return f'<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">{write_mathml(self)}</math>'

    def __str__(self) -> str:
        return self.unicode


_COUNTED = frozenset({"letter", "word", "function", "number", "text"})

# --- boxes ------------------------------------------------------------------------------------------------------------


def letter(sign: str, tex: str | None = None) -> Box:
    """The name of a value."""
    return Box("letter", sign=sign, tex=sign if tex is None else tex)


def word(sign: str, tex: str | None = None) -> Box:
    """The name of a function, upright."""
    return Box("word", sign=sign, tex=rf"\operatorname{{{_escaped(sign)}}}" if tex is None else tex)


def text(words: str) -> Box:
    """Plain words."""
    return Box("text", sign=words, tex=rf"\text{{{_escaped(words)}}}")


def number(digits: str) -> Box:
    """A number as it is to be read: `0.01`, `−3`, `1.5·10⁻⁸`."""
    negative = digits.startswith("-")
    mantissa, _, exponent = digits.lstrip("-").partition("e")
    box = Box("number", sign=mantissa, tex=r"\infty" if mantissa == "∞" else mantissa)
    if exponent:
        power = raised(Box("number", sign="10", tex="10"), number(str(int(exponent))))
        box = power if mantissa == "1" else row([box, power], "·", r"\cdot ", level=PRODUCT, need=PRODUCT)
    return negated(box) if negative else box


def sign(sign: str, tex: str | None = None) -> Box:
    """An operator between its neighbours."""
    return Box("sign", sign=sign, tex=sign if tex is None else tex)


def row(parts: Sequence[Box], glue: str, tex: str, *, level: float, need: float | Sequence[float]) -> Box:
    """Parts side by side, with the same sign between them."""
    needs = (need,) * len(parts) if isinstance(need, (int, float)) else tuple(need)
    return Box("row", tuple(parts), glue, tex, level, needs)


def beside(*parts: Box, level: float = ATOM) -> Box:
    """Parts side by side with nothing between them."""
    return Box("row", parts, "", "", level, (RELATION,) * len(parts))


def relation(left: Box, glue: str, tex: str, right: Box) -> Box:
    return row([left, right], f" {glue} ", f" {tex} ", level=RELATION, need=SUM)


def equation(left: Box, right: Box) -> Box:
    """left = right"""
    return row([left, right], " = ", " = ", level=RELATION, need=RELATION)


def product(factors: Sequence[Box]) -> Box:
    """Factors written next to each other."""
    flat = [f for factor in factors[:-1] for f in (factor.parts if _ends_in_sum(factor) else (factor,))]
    flat.append(factors[-1])
    if len(flat) == 1:
        return flat[0]
    found = row(flat, " ", r"\,", level=PRODUCT, need=[PRODUCT] * (len(flat) - 1) + [BIG])
    return replace(found, level=BIG) if flat[-1].level == BIG else found


def _ends_in_sum(box: Box) -> bool:
    """Whether it is a product such as 2 Σᵢ xᵢ, to which no factor can be added at the end."""
    return box.kind == "row" and box.level == BIG


def hadamard(factors: Sequence[Box]) -> Box:
    """The elementwise product of arrays."""
    return row(factors, " ⊙ ", r" \odot ", level=HADAMARD, need=HADAMARD)


def total(left: Box, right: Box, minus: bool) -> Box:
    """left + right, or left − right; what is already a sum on the left goes on."""
    need = SIGN + 0.1 if minus or right.kind == "prefix" else SUM
    glue = ("−", "-") if minus else ("+", "+")
    return row([left, right], f" {glue[0]} ", f" {glue[1]} ", level=SUM, need=(SUM, max(need, SIGN + 0.1)))


def negated(part: Box) -> Box:
    if part.kind == "prefix" and part.sign == "−":
        return part.parts[0]
    return Box("prefix", (part,), "−", "-", SIGN, (QUOTIENT,))


def fraction(top: Box, bottom: Box) -> Box:
    if top.kind == "prefix":
        return negated(fraction(top.parts[0], bottom))
    return Box("fraction", (top, bottom), level=QUOTIENT, needs=(HADAMARD, POWER))


def raised(base: Box, exponent: Box) -> Box:
    return Box("raised", (base, exponent), level=POWER, needs=(ATOM, ATOM))


def lowered(base: Box, index: Box) -> Box:
    return Box("lowered", (base, index), level=ATOM, needs=(ATOM, RELATION))


def transposed(part: Box) -> Box:
    if part.kind == "raised" and part.parts[1].unicode == "−1":
        return raised(part.parts[0], letter("-T", r"-\mathsf{T}"))
    return Box("transposed", (part,), level=POWER, needs=(ATOM,))


def root(part: Box, tex: str = r"\sqrt", symbol: str = "√") -> Box:
    return Box("root", (part,), symbol, tex, ATOM, (ATOM,))


def accent(mark: str, tex: str, part: Box) -> Box:
    """A mark over a name: the bar of an adjoint, the hat of an estimate."""
    return Box("accent", (part,), mark, tex, ATOM, (ATOM,))


def nabla(name: Box) -> Box:
    """∇ with the variable in which the gradient is taken."""
    return Box("nabla", (name,))


def fenced(left: str, part: Box, right: str, tex: tuple[str, str] | None = None) -> Box:
    """A part between two fences: absolute value, floor, norm, inner product."""
    opening, closing = tex or (left, right)
    return Box("fenced", (part,), f"{left} {right}", f"{opening} {closing}", ATOM, (RELATION,))


def applied(function: Box, arguments: Sequence[Box]) -> Box:
    """f(x, y)"""
    return beside(function, fenced("(", listed(arguments), ")"))


def listed(parts: Sequence[Box]) -> Box:
    """Parts with commas between."""
    if len(parts) == 1:
        return parts[0]
    return row(parts, ", ", ", ", level=RELATION, need=RELATION)


def summed(index: str, body: Box) -> Box:
    """Σᵢ body"""
    return Box("summed", (letter(index), body), "Σ", r"\sum", BIG, (ATOM, BIG))


def cases(branches: Sequence[tuple[Box, Box | None]]) -> Box:
    """Values with the condition under which each is taken; the last without one."""
    flat = [part for value, condition in branches for part in (value, condition or text("otherwise"))]
    return Box("cases", tuple(flat), level=ATOM, needs=(RELATION,) * len(flat))


# --- writing: what the three have in common ---------------------------------------------------------------------------

Write = Callable[[Box], str]
Wrap = Callable[[str], str]


def _writer(kinds: dict[str, Callable[[Box, Write, Callable[[int], str]], str]], wrap: Wrap, flat: bool) -> Write:
    """A writer is a function for each kind of box, and how it brackets.

    Each function gets the box, the writer itself, and `at(i)`: the i-th part, bracketed where it must be.
    """

    def write(box: Box) -> str:
        def at(i: int) -> str:
            part = box.parts[i]
            loose = part.kind == "fraction" and not flat
            level = PRODUCT if loose else part.level
            return write(part) if level >= box.needs[i] else wrap(write(part))

        return kinds[box.kind](box, write, at)

    return write


# --- Unicode ----------------------------------------------------------------------------------------------------------

_UP = str.maketrans("0123456789+-−()niTxyjkabcdefghlmoprstuvwz", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁽⁾ⁿⁱᵀˣʸʲᵏᵃᵇᶜᵈᵉᶠᵍʰˡᵐᵒᵖʳˢᵗᵘᵛʷᶻ")
_DOWN = str.maketrans("0123456789+-−()aehijklmnoprstuvx×βγρφχ", "₀₁₂₃₄₅₆₇₈₉₊₋₋₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓₓᵦᵧᵨᵩᵪ")


def superscript(words: str) -> str:
    """words raised, if each of their characters can be; else empty."""
    return words.translate(_UP) if all(ord(c) in _UP for c in words) else ""


def subscript(words: str) -> str:
    """words lowered, if each of their characters can be; else empty."""
    return words.translate(_DOWN) if all(ord(c) in _DOWN for c in words) else ""


def _unicode_raised(box: Box, write: Write, at: Callable[[int], str]) -> str:
    exponent = write(box.parts[1])
    return at(0) + (superscript(exponent) or f"^{at(1)}")


def _unicode_lowered(box: Box, write: Write, at: Callable[[int], str]) -> str:
    index = write(box.parts[1])
    plain = f"_{index}" if len(index) == 1 else f"[{index}]"
    if "," in index and any(len(place) > 1 for place in index.split(",")):  # x[1,12] is not x[11,2]
        return at(0) + plain
    if box.parts[0].kind == "lowered" and index[0].isdigit():
        return f"{at(0)}[{index}]"
    return at(0) + (subscript(index.replace(",", "").replace(" ", "")) or plain)


def _unicode_fraction(box: Box, write: Write, at: Callable[[int], str]) -> str:
    simple = all(part.level == ATOM and " " not in write(part) and part.size < 3 for part in box.parts)
    return f"{at(0)}/{at(1)}" if simple else f"{at(0)} / {at(1)}"


def _unicode_cases(box: Box, write: Write, at: Callable[[int], str]) -> str:
    pairs = zip(box.parts[::2], box.parts[1::2], strict=True)
    return "{" + ", ".join(f"{write(v)} {'' if c.kind == 'text' else 'if '}{write(c)}" for v, c in pairs) + "}"


def _unicode_fenced(box: Box, write: Write, at: Callable[[int], str]) -> str:
    left, right = box.sign.split(" ")
    return f"{left}{at(0)}{right}"


write_unicode = _writer(
    {
        "letter": lambda box, write, at: box.sign,
        "word": lambda box, write, at: box.sign,
        "function": lambda box, write, at: box.sign,
        "text": lambda box, write, at: box.sign,
        "number": lambda box, write, at: box.sign,
        "sign": lambda box, write, at: box.sign,
        "row": lambda box, write, at: box.sign.join(map(at, range(len(box.parts)))),
        "prefix": lambda box, write, at: box.sign + at(0),
        "fraction": _unicode_fraction,
        "raised": _unicode_raised,
        "lowered": _unicode_lowered,
        "transposed": lambda box, write, at: at(0) + "ᵀ",
        "root": lambda box, write, at: box.sign + at(0),
        "nabla": lambda box, write, at: f"∇{write(box.parts[0])}",
        "accent": lambda box, write, at: normalize("NFC", at(0)[:1] + box.sign) + at(0)[1:],
        "fenced": _unicode_fenced,
        "summed": lambda box, write, at: f"Σ{subscript(write(box.parts[0]).replace(',', '')) or '_' + at(0)} {at(1)}",
        "cases": _unicode_cases,
    },
    wrap=lambda written: f"({written})",
    flat=True,
)

# --- LaTeX ------------------------------------------------------------------------------------------------------------

_SPECIAL = {c: "\\" + c for c in "#$%&_{}"} | {"\\": r"\textbackslash{}", "^": r"\^{}", "~": r"\~{}"}


def _escaped(words: str) -> str:
    return "".join(_SPECIAL.get(c, c) for c in words)


def _latex_fenced(box: Box, write: Write, at: Callable[[int], str]) -> str:
    left, right = box.tex.split(" ")
    return rf"\left{left} {at(0)} \right{right}" if len(left) > 1 else rf"\left{left}{at(0)}\right{right}"


def _latex_lowered(box: Box, write: Write, at: Callable[[int], str]) -> str:
    base = f"{{{at(0)}}}" if box.parts[0].kind == "lowered" else at(0)
    return f"{base}_{{{write(box.parts[1])}}}"


def _latex_cases(box: Box, write: Write, at: Callable[[int], str]) -> str:
    pairs = zip(box.parts[::2], box.parts[1::2], strict=True)
    lines = [rf"{write(v)} & " + (write(c) if c.kind == "text" else rf"\text{{if }} {write(c)}") for v, c in pairs]
    return r"\begin{cases}" + r" \\ ".join(lines) + r"\end{cases}"


write_latex = _writer(
    {
        "letter": lambda box, write, at: box.tex,
        "word": lambda box, write, at: box.tex,
        "function": lambda box, write, at: box.tex,
        "text": lambda box, write, at: box.tex,
        "number": lambda box, write, at: box.tex,
        "sign": lambda box, write, at: box.tex,
        "row": lambda box, write, at: box.tex.join(map(at, range(len(box.parts)))),
        "prefix": lambda box, write, at: box.tex + at(0),
        "fraction": lambda box, write, at: rf"\frac{{{write(box.parts[0])}}}{{{write(box.parts[1])}}}",
        "raised": lambda box, write, at: f"{at(0)}^{{{write(box.parts[1])}}}",
        "lowered": _latex_lowered,
        "transposed": lambda box, write, at: at(0) + r"^{\mathsf T}",
        "root": lambda box, write, at: f"{box.tex}{{{write(box.parts[0])}}}",
        "nabla": lambda box, write, at: rf"\nabla_{{{write(box.parts[0])}}}",
        "accent": lambda box, write, at: f"{box.tex}{{{at(0)}}}",
        "fenced": _latex_fenced,
        "summed": lambda box, write, at: rf"\sum_{{{at(0)}}} {at(1)}",
        "cases": _latex_cases,
    },
    wrap=lambda written: rf"\left({written}\right)",
    flat=False,
)

# --- MathML -----------------------------------------------------------------------------------------------------------


def _tag(name: str, *children: str) -> str:
    return f"<{name}>{''.join(children)}</{name}>"


def _whole(box: Box, write: Write) -> str:
    return _tag("mrow", write(box))


_TIMES = '<mo>&#x2062;</mo><mspace width="0.17em"/>'  # said as a product, seen as a thin space


def _mathml_row(box: Box, write: Write, at: Callable[[int], str]) -> str:
    glue = box.sign.strip()
    between = _tag("mo", escape(glue)) if glue else _TIMES if box.sign else ""
    return _tag("mrow", between.join(map(at, range(len(box.parts)))))


def _mathml_fenced(box: Box, write: Write, at: Callable[[int], str]) -> str:
    left, right = box.sign.split(" ")
    return _tag("mrow", _tag("mo", escape(left)), at(0), _tag("mo", escape(right)))


def _mathml_cases(box: Box, write: Write, at: Callable[[int], str]) -> str:
    pairs = zip(box.parts[::2], box.parts[1::2], strict=True)
    rows = [
        _tag("mtr", _tag("mtd", write(v)), _tag("mtd", "" if c.kind == "text" else "<mtext>if </mtext>", write(c)))
        for v, c in pairs
    ]
    return _tag("mrow", "<mo>{</mo>", _tag("mtable", *rows))


_OVER = {r"\bar": "¯", r"\hat": "^", r"\tilde": "~", r"\dot": "˙"}


def _mathml_root(box: Box, write: Write, at: Callable[[int], str]) -> str:
    if box.tex == r"\sqrt":
        return _tag("msqrt", write(box.parts[0]))
    return _tag("mroot", _whole(box.parts[0], write), _tag("mn", box.tex.partition("[")[2].rstrip("]")))


write_mathml = _writer(
    {
        "letter": lambda box, write, at: _tag("mi", escape(box.sign)),
        "word": lambda box, write, at: _tag("mi", escape(box.sign)),
        "function": lambda box, write, at: _tag("mi", escape(box.sign)),
        "text": lambda box, write, at: _tag("mtext", escape(box.sign)),
        "number": lambda box, write, at: _tag("mn", escape(box.sign)),
        "sign": lambda box, write, at: _tag("mo", escape(box.sign)),
        "row": _mathml_row,
        "prefix": lambda box, write, at: _tag("mrow", _tag("mo", escape(box.sign)), at(0)),
        "fraction": lambda box, write, at: _tag("mfrac", *(_whole(part, write) for part in box.parts)),
        "raised": lambda box, write, at: _tag("msup", _tag("mrow", at(0)), _whole(box.parts[1], write)),
        "lowered": lambda box, write, at: _tag("msub", _tag("mrow", at(0)), _whole(box.parts[1], write)),
        "transposed": lambda box, write, at: _tag("msup", _tag("mrow", at(0)), _tag("mi", "T")),
        "root": _mathml_root,
        "nabla": lambda box, write, at: _tag("msub", _tag("mo", "∇"), _whole(box.parts[0], write)),
        "accent": lambda box, write, at: _tag("mover", at(0), _tag("mo", _OVER[box.tex])),
        "fenced": _mathml_fenced,
        "summed": lambda box, write, at: _tag("mrow", _tag("munder", _tag("mo", "∑"), at(0)), at(1)),
        "cases": _mathml_cases,
    },
    wrap=lambda written: _tag("mrow", "<mo>(</mo>", written, "<mo>)</mo>"),
    flat=False,
)
