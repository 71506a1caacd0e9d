"""Many inputs at once: every value that depends on a mapped input gains a leading axis. Each kind of op knows how."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir import Atom, Const, Program, Var
from ..ops.contraction import Spec, canonical, contract
from ..trace.recorder import Recorder, Traced


def batch(program: Program, mapped: Sequence[bool], size: int, results: Sequence[bool] | None = None) -> Program:
    """The Program on rows: inputs that are `mapped`, and all outputs, have a leading axis of length `size`.

    With `results`, only those outputs have it; they must be all that change with a mapped input.
    """
    recorder = Recorder(quiet=True)
    rows: dict[Atom, Atom] = {}  # what has a leading axis, and what it became
    plain: dict[Var, Atom] = {}
    inputs = []
    for v, m in zip(program.inputs, mapped, strict=True):
        new = Var(v.type._replace(shape=(size, *v.type.shape), weak=False) if m else v.type, v.name)
        inputs.append(new)
        if m:
            rows[v] = new
        else:
            plain[v] = new

    def read(a: Atom) -> Atom:
        return plain[a] if isinstance(a, Var) else a

    def lifted(a: Atom) -> Atom:
        """An atom with the leading axis, repeated if it has none."""
        if a not in rows:
            n = a.type.ndim
            spec = canonical(Spec((tuple(range(1, n + 1)),), tuple(range(n + 1)), ((0, size),)))
            (rows[a],) = recorder.emit(contract, (read(a),), {"spec": spec}, None)
        return rows[a]

    for e in program.equations:
        has = tuple([isinstance(a, Var) and a in rows and a not in plain for a in e.inputs])
        if not any(has):
            found = recorder.emit(e.op, tuple([read(a) for a in e.inputs]), dict(e.params), e.where)
            plain.update(zip(e.outputs, found, strict=True))
            continue
        if e.op.rows is not None:
            atoms = tuple([rows[a] if h else read(a) for a, h in zip(e.inputs, has, strict=True)])
            start = len(recorder.equations)
            values, flags = e.op.rows([Traced(recorder, a) for a in atoms], has, size, **e.params)
            for made in recorder.equations[start:]:
                made.where = e.where
            for v, y, flag in zip(e.outputs, values, flags, strict=True):
                (rows if flag else plain)[v] = recorder.atom(y)
            continue
        params = e.op.batched(dict(e.params), has)
        if params is not None:
            atoms = tuple([rows[a] if h else read(a) for a, h in zip(e.inputs, has, strict=True)])
        else:
            params = dict(e.params)
            # a number beside an array stays a number; everything else gets the axis
            numbers = [e.op.aligned and isinstance(a, Const) and a.type.shape == () for a in e.inputs]
            atoms = tuple([a if n else lifted(a) for a, n in zip(e.inputs, numbers, strict=True)])
        found = recorder.emit(e.op, atoms, params, e.where)
        rows.update(zip(e.outputs, found, strict=True))
    if results is None:
        results = (True,) * len(program.outputs)
    outputs = tuple([lifted(a) if r else read(a) for a, r in zip(program.outputs, results, strict=True)])
    return Program(tuple(inputs), tuple(recorder.equations), outputs, f"{program.name}_rows")
