"""The record of a numerical derivative: numbers in the structure of the arguments, each with its error bar."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from ..ir import Array
from ..trace.tree import flatten


@dataclass(frozen=True)
class NumericalDerivative:
    """A derivative from values alone: the truth lies within `error` of `value`, where no note says otherwise.

    `value`, `error` and `step` (the size of the finest step used) have the structure and shapes that `grad`, `jacobian`
    or `hessian` would give. `error` is infinite where the values tell no derivative (`notes` says why), and NaN with
    the method "central", which has no way to know its error. Works as an array: `np.asarray(d)`, `d[0]`, `len(d)`.
    """

    value: Any
    error: Any
    step: Any
    evaluations: int
    method: str
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def reliable(self) -> bool:
        """Whether every number has a finite error bar, and no kink, jump or edge is in the way."""
        return not self.notes and all(bool(np.all(np.isfinite(e))) for e in flatten(self.error)[0])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.value, dtype=dtype)

    def __float__(self) -> float:
        return float(self.value)

    def __getitem__(self, index: Any) -> Any:
        return self.value[index]

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.value)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists; structures as flat lists, by place."""
        return {
            **{part: _plain(getattr(self, part)) for part in ("value", "error", "step")},
            "evaluations": self.evaluations,
            "method": self.method,
            "reliable": self.reliable,
            "notes": [{"where": where, "note": note} for where, note in self.notes],
        }

    def __str__(self) -> str:
        errors = np.concatenate([np.ravel(e) for e in flatten(self.error)[0]] or [np.zeros(0)])
        known = errors[np.isfinite(errors)]
        bar = f", to within {known.max():.1g}" if known.size else ", error unknown"
        said = [f"{self.value} by differences{bar} ({self.evaluations} evaluations)"]
        said += [f"at {where}: {note}" for where, note in self.notes[:4]]
        if len(self.notes) > 4:
            said.append(f"and {len(self.notes) - 4} more")
        return "\n".join(said)

    def _repr_html_(self) -> str:
        leaves = [flatten(part)[0] for part in (self.value, self.error, self.step)]
        rows = "".join(
            f"<tr><th scope='row'>{escape(path)}{escape(str(list(index))) if index else ''}</th>"
            f"<td>{value[index]:.10g}</td><td>{error[index]:.1g}</td><td>{step[index]:.1g}</td></tr>"
            for path, *arrays in zip(flatten(self.value)[1].paths(), *leaves, strict=True)
            for value, error, step in [[np.asarray(a) for a in arrays]]
            for index in list(np.ndindex(value.shape))[:20]
        )
        head = "".join(f"<th scope='col'>{name}</th>" for name in ("", "derivative", "error bar", "step"))
        notes = "".join(f"<p>{escape(where)}: {escape(note)}</p>" for where, note in self.notes[:8])
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{notes}"


def _plain(x: Any) -> Any:
    if isinstance(x, dict):
        return {str(key): _plain(value) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return [_plain(value) for value in x]
    fields = getattr(x, "__dataclass_fields__", None)
    return np.asarray(x).tolist() if fields is None else {name: _plain(getattr(x, name)) for name in fields}
