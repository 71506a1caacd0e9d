"""A study in a terminal: plain words and tables that read as well without colour, and through a pipe."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import IO, cast

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TextColumn
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from ..numeric.optimize import Progress as Step
from .contents import contents, has
from .record import Explained, Fit, Study
from .sparkline import sparkline
from .summary import summary

_SHOWN = 20  # arguments
_NARROWEST = 100  # of what is written into a pipe


def console(stderr: bool = False) -> Console:
    """Where to print: as wide as the terminal, wide enough in a pipe. What looks like markup is the user's own text."""
    found = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if found.is_terminal:
        return found
    stream = cast(IO[str], _Pipe(found.file))
    return Console(file=stream, width=max(_NARROWEST, found.width), highlight=False, markup=False, emoji=False)


class _Pipe:
    """A stream that takes the blanks off the ends of lines: rich fills every line up with them."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        self.stream.write(re.sub(r"[ ]+$", "", text, flags=re.MULTILINE))
        return len(text)

    def flush(self) -> None:
        self.stream.flush()


class Printer:
    """Prints the sections of a study as they get done, each once."""

    def __init__(self, out: Console) -> None:
        self.out = out
        self.printed: set[str] = set()

    def __call__(self, study: Study) -> None:
        for key, title, part in sections(study):
            if key in self.printed:
                continue
            self.printed.add(key)
            if title:
                self.out.print()
                self.out.print(Text(title, style="bold"))
            self.out.print(part)


def sections(study: Study) -> Iterator[tuple[str, str, RenderableType]]:
    """Key, title and contents of each section that is there."""
    yield "head", "", _head(study)
    for key, title in contents(study):
        for part, content in _parts(study, key):
            yield part, title if part == key else "", _indented(content)
    if study.interrupted:
        yield "interrupted", "", Text("\nInterrupted: this is what was done by then.")
    if study.complete:
        yield "summary", "In short", _indented(Text(" ".join(summary(study))))


def _parts(study: Study, key: str) -> Iterator[tuple[str, RenderableType]]:
    """The parts of a section; the first, which has the section's key, goes under its title."""
    parts = list(_content(study, key))
    missing = study.left_out.get(key, "")
    if missing:
        parts.insert(0, Text(f"{missing[:1].upper()}{missing[1:]}."))
    for n, part in enumerate(parts):
        yield f"{key} {n}" if n else key, part


def _content(study: Study, key: str) -> Iterator[RenderableType]:
    if key == "program":
        yield _program(study)
        if study.explained is not None:
            yield Text(f"\n{study.explained.cost}")
    elif key == "gradient" and study.explained is not None:
        yield _gradient(study.explained)
    elif key == "derivation" and study.explained is not None:
        yield _derivation(study.explained)
    elif key == "minimum":
        yield from map(_fit, study.fits)
    elif key in WORDS and has(study, key):
        yield WORDS[key](study)


def _indented(part: RenderableType) -> RenderableType:
    return Padding(part, (0, 0, 0, 2), expand=False)


def _head(study: Study) -> RenderableType:
    where = f" in {Path(study.file).name}" if study.file else ""
    lines = [
        Text(f"{study.name}{where}, with respect to {', '.join(study.wrt)} (says {study.chosen})", style="bold"),
        *(Text(f"  {a.name}: {a.type}{'   varied' if a.varied else ''}") for a in study.arguments),
        Text(f"  {study.name} = {study.value:.10g} at the start"),
    ]
    return Group(*lines)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="underline")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _program(study: Study) -> RenderableType:
    parts: list[RenderableType] = []
    for where, lines in groupby(study.program, key=lambda line: line.where):
        rows = [(line.name, line.type, line.computed, line.written) for line in lines]
        parts += [Text(where, style="bold"), _indented(_table(("value", "type", "operation", "written as"), rows))]
    return Group(*parts)


def _gradient(explained: Explained) -> RenderableType:
    code = Syntax(explained.code, "python", theme="ansi_dark", background_color="default", word_wrap=True)
    formulas = [Text(f"{math.unicode}\n") for math in (explained.value, explained.gradient)]
    return Group(*formulas, Text("The gradient as NumPy code:\n"), code)


def _derivation(explained: Explained) -> RenderableType:
    steps: list[RenderableType] = []
    for step in explained.steps:
        steps += [Text(step.value.unicode), Text(f"  {step.change.unicode}")]
        steps += [Text(f"  where {math.unicode}") for math in step.names]
        steps.append(Text(f"  by {step.rules}\n", style="dim"))
    rows = [(r.value.unicode, r.shape, r.adjoint.unicode if r.adjoint else "–", r.where) for r in explained.table]
    where = [Text(f"where {math.unicode}") for math in explained.where]
    table = _table(("value", "shape", "how the result changes with it", "written at"), rows)
    return Group(*steps, Text("Backpropagation:\n"), table, *where)


def _fit(fit: Fit) -> RenderableType:
    found = fit.minimum
    curve = sparkline(found.path.iterations, found.path.values)
    lines = [
        Text(str(found)),
        Text(f"  {found.path.values[0]:.4g} {curve} {found.fun:.4g}"),
        *(Text(f"  {what}: {number:.6g}") for what, number in fit.told.items()),
    ]
    if fit.note:
        lines.append(Text(f"  {fit.note}"))
    return Group(*lines)


def _check(study: Study) -> RenderableType:
    return Text(str(study.check or ""))


def _sizes(study: Study) -> RenderableType:
    found = study.sizes
    if found is None:
        return Text("")
    rows = [(p.name, f"{p.gradient:.4g}", f"{p.value:.4g}") for p in found.parameters[:_SHOWN]]
    return Group(
        Text(f"{found.verdict.capitalize()}: {found.reason}\n"), _table(("argument", "‖gradient‖", "‖argument‖"), rows)
    )


def _convexity(study: Study) -> RenderableType:
    found = study.convexity
    return Text("" if found is None else f"{found.reason} {found.minima}")


def _point(study: Study) -> RenderableType:
    return Text(str(study.point or study.curvature or ""))


def _rates(study: Study) -> RenderableType:
    found = study.rates
    if found is None:
        return Text("")
    rows = [
        (
            f"{r.rate:.4g}",
            f"{r.factor:g}",
            r.regime,
            sparkline(range(len(r.values)), r.values, 20),
            f"{r.values[-1]:.4g}",
        )
        for r in sorted(found.runs, key=lambda r: r.rate)
    ]
    parts: list[RenderableType] = [Text(str(found.answer))]
    if rows:
        parts += [Text(""), _table(("learning rate", "times 2/λmax", "how it went", "", "at its end"), rows)]
    return Group(*parts, *([Text(found.note)] if found.note else []))


def _landscape(study: Study) -> RenderableType:
    found = study.landscape
    return Text("" if found is None else f"{found}{' ' + found.left_out if found.left_out else ''}")


def _examples(study: Study) -> RenderableType:
    found = study.examples
    if found is None:
        return Text("")
    return Group(Text(f"At the start: {found.start}"), *([Text(f"At the end: {found.end}")] if found.end else []))


WORDS: dict[str, Callable[[Study], RenderableType]] = {
    "check": _check,
    "sizes": _sizes,
    "convexity": _convexity,
    "point": _point,
    "rates": _rates,
    "landscape": _landscape,
    "examples": _examples,
}


class Bar:
    """What is under way, and how far: a progress bar on a terminal, silent elsewhere."""

    def __init__(self, out: Console) -> None:
        columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}")
        self.progress = Progress(*columns, console=out, transient=True, disable=not out.is_terminal)
        self.task = self.progress.add_task("", total=None, told="")

    def __enter__(self) -> Bar:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def __call__(self, what: str, step: Step | None) -> None:
        told, total, done = "", None, 0
        if step is not None:
            told = f"iteration {step.nit}, value {step.fun:.6g}, gradient {step.grad_norm:.1e}"
            total, done = step.max_iter, step.nit
        self.progress.update(self.task, description=what, told=told, total=total, completed=done)
