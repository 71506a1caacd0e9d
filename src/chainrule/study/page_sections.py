"""The page's sections on the function itself, its gradient and its minimum."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from itertools import groupby

from ..trace.tree import flatten
from . import figures
from .html import code, equations, number, paragraph, picture, row, table, table_of, verdict
from .record import Fit, Formula, Row, Study

SHOWN = 12  # comparisons, and components of an argument, in a table
_LONGEST = 150  # rows of a table


def _program(study: Study) -> str:
    arguments = table(
        "Arguments",
        ("name", "type", ""),
        [(code(a.name), code(a.type), "varied" if a.varied else "fixed") for a in study.arguments],
    )
    groups = []
    for where, lines in groupby(study.program[:_LONGEST], key=lambda line: line.where):
        if where:
            groups.append(f'<tr class="place"><th scope="rowgroup" colspan="4">{code(where)}</th></tr>')
        groups += [row([code(text) for text in (s.name, s.type, s.computed, s.written)]) for s in lines]
    count = len(study.program)
    first = f"The first {_LONGEST} of {count} operations" if count > _LONGEST else f"{count} operations"
    recorded = table_of(
        f"{first}, under the source line that each comes from",
        ("value", "type", "operation", "written as"),
        "".join(groups),
    )
    cost = paragraph(study.explained.cost) if study.explained is not None and study.explained.cost else ""
    source = f"<pre><code>{escape(study.source)}</code></pre>" if study.source else ""
    return f"<p>The function was run once on stand-ins that recorded it.</p>{source}{arguments}{recorded}{cost}"


def _formula(formula: Formula) -> str:
    """Typeset, with its source for those who want to copy it."""
    return (
        f"{equations(formula.equations, formula.where)}"
        f"<details><summary>as text, and as LaTeX</summary><pre><code>{escape(formula.unicode)}</code></pre>"
        f"<pre><code>{escape(formula.latex)}</code></pre></details>"
    )


def _gradient(study: Study) -> str:
    explained = study.explained
    if explained is None:
        return ""
    return (
        f"<h3>The function</h3>{_formula(explained.value)}"
        f"<h3>Its gradient</h3>{_formula(explained.gradient)}"
        f"<h3>The gradient as NumPy code</h3><pre><code>{escape(explained.code)}</code></pre>"
    )


def _derivation(study: Study) -> str:
    explained = study.explained
    if explained is None:
        return ""
    steps = "".join(
        f'<li><div class="formula" tabindex="0"><p>{step.value.mathml}</p><p>{step.change.mathml}</p>'
        f"{''.join(f'<p>{math.mathml}</p>' for math in step.names)}</div>"
        f"<p class='soft'>by {escape(step.rules)}; {code(step.where)}</p></li>"
        for step in explained.steps[:_LONGEST]
    )
    count = len(explained.table)
    some = f" (the first {_LONGEST} of {count} values)" if count > _LONGEST else ""
    rows = table(
        f"Backpropagation: read down, it computes the result; read up, how the result changes with each value{some}",
        ("value", "shape", "derivative of the result", "‖value‖", "‖derivative‖", "written at"),
        [_backpropagated(r) for r in explained.table[:_LONGEST]],
        (3, 4),
    )
    where = equations((), explained.where) if explained.where else ""
    return (
        "<p>Each value that depends on what is varied, how it changes, and the rules that say so.</p>"
        f"<ol class='steps'>{steps}</ol>{rows}{where}"
    )


def _backpropagated(r: Row) -> tuple[str, ...]:
    sizes = ["" if size is None else f"{size:.4g}" for size in (r.size, r.adjoint_size)]
    return (r.value.mathml, code(r.shape), r.adjoint.mathml if r.adjoint else "–", *sizes, code(r.where))


def _check(study: Study) -> str:
    found = study.check
    if found is None:
        return ""
    rows = [
        (code(c.name), f"{c.gradient:.10g}", f"{c.slope:.10g}", f"{c.bar:.1g}", escape(f"{c.verdict} {c.note}"))
        for c in found.comparisons[:SHOWN]
    ]
    shown = len(found.comparisons)
    which = "All comparisons" if shown <= SHOWN else f"The {SHOWN} of {shown} comparisons that are least sure"
    told = table(which, ("component", "gradient", "differences", "error bar", "verdict"), rows, (1, 2, 3))
    how = (
        "<p class='soft'>Differences are taken from the function’s values alone, at steps that shrink, and "
        "extrapolated to step zero (Ridders, 1982). The error bar covers truncation, and rounding at a noise of "
        f"{found.noise:.1g} in the values (Moré &amp; Wild, 2011); {found.evaluations} values were asked for.</p>"
    )
    return verdict(found.verdict, found.reason) + told + how


def _sizes(study: Study) -> str:
    found = study.sizes
    if found is None:
        return ""
    kind = "agrees" if found.verdict == "steady" else "unreliable"
    parameters = [(code(p.name), _shape(p.shape), number(p.gradient), number(p.value)) for p in found.parameters]
    steps = [
        (escape(f"{v.name} = {v.formula}"), _shape(v.shape), number(v.adjoint), _gain(v.gain), code(v.line))
        for v in found.values[:_LONGEST]
    ]
    some = f"the first {_LONGEST} of {len(found.values)} steps" if len(found.values) > _LONGEST else "each step"
    return (
        verdict(kind, f"{found.verdict.capitalize()}: {found.reason}")
        + picture(found.figure, _BACK if len(found.values) > 1 else "")
        + table(
            "The gradient of each argument at the start",
            ("argument", "shape", "‖gradient‖", "‖argument‖"),
            parameters[:_LONGEST],
            (2, 3),
        )
        + table(
            f"The gradient at {some} of the program; the gain is what the step back multiplies it by",
            ("value", "shape", "‖derivative‖", "gain", "written at"),
            steps,
            (2, 3),
        )
    )


_BACK = "Read it from right to left: backpropagation begins at the result, and ends where the arguments enter."


def _shape(shape: tuple[int, ...]) -> str:
    return code(f"[{','.join(map(str, shape))}]")


def _gain(gain: float | None) -> str:
    return "" if gain is None else number(gain)


# --- the minimum ------------------------------------------------------------------------------------------------------


def _minimum(study: Study) -> str:
    if not study.fits:
        return ""
    falling = figures.descent(study)
    best = study.best
    parts = picture(figures.parts(best), _PARTS) if best is not None else ""
    words = "".join(_words(fit) for fit in study.fits)
    return words + picture(falling, falling.description) + _methods(study) + parts + _found(study)


_PARTS = (
    "Where one line lies far above the others, that argument is the one that still has far to go; where all fall "
    "together, the steps suit all of them."
)


def _methods(study: Study) -> str:
    minima = [fit.minimum for fit in study.fits]
    rows = [
        (escape(study.name), *(f"{m.fun:.10g}" for m in minima)),
        ("largest component of the gradient", *(f"{m.grad_norm:.1e}" for m in minima)),
        ("iterations", *(str(m.nit) for m in minima)),
        ("evaluations of value and gradient", *(str(m.nfev) for m in minima)),
        ("seconds", *(f"{m.seconds:.2g}" for m in minima)),
    ]
    for what in dict.fromkeys(what for fit in study.fits for what in fit.told):
        rows.append((escape(what), *(number(fit.told[what]) if what in fit.told else "" for fit in study.fits)))
    return table("How each method fared", ("", *(m.method for m in minima)), rows, range(1, len(minima) + 1))


def _words(fit: Fit) -> str:
    return verdict("agrees" if fit.minimum.success else "unreliable", str(fit.minimum)) + paragraph(fit.note)


def _found(study: Study) -> str:
    """The arguments at the best point, as far as they fit on a page."""
    if study.best is None:
        return ""
    rows = []
    for name, value in zip(study.wrt, study.best.minimum.x, strict=True):
        leaves, tree = flatten(value)
        for leaf, path in zip(leaves, tree.paths(), strict=True):
            numbers = [leaf] if not hasattr(leaf, "ravel") else leaf.ravel()[:SHOWN].tolist()
            size = getattr(leaf, "size", 1)
            more = f" … ({size} numbers)" if size > SHOWN else ""
            rows.append((code(name + path), ", ".join(map(number, numbers)) + more))
    return table(f"The point that {study.best.minimum.method} found", ("argument", "value"), rows)


SECTIONS: dict[str, Callable[[Study], str]] = {
    "program": _program,
    "gradient": _gradient,
    "derivation": _derivation,
    "check": _check,
    "sizes": _sizes,
    "minimum": _minimum,
}
