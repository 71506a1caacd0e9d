"""A study in a terminal: plain words and tables that read as well without colour, and through a pipe."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
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
from .chart import Curve, sparkline
from .record import Explained, Fit, Study

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
    if study.program:
        yield "program", "1. The program", _program(study)
        if study.explained is not None:
            yield "cost", "", _indented(Text(f"\n{study.explained.cost}"))
    if study.explained is not None:
        yield "gradient", "2. The gradient", _gradient(study.explained)
        yield "derivation", "3. The derivation", _derivation(study.explained)
    for note in study.notes:
        yield note, "", Text(note)
    if study.check is not None:
        yield "check", "4. The check", _indented(Text(str(study.check)))
    for n, fit in enumerate(study.fits):
        yield f"fit {n}", "" if n else "5. The minimum", _fit(fit)
    if study.interrupted:
        yield "interrupted", "", Text("\nInterrupted: this is what was done by then.")


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
    return _indented(Group(*parts))


def _gradient(explained: Explained) -> RenderableType:
    code = Syntax(explained.code, "python", theme="ansi_dark", background_color="default", word_wrap=True)
    formulas = [Text(f"{math.unicode}\n") for math in (explained.value, explained.gradient)]
    return _indented(Group(*formulas, Text("The gradient as NumPy code:\n"), code))


def _derivation(explained: Explained) -> RenderableType:
    steps: list[RenderableType] = []
    for step in explained.steps:
        steps += [Text(step.value.unicode), Text(f"  {step.change.unicode}")]
        steps += [Text(f"  where {math.unicode}") for math in step.names]
        steps.append(Text(f"  by {step.rules}\n", style="dim"))
    rows = [(r.value.unicode, r.shape, r.adjoint.unicode if r.adjoint else "–", r.where) for r in explained.table]
    where = [Text(f"where {math.unicode}") for math in explained.where]
    table = _table(("value", "shape", "how the result changes with it", "written at"), rows)
    return _indented(Group(*steps, Text("Backpropagation:\n"), table, *where))


def _fit(fit: Fit) -> RenderableType:
    found = fit.minimum
    curve = Curve(found.method, found.path.iterations, found.path.values)
    lines = [
        Text(str(found)),
        Text(f"  {found.path.values[0]:.4g} {sparkline(curve)} {found.fun:.4g}"),
        *(Text(f"  {what}: {number:.6g}") for what, number in fit.told.items()),
    ]
    if fit.note:
        lines.append(Text(f"  {fit.note}"))
    return _indented(Group(*lines))


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
