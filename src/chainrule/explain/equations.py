"""A formula as it is shown: equations under each other, and below them what the names stand for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .layout import Box, equation


@dataclass(frozen=True)
class Formula:
    """Equations `left = right` under each other, and what the names in them stand for."""

    heads: tuple[tuple[Box, Box], ...]
    where: tuple[tuple[Box, Box], ...] = ()

    @property
    def left(self) -> Box:
        return self.heads[0][0]

    @property
    def right(self) -> Box:
        return self.heads[0][1]

    @property
    def unicode(self) -> str:
        heads = [f"{a.unicode} = {b.unicode}" for a, b in self.heads]
        rest = [f"{a.unicode} = {b.unicode}" for a, b in self.where]
        return "\n".join([*heads, *(f"  {'     ' if i else 'where'} {line}" for i, line in enumerate(rest))])

    @property
    def latex(self) -> str:
        """What goes inside a display: one equation, or an `aligned` block of them."""
        if len(self.heads) == 1 and not self.where:
            return f"{self.left.latex} = {self.right.latex}"
        heads = [f"{a.latex} &= {b.latex}" for a, b in self.heads]
        rest = [f"{a.latex} &= {b.latex}" for a, b in self.where]
        lines = [*heads, *(line if i else rf"\text{{where }} {line}" for i, line in enumerate(rest))]
        return r"\begin{aligned} " + r" \\ ".join(lines) + r" \end{aligned}"

    @property
    def mathml(self) -> str:
        """A `<math>` element for each line."""
        return "\n".join(equation(a, b).mathml for a, b in (*self.heads, *self.where))

    def __str__(self) -> str:
        return self.unicode

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$"

    def _repr_html_(self) -> str:
        return self.mathml

    def as_dict(self) -> dict[str, Any]:
        def pair(line: tuple[Box, Box]) -> dict[str, str]:
            return {"name": line[0].unicode, "unicode": line[1].unicode, "latex": line[1].latex}

        return {"formulas": [pair(line) for line in self.heads], "where": [pair(line) for line in self.where]}
