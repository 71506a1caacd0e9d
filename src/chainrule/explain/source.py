"""Write a program as NumPy source: a function that runs on its own, with nothing but NumPy and SciPy.

>>> import numpy as np
>>> from chainrule import trace
>>> def loss(w, X, y):
...     r = X @ w - y
...     return np.mean(r**2)
>>> print(source(trace(loss, np.ones(3), np.ones((5, 3)), np.ones(5))))
import numpy as np
<BLANKLINE>
<BLANKLINE>
def loss(w, X, y):
    r = X @ w - y
    return np.sum(r ** 2) / 5
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from textwrap import wrap
from typing import Any
from unicodedata import normalize

from ..ir import Array, Atom, Const, Equation, Program, Var
from ..ops.contraction import Contraction, Spec
from .formula import Typesetter, is_view, user_names, views
from .layout import Box
from .names import fresh, identifier
from .python_text import Text, array, contraction, element, helper, number, statements, stretched, written
from .styles import notation_of
from .textbook import gradient_program, typesetter

WIDE = 72  # an expression longer than this is assigned to a variable
SHORT = 48  # a constant array longer than this stands above the function


@dataclass(frozen=True)
class Source:
    """Python source of one function, which needs nothing else to run.

    `constants` are arrays that the recorded function computes itself and that are too large to write out: they are
    arguments behind the `parameters`, which `function` fills in.
    """

    text: str
    name: str
    parameters: tuple[str, ...]
    constants: Mapping[str, Array] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text

    def function(self) -> Callable[..., Any]:
        """The function that the text defines."""
        scope: dict[str, Any] = {}
        exec(compile(self.text, f"<{self.name}>", "exec"), scope)  # our own text, of names and numbers only
        function: Callable[..., Any] = scope[self.name]
        return partial(function, **self.constants) if self.constants else function

    def as_dict(self) -> dict[str, Any]:
        return {
            "code": self.text,
            "name": self.name,
            "parameters": list(self.parameters),
            "constants": list(self.constants),
        }


def source(
    program: Program,
    name: str | None = None,
    results: Sequence[str] = (),
    counts: Mapping[Var, int] | None = None,
    letters: Mapping[Var, str] | None = None,
) -> Source:
    """The program as a NumPy function.

    `results` are names for what it returns, `counts` inputs that are known, `letters` what a formula calls values.
    """
    own = identifier(program.name) if program.name.isidentifier() else "f"
    return _Writer(program, name or own, results, counts or {}, letters or {}).source()


def gradient_source(
    program: Program, wanted: Sequence[int], name: str = "gradient", setter: Typesetter | None = None
) -> Source:
    """The gradient in the wanted inputs as a NumPy function: the formula that `textbook.gradient` shows, in code.

    `setter` has typeset that formula: a value has the same name in both.
    """
    setter = setter or typesetter(gradient_program(program, wanted))
    names = user_names(program)
    results = [f"d{names.get(program.inputs[i], '')}" for i in wanted]
    letters = {v: _letter(box) for v, (box, _) in setter.definitions.items()}
    return source(setter.program, name, results, setter.counts, letters)


def _letter(box: Box) -> str:
    """A name in mathematics as one in code: t1 for t₁, q for the elements qᵢⱼ."""
    if box.kind == "lowered" and not box.parts[1].unicode.isdigit():
        box = box.parts[0]
    return normalize("NFKC", box.unicode)


class _Writer:
    """Goes through a program once; a value is written where it is used, or assigned when it is shared or long."""

    def __init__(
        self, program: Program, name: str, results: Sequence[str], counts: Mapping[Var, int], letters: Mapping[Var, str]
    ) -> None:
        self.program = program
        self.name = name
        self.producer = {v: e for e in program.equations for v in e.outputs}
        self.counts = counts
        self.lines: list[str] = []
        self.helpers: dict[str, str] = {}
        self.constants: dict[str, Array] = {}
        self.arrays: list[str] = []  # constants that stand above the function
        self.constant_texts: dict[int, Text] = {}
        self.texts: dict[Var, Text] = {}
        self.taken = {"np", "special", name, *keyword.kwlist, *(e.op.name for e in program.equations)}
        self.names = {v: self._free(identifier(n)) for v, n in user_names(program).items()}
        self.results = [self._free(identifier(n)) for n in results]
        for v, result in zip(program.outputs, self.results, strict=False):
            if isinstance(v, Var) and v not in program.inputs:
                self.names.setdefault(v, result)
        self.names |= {v: self._free(identifier(n)) for v, n in letters.items() if v not in self.names}
        self._fresh = fresh(self.taken)
        self._uses = views(program)[1]

    def _free(self, name: str) -> str:
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def source(self) -> Source:
        for v in self.program.inputs:
            self.texts[v] = Text(self._name(v))
        parameters = tuple(self.texts[v].code for v in self.program.inputs if v not in self.counts)
        self.lines += [f"{self.texts[v].code} = {n}" for v, n in self.counts.items()]
        for e in self.program.equations:
            self._read(e)
        outputs = [self._result(a, i) for i, a in enumerate(self.program.outputs)]
        self.lines.append("return " + ", ".join(outputs))
        body = "\n".join("    " + line for line in self.lines)
        told = [f"# {n}: {x.dtype}[{','.join(map(str, x.shape))}], a constant\n" for n, x in self.constants.items()]
        function = f"{''.join(told)}def {self.name}({', '.join((*parameters, *self.constants))}):\n{body}\n"
        arrays = ["\n".join(self.arrays)] if self.arrays else []
        blocks = [*arrays, *(h + "\n" for h in self.helpers.values()), function]
        used = "\n".join(blocks)
        imports = "import numpy as np\n" + ("from scipy import special\n" if "special." in used else "")
        return Source("\n\n".join([imports, *blocks]).rstrip() + "\n", self.name, parameters, self.constants)

    def _result(self, a: Atom, i: int) -> str:
        text = self._full(a)
        if not self.results or text.code.isidentifier():
            return text.code
        self.lines.append(f"{self.results[i]} = {text.code}")
        return self.results[i]

    def _name(self, v: Var) -> str:
        return self.names.get(v) or next(self._fresh)

    # --- one equation ---

    def _read(self, e: Equation) -> None:
        if helper(e):
            self.helpers[e.op.name] = helper(e)
        if len(e.outputs) > 1:
            names = [self._name(v) for v in e.outputs]
            self.lines.append(f"{', '.join(names)} = {self._expression(e).code}")
            self.texts.update((v, Text(n)) for v, n in zip(e.outputs, names, strict=True))
            return
        v = e.output
        self_assigning = statements(e, "", [Text("x")] * len(e.inputs)) is not None
        text = Text("") if self_assigning else self._expression(e)
        if self_assigning or self._assigned(e, v, text):
            name = self._name(v)
            parts = [*map(self._full, e.inputs[:-1]), self._unrepeated(e.inputs[-1]) or self._full(e.inputs[-1])]
            lines = statements(e, name, parts) if self_assigning else None
            self.lines += lines or [f"{name} = {text.code}"]
            text = Text(name)
        self.texts[v] = text

    def _assigned(self, e: Equation, v: Var, text: Text) -> bool:
        if text.code.isidentifier() or (is_view(e) and not v.name):
            return False
        if v in self.names or len(text.code) > WIDE:
            return True
        return self._uses[v] > 1 and len(text.code) > 8

    def _expression(self, e: Equation) -> Text:
        if isinstance(e.op, Contraction):
            return self._contraction(e)
        if e.op.aligned:
            return written(e, self._aligned(e))
        read = self._element(e)
        if read is not None:
            return read
        return written(e, [self._full(a) for a in e.inputs])

    def _element(self, e: Equation) -> Text | None:
        """`x[4]` for the slice x[4:5] without its axis; None for all else."""
        inner = self.producer.get(e.inputs[0]) if isinstance(e.inputs[0], Var) else None
        if notation_of(e).style != "silent" or inner is None or notation_of(inner).style != "slice":
            return None
        return element(inner, self._full(inner.inputs[0]), e.output.type.shape)

    def _contraction(self, e: Equation) -> Text:
        spec: Spec = e.params["spec"]
        shapes = [a.type.shape for a in e.inputs]
        return contraction(spec, shapes, [self._full(a) for a in e.inputs])

    # --- operands ---

    def _aligned(self, e: Equation) -> list[Text]:
        """Operands of an elementwise op: NumPy repeats them itself, as long as one has the full shape."""
        shape = e.outputs[0].type.shape
        loose = [self._unrepeated(a) for a in e.inputs]
        filled = any(a.type.shape == shape and x is None for a, x in zip(e.inputs, loose, strict=True))
        others = [any(isinstance(b, Var) for b in e.inputs[:i] + e.inputs[i + 1 :]) for i in range(len(e.inputs))]
        return [
            x if x is not None and filled else self._full(a, whole=other)
            for a, x, other in zip(e.inputs, loose, others, strict=True)
        ]

    def _unrepeated(self, a: Atom) -> Text | None:
        """What was repeated to a larger shape, before it was; None if that is not what it is."""
        if isinstance(a, Const):
            return None
        e = self.producer.get(a)
        if e is None or not isinstance(e.op, Contraction) or len(e.inputs) != 1 or a in self.names:
            return None
        spec: Spec = e.params["spec"]
        labels = spec.ins[0]
        if not spec.new or len(set(spec.out)) < len(spec.out):  # a repeated label is a Kronecker delta
            return None
        if set(labels) <= set(spec.out) and list(labels) == [n for n in spec.out if n in labels]:
            return stretched(self._full(e.inputs[0]), labels, spec.out)
        shape, target = e.inputs[0].type.shape, a.type.shape
        if len(shape) == len(target) and all(
            m == n if label == o else m == 1 for m, n, label, o in zip(shape, target, labels, spec.out, strict=True)
        ):
            return self._full(e.inputs[0])
        return None

    def _full(self, a: Atom, whole: bool = False) -> Text:
        """An operand in its own shape."""
        if isinstance(a, Var):
            return self.texts[a]
        if a.type.shape == ():
            return number(a.value, whole=whole)
        if id(a.value) not in self.constant_texts:
            self.constant_texts[id(a.value)] = self._constant(a.value)
        return self.constant_texts[id(a.value)]

    def _constant(self, value: Array) -> Text:
        """Written where it stands; above the function where it is long; given to the function where it is too long."""
        text = array(value)
        if text is not None and len(text.code) <= SHORT:
            return text
        name = self._free(f"C{len(self.constants) + len(self.arrays) + 1}")
        if text is None:
            self.constants[name] = value
        else:
            self.arrays.append("\n".join(wrap(f"{name} = {text.code}", 100, subsequent_indent="    ")) + "\n")
        return Text(name)
