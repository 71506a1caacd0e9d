"""A study as one HTML page that needs nothing else: no script, no font, no picture from anywhere."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from pathlib import Path

from ..errors import ArgumentError
from ..numeric.check import GradientCheck
from ..trace.tree import flatten
from .chart import Curve, describe, svg
from .record import Explained, Fit, Formula, Math, Row, Study
from .style import CSS

_MARK = {"agrees": "✓", "wrong": "✗", "unreliable": "?"}
_SHOWN = 12  # comparisons, and components of an argument, in a table


def page(study: Study) -> str:
    """The whole page.

    >>> from chainrule.study import study
    >>> page(study(lambda x: x**2, 3.0)).startswith("<!doctype html>")
    True
    """
    title = escape(f"{study.name}: a study" if not study.file else f"{study.name} in {Path(study.file).name}: a study")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{CSS}</style>\n</head>\n<body>\n{body(study)}\n</body>\n</html>\n"
    )


def body(study: Study) -> str:
    """What stands in the page's body: also what a notebook shows."""
    parts = list(_sections(study))
    links = "".join(f'<li><a href="#{key}">{escape(title)}</a></li>' for key, title, _ in parts)
    sections = "\n".join(
        f'<section aria-labelledby="{key}"><h2 id="{key}">{escape(title)}</h2>{html}</section>'
        for key, title, html in parts
    )
    return (
        f"<header>{_head(study)}</header>\n"
        f'<nav aria-label="Contents"><ol>{links}</ol></nav>\n'
        f"<main>\n{sections}\n</main>\n<footer>{_foot(study)}</footer>"
    )


def _sections(study: Study) -> Iterator[tuple[str, str, str]]:
    """Key, title and contents of each section that was reached."""
    if study.program:
        yield "program", "1. The program", _program(study)
    if study.explained is not None:
        yield "gradient", "2. The gradient", _gradient(study.explained)
        yield "derivation", "3. The derivation", _derivation(study.explained)
    if study.check is not None:
        yield "check", "4. The check", _check(study.check)
    if study.fits:
        yield "minimum", "5. The minimum", _minimum(study)


# --- building blocks --------------------------------------------------------------------------------------------------


def table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """A table of ready HTML cells; each row begins with its heading, columns in `numbers` are set to the right."""
    return _table(caption, columns, "".join(_row(cells, numbers) for cells in rows), numbers)


def _table(caption: str, columns: Sequence[str], rows: str, numbers: Sequence[int] = ()) -> str:
    head = "".join(f'<th scope="col"{_side(i, numbers)}>{escape(name)}</th>' for i, name in enumerate(columns))
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(cells: Sequence[str], numbers: Sequence[int] = ()) -> str:
    first, *rest = cells
    others = "".join(f"<td{_side(i, numbers)}>{cell}</td>" for i, cell in enumerate(rest, start=1))
    return f'<tr><th scope="row">{first}</th>{others}</tr>'


def _side(i: int, numbers: Sequence[int]) -> str:
    return ' class="number"' if i in numbers else ""


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>" if text else ""


def _number(value: float) -> str:
    return f"{value:.6g}".replace("-", "−")


# --- the sections -----------------------------------------------------------------------------------------------------


def _head(study: Study) -> str:
    where = f" in <code>{escape(Path(study.file).name)}</code>" if study.file else ""
    names = ", ".join(f"<code>{escape(name)}</code>" for name in study.wrt)
    facts = "".join(f"<div><dt>{escape(what)}</dt><dd>{told}</dd></div>" for what, told in _facts(study))
    notices = [*study.notes]
    if study.interrupted:
        notices.append("The study was interrupted: this page holds what was done by then.")
    warned = "".join(f'<p class="notice" role="note">{escape(text)}</p>' for text in notices)
    return (
        f"<h1>A study of <code>{escape(study.name)}</code></h1>"
        f'<p class="subtitle">The function <code>{escape(study.name)}</code>{where}, with respect to {names} '
        f"(says {escape(study.chosen)}).</p>{warned}<dl class='facts'>{facts}</dl>"
    )


def _facts(study: Study) -> Iterator[tuple[str, str]]:
    """What a reader in a hurry wants to know."""
    yield f"{study.name} at the start", _number(study.value)
    if study.best is not None:
        yield (
            f"{study.name} at the minimum" if study.best.minimum.success else f"{study.name}, lowest found",
            _number(study.best.minimum.fun),
        )
    if study.check is not None:
        yield "gradient and differences", _verdict(study.check)
    if study.best is not None:
        for what, number in list(study.best.told.items())[:4]:
            yield what, _number(number)
    if study.complete:
        yield "time for all of it", f"{sum(study.seconds.values()):.2g} s"


def _verdict(check: GradientCheck) -> str:
    digits = f" to {check.digits} digits" if check.verdict == "agrees" else ""
    said = {"agrees": "agree", "wrong": "disagree", "unreliable": "can’t be compared"}[check.verdict]
    return f'<span class="verdict {check.verdict}">{_MARK[check.verdict]} {said}{digits}</span>'


def _program(study: Study) -> str:
    arguments = table(
        "Arguments",
        ("name", "type", ""),
        [(_code(a.name), _code(a.type), "varied" if a.varied else "fixed") for a in study.arguments],
    )
    groups = []
    for where, lines in groupby(study.program, key=lambda line: line.where):
        if where:
            groups.append(f'<tr class="place"><th scope="rowgroup" colspan="4">{_code(where)}</th></tr>')
        groups += [_row([_code(text) for text in (s.name, s.type, s.computed, s.written)]) for s in lines]
    recorded = _table(
        f"{len(study.program)} operations, under the source line that each comes from",
        ("value", "type", "operation", "written as"),
        "".join(groups),
    )
    cost = f"<p>{escape(study.explained.cost)}</p>" if study.explained is not None and study.explained.cost else ""
    source = f"<pre><code>{escape(study.source)}</code></pre>" if study.source else ""
    return f"<p>The function was run once on stand-ins that recorded it.</p>{source}{arguments}{recorded}{cost}"


def _formula(formula: Formula) -> str:
    """Typeset, with its source for those who want to copy it."""
    return (
        f"{_equations(formula.equations, formula.where)}"
        f"<details><summary>as text, and as LaTeX</summary><pre><code>{escape(formula.unicode)}</code></pre>"
        f"<pre><code>{escape(formula.latex)}</code></pre></details>"
    )


def _equations(equations: Sequence[Math], where: Sequence[Math]) -> str:
    lines = "".join(f"<p>{math.mathml}</p>" for math in equations)
    if where:
        lines += "<p class='soft'>where</p>" + "".join(f"<p>{math.mathml}</p>" for math in where)
    return f'<div class="formula">{lines}</div>'


def _gradient(explained: Explained) -> str:
    return (
        f"<h3>The function</h3>{_formula(explained.value)}"
        f"<h3>Its gradient</h3>{_formula(explained.gradient)}"
        f"<h3>The gradient as NumPy code</h3><pre><code>{escape(explained.code)}</code></pre>"
    )


def _derivation(explained: Explained) -> str:
    steps = "".join(
        f'<li><div class="formula"><p>{step.value.mathml}</p><p>{step.change.mathml}</p>'
        f"{''.join(f'<p>{math.mathml}</p>' for math in step.names)}</div>"
        f"<p class='soft'>by {escape(step.rules)}; {_code(step.where)}</p></li>"
        for step in explained.steps
    )
    rows = table(
        "Backpropagation: read it down to compute the result, up to compute how the result changes with each value",
        ("value", "shape", "derivative of the result", "‖value‖", "‖derivative‖", "written at"),
        [_backpropagated(row) for row in explained.table],
        (3, 4),
    )
    where = _equations((), explained.where) if explained.where else ""
    return (
        "<p>Each value that depends on what is varied, how it changes, and the rules that say so.</p>"
        f"<ol class='steps'>{steps}</ol>{rows}{where}"
    )


def _backpropagated(row: Row) -> tuple[str, ...]:
    sizes = ["" if size is None else f"{size:.4g}" for size in (row.size, row.adjoint_size)]
    return (row.value.mathml, _code(row.shape), row.adjoint.mathml if row.adjoint else "–", *sizes, _code(row.where))


def _check(check: GradientCheck) -> str:
    verdict = f'<p><span class="verdict {check.verdict}">{_MARK[check.verdict]}</span> {escape(check.reason)}</p>'
    rows = [
        (_code(c.name), f"{c.gradient:.10g}", f"{c.slope:.10g}", f"{c.bar:.1g}", escape(f"{c.verdict} {c.note}"))
        for c in check.comparisons[:_SHOWN]
    ]
    shown = len(check.comparisons)
    which = "All comparisons" if shown <= _SHOWN else f"The {_SHOWN} of {shown} comparisons that are least sure"
    told = table(which, ("component", "gradient", "differences", "error bar", "verdict"), rows, (1, 2, 3))
    how = (
        "<p class='soft'>Differences are taken from the function’s values alone, at steps that shrink, and "
        "extrapolated to step zero (Ridders, 1982). The error bar covers truncation, and rounding at a noise of "
        f"{check.noise:.1g} in the values (Moré &amp; Wild, 2011); {check.evaluations} values were asked for.</p>"
    )
    return verdict + told + how


def _minimum(study: Study) -> str:
    curves = [Curve(f.minimum.method, f.minimum.path.iterations, f.minimum.path.values) for f in study.fits]
    picture = svg(curves, study.name)
    figure = f"<figure>{picture}<figcaption>{escape(describe(curves))}</figcaption></figure>" if picture else ""
    return figure + _methods(study) + "".join(_words(fit) for fit in study.fits) + _found(study)


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
        rows.append((escape(what), *(_number(fit.told[what]) if what in fit.told else "" for fit in study.fits)))
    return table("How each method fared", ("", *(m.method for m in minima)), rows, range(1, len(minima) + 1))


def _words(fit: Fit) -> str:
    mark, kind = ("✓", "agrees") if fit.minimum.success else ("?", "unreliable")
    note = f"<p>{escape(fit.note)}</p>" if fit.note else ""
    return f'<p><span class="verdict {kind}">{mark}</span> {escape(str(fit.minimum))}</p>{note}'


def _found(study: Study) -> str:
    """The arguments at the best point, as far as they fit on a page."""
    if study.best is None:
        return ""
    rows = []
    for name, value in zip(study.wrt, study.best.minimum.x, strict=True):
        leaves, tree = flatten(value)
        for leaf, path in zip(leaves, tree.paths(), strict=True):
            numbers = [leaf] if not hasattr(leaf, "ravel") else leaf.ravel().tolist()
            more = f" … ({len(numbers)} numbers)" if len(numbers) > _SHOWN else ""
            rows.append((_code(name + path), ", ".join(map(_number, numbers[:_SHOWN])) + more))
    return table(f"The point that {study.best.minimum.method} found", ("argument", "value"), rows)


def _foot(study: Study) -> str:
    from .. import __version__

    spent = ", ".join(f"{what} {seconds:.2g} s" for what, seconds in study.seconds.items())
    return f"<p>chainrule {escape(__version__)}. {escape(spent)}.</p>"


# --- the file ---------------------------------------------------------------------------------------------------------


def require_writable(path: Path) -> None:
    """Say now, not after the work, that the page can't be written there."""
    folder = path.parent
    if path.is_dir():
        raise ArgumentError(f"{path} is a folder, not a file to write", hint=f"--html {path / 'study.html'}")
    if not folder.is_dir():
        raise ArgumentError(f"{path} can't be written: there is no folder {folder}", hint=f"mkdir -p {folder}")
    if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise ArgumentError(f"{path} can't be written: permission denied")


def write(study: Study, path: Path) -> None:
    """Write the page, whole or not at all."""
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".part", delete=False) as file:
            file.write(page(study))
        os.chmod(file.name, 0o666 & ~_umask())
        os.replace(file.name, path)
    except OSError as error:
        raise ArgumentError(f"{path} can't be written: {error.strerror}") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
