"""Reference pages from the op table and from docstrings: `python -m chainrule.explain.reference docs/reference`.

What an entry states is what its page says: how it is written, where it is defined, what it can return, its derivative,
its antiderivative, its kinks. The same table gives the same pages.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ..ir import ArrayType, Program, Var
from ..ops.op import OPS, Elementwise, Op
from ..trace.recorder import Recorder, Traced
from ..transform.forward import forward
from .formula import Typesetter
from .layout import Box, number
from .names import prime, symbol
from .textbook import with_book_rules
from .tidy import tidy

LETTERS = ("u", "v", "w")


def op_page(op: Op) -> str:
    """The page of one entry, in Markdown."""
    lines = [f"## {op.name}", ""]
    if isinstance(op, Elementwise):
        value, slope = derivative_of(op)
        lines += [f"$${value.latex}$$", "", f"Derivative: $({value.latex})' = {slope.latex}$", ""]
        for letter, whole in antiderivatives_of(op):
            lines += [f"Antiderivative: $\\int {value.latex}\\,\\mathrm{{d}}{letter.latex} = {whole.latex} + C$", ""]
    lines += [f"- {fact}" for fact in _facts(op)]
    return "\n".join([*lines, ""])


def _facts(op: Op) -> list[str]:
    facts = [f"kind: {type(op).__name__.lower()}", f"rule: {op.rule or '–'}"]
    notation = op.notation
    if notation is not None and notation.text and notation.style not in ("infix", "prefix", "power", "fraction"):
        facts.append(f"in NumPy: `{notation.text}`")
    if isinstance(op, Elementwise):
        names = ("x",) if op.arity == 1 else LETTERS
        facts += [f"{name} in {domain}" for name, domain in zip(names, op.domain, strict=False)]
        facts.append(f"result in {op.image}")
        if op.kinks:
            facts.append(f"the slope jumps at {', '.join(f'{k:g}' for k in op.kinks)}")
        if op.derivative is None:
            facts.append("constant between its steps: no slope")
    return facts


def derivative_of(op: Elementwise) -> tuple[Box, Box]:
    """How an op is written of letters, and its derivative by the book.

    >>> from chainrule.ops.elementary import tanh
    >>> print(*derivative_of(tanh), sep="   ")
    tanh(u)   (1 − tanh²(u)) u′
    """
    params = op.samples[0]
    recorder, inputs, boxes = _letters(op)
    types = [t.type for t in inputs]
    (output,) = recorder.emit(op, _vars(inputs), dict(params), None)
    program = Program(_vars(inputs), tuple(recorder.equations), (output,))
    moving = [i for i, t in enumerate(types) if t.differentiable]
    value = Typesetter(program, named=boxes).box(output)
    if not moving or not output.type.differentiable:
        return value, number("0")
    found = forward(with_book_rules(program), moving)
    if found.present[0] is None:
        return value, number("0")
    dots = found.program.inputs[op.arity :]
    boxes |= {d: prime(boxes[program.inputs[i]]) for d, i in zip(dots, moving, strict=True)}
    slope = tidy(
        Program(found.program.inputs, found.program.equations, (found.program.outputs[found.present[0]],)), dots
    )
    setter = Typesetter(slope, named=boxes, inline=True)
    return value, setter.formula(number("0"), slope.outputs[0]).right


def antiderivatives_of(op: Elementwise) -> list[tuple[Box, Box]]:
    """For each input with one: the input's letter, and the antiderivative that the entry states.

    >>> from chainrule.ops.elementary import log_
    >>> print(*antiderivatives_of(log_)[0], sep="   ")
    u   u (ln(u) − 1)
    """
    if op.antiderivative is None:
        return []
    recorder, inputs, boxes = _letters(op)
    (output,) = recorder.emit(op, _vars(inputs), dict(op.samples[0]), None)
    stated = op.antiderivatives(inputs, Traced(recorder, output), **op.samples[0])
    found = []
    for v, whole in zip(_vars(inputs), stated, strict=True):
        if whole is not None:
            program = tidy(Program(_vars(inputs), tuple(recorder.equations), (recorder.atom(whole),)), expand=False)
            setter = Typesetter(program, named=boxes, inline=True)
            found.append((boxes[v], setter.formula(number("0"), program.outputs[0]).right))
    return found


def _letters(op: Elementwise) -> tuple[Recorder, list[Traced], dict[Var, Box]]:
    """A recording whose inputs are letters, one for each input of the op."""
    recorder = Recorder(quiet=True)
    inputs = [recorder.input(_letter_type(op, i)) for i in range(op.arity)]
    return recorder, inputs, {v: symbol(letter) for v, letter in zip(_vars(inputs), LETTERS, strict=False)}


def _vars(inputs: list[Traced]) -> tuple[Var, ...]:
    return tuple(a for t in inputs if isinstance(a := t.atom, Var))


def _letter_type(op: Elementwise, i: int) -> ArrayType:
    dtypes = op.operand_dtypes((np.dtype(np.float64),) * op.arity)
    return ArrayType((), dtypes[i])


# --- pages ------------------------------------------------------------------------------------------------------------


def op_pages() -> dict[str, str]:
    """A page for each kind of op, by file name."""
    pages: dict[str, str] = {}
    for kind in dict.fromkeys(type(op).__name__ for op in OPS.values()):
        ops = sorted((op for op in OPS.values() if type(op).__name__ == kind), key=lambda op: op.name)
        body = "\n".join(op_page(op) for op in ops)
        pages[f"ops-{kind.lower()}.md"] = f"# {kind} ops\n\n{_about(type(ops[0]))}\n\n{body}"
    return pages


def _about(kind: Any) -> str:
    return inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0]


def public_page(module: Any) -> str:
    """The docstrings of a module's public names, under the intent of the file that each comes from."""
    parts = ["# Public functions", "", _about(module), "", "| Function | What it is |", "|---|---|"]
    members = _members(module)
    parts += [f"| [{name}](#{_anchor(name)}) | {_first_sentence(value)} |" for name, value in members.items()]
    intents: dict[str, list[str]] = {}
    for name, value in members.items():
        intents.setdefault(_intent(value), []).append(name)
    for intent, names in intents.items():
        parts += ["", f"## {intent}"]
        for name in names:
            value = members[name]
            parts += ["", f"### {name}", "", f"`{name}{_signature(value)}`", "", _docstring(value)]
    return "\n".join(parts)


def _members(module: Any) -> dict[str, Any]:
    """What a module offers to be called; of a module among its names, what that one offers: `schedules.cosine`."""
    found: dict[str, Any] = {}
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.ismodule(value):
            found |= {f"{name}.{inner}": member for inner, member in _members(value).items()}
        elif callable(value):
            found[name] = value
    return found


def _anchor(heading: str) -> str:
    return heading.lower().replace(".", "")


def _intent(value: Any) -> str:
    """What the file of a public function is for: the beginning of its docstring."""
    source = inspect.getmodule(inspect.unwrap(value))
    return _about(source).partition("\n")[0].partition(":")[0].rstrip(".")


def _first_sentence(value: Any) -> str:
    about = _about(value).replace("\n", " ").replace("|", r"\|")
    first = re.split(r"(?<=[.:;?]) ", about)[0].rstrip(".:;")
    return first if first.endswith("?") else first + "."


def _signature(value: Any) -> str:
    try:
        return re.sub(r" at 0x[0-9a-f]+|'", "", str(inspect.signature(value)))
    except (TypeError, ValueError):
        return "(…)"


def _docstring(value: Any) -> str:
    """Prose, with examples as code blocks."""
    blocks = inspect.cleandoc(value.__doc__ or "").split("\n\n")
    return "\n\n".join(f"```pycon\n{b}\n```" if b.startswith(">>>") else b for b in blocks)


def write(folder: Path) -> list[Path]:
    """Write all pages into a folder; returns their paths."""
    package = sys.modules[str(__package__).partition(".")[0]]
    pages = {**op_pages(), "api.md": public_page(package)}
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in pages.items():
        (folder / name).write_text(page.rstrip() + "\n", encoding="utf-8")
    return [folder / name for name in pages]


if __name__ == "__main__":
    for path in write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/reference")):
        print(path)
