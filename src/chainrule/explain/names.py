"""How a variable is called in mathematics: `w_1` is w₁, `lambda_` is λ, `y_hat` is ŷ; everything else stays as it is.

>>> print(symbol("X_train"), symbol("w_1"), symbol("sigma_2"), symbol("λ"))
X_train w₁ σ₂ λ
>>> symbol("learning_rate").latex, symbol("w_hidden").latex, symbol("y_hat").latex
('\\\\mathrm{learning\\\\_rate}', 'w_{\\\\mathrm{hidden}}', '\\\\hat{y}')
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from unicodedata import normalize

from .layout import Box, accent, beside, fenced, letter, lowered, number, raised, subscript
from .layout import _escaped as escaped

_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu "
    "nu xi pi rho sigma tau upsilon phi chi psi omega"
)
_SMALL, _CAPITAL = "αβγδεζηθικλμνξπρστυφχψω", "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΠΡΣΤΥΦΧΨΩ"
GREEK = dict(zip(_NAMES.split(), _SMALL, strict=True)) | {
    name.capitalize(): letter_ for name, letter_ in zip(_NAMES.split(), _CAPITAL, strict=True)
}
GREEK["lam"] = "λ"  # `lambda` is not free in Python
_TEX = {greek: f"\\{name}" for name, greek in GREEK.items() if name != "lam"} | {
    greek: rf"\mathrm{{{latin}}}" for greek, latin in zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True)
} | {"ℓ": r"\ell", "∂": r"\partial", "∇": r"\nabla", "ϵ": r"\epsilon", "ε": r"\varepsilon", "ο": "o"}  # fmt: skip
_MARKS = {
    "bar": ("\u0304", r"\bar"),
    "hat": ("\u0302", r"\hat"),
    "tilde": ("\u0303", r"\tilde"),
    "dot": ("\u0307", r"\dot"),
}


@lru_cache(maxsize=4096)
def symbol(name: str) -> Box:
    """The box of a variable's name."""
    stem, *rest = name.strip("_").split("_") if name.strip("_") else [name]
    digits = re.fullmatch(r"(.*?\D)(\d+)", stem)
    if digits and len(digits[1]) == 1:
        stem, rest = digits[1], [digits[2], *rest]
    if len(rest) == 1 and rest[0] in _MARKS and (len(stem) == 1 or stem in GREEK):
        return accent(*_MARKS[rest[0]], _plain(stem))
    if len(rest) == 1 and (rest[0].isdigit() or (_short(stem) and subscript(rest[0]) and len(rest[0]) == 1)):
        return lowered(_plain(stem), letter(rest[0]))
    if rest:
        return letter(name, _tex_with_words(stem, rest))
    return _plain(stem)


def _short(stem: str) -> bool:
    return len(stem) == 1 or stem in GREEK


def _plain(stem: str) -> Box:
    greek = GREEK.get(stem)
    return letter(greek or stem, _tex(stem))


def _tex(stem: str) -> str:
    stem = GREEK.get(stem, stem)
    if stem in _TEX:
        return _TEX[stem]
    if len(stem) == 1:
        return escaped(stem)
    return rf"\mathrm{{{''.join(_TEX.get(c, escaped(c)) for c in stem)}}}"


def _tex_with_words(stem: str, rest: list[str]) -> str:
    if not _short(stem):
        return _tex("_".join([stem, *rest]))
    return rf"{_tex(stem)}_{{{', '.join(part if part.isdigit() else _tex(part) for part in rest)}}}"


def bar(box: Box) -> Box:
    """The adjoint of a value: z̄ = ∂loss/∂z."""
    return accent(*_MARKS["bar"], box)


def prime(box: Box) -> Box:
    """z′: the derivative of z."""
    return beside(box, letter("′", "'"))


def differential(box: Box) -> Box:
    """dz"""
    return beside(letter("d", r"\mathrm{d}"), box)


def shortened(names: Iterable[str]) -> dict[str, str]:
    """What to call values with a path (`params['W'][0]`): the last name in it and the numbers after it, if that does.

    >>> shortened(["params['W'][0]", "params['b'][0]", "x", "layers[1].w"])
    {"params['W'][0]": 'W_0', "params['b'][0]": 'b_0', 'x': 'x', 'layers[1].w': 'w'}
    """
    names = list(names)
    short = {name: _last(name) for name in names}
    taken = list(short.values())
    return {name: own if taken.count(own) == 1 else identifier(name) for name, own in short.items()}


def _last(path: str) -> str:
    parts = re.findall(r"[^\W\d]\w*|\d+", path)
    words = [i for i, part in enumerate(parts) if not part.isdigit()]
    if len(words) < 1 or len(parts) == 1:
        return path
    return "_".join(parts[words[-1] :])


def identifier(name: str) -> str:
    """A Python name that looks like it."""
    found = "_".join(re.findall(r"\w+", name)) or "value"
    if found[0].isdigit() or keyword.iskeyword(found):
        found = f"_{found}" if found[0].isdigit() else f"{found}_"
    return found


def verbatim(name: str) -> Box:
    """A name just as it is in the code."""
    return letter(name, rf"\mathrm{{{escaped(name)}}}")


def base(name: str) -> str:
    """The letter that carries a name's marks and indices: `w_1` and `w1` are elements, or versions, of a w."""
    stem = name.strip("_").split("_")[0]
    found = re.match(r"\D+", stem)
    stem = found[0] if found else stem
    return GREEK.get(stem, normalize("NFD", stem)[:1] if len(stem) <= 2 else stem)


def iterate(name: str) -> Box:
    """The box of `x_2`, the second value that is called x: x⁽²⁾, since x₂ is an element of x."""
    stem, _, n = name.rpartition("_")
    if not stem or not n.isdigit():
        return symbol(name)
    return raised(symbol(stem), fenced("(", number(n), ")"))


def fresh(taken: Iterable[str], letters: str = "pqrstuvghac", then: str = "t") -> Iterator[str]:
    """Names that nobody uses yet: single letters, then t_1, t_2, …

    A letter that is part of a used name is not free: t_2 may be an element of t.
    """
    used = set(taken)
    bases = used.union(map(base, used))
    for name in letters:
        if name not in bases:
            yield name
    then = next((c for c in (then, *"tvuszyqrpghabcdefklmnowx") if c not in bases), then)
    n = 0
    while True:
        n += 1
        if f"{then}_{n}" not in used and f"{then}{n}" not in used:
            yield f"{then}_{n}"
