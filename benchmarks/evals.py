"""GradBench's evals: chainrule, JAX on the same objectives, and GradBench's C++ with derivatives by hand.

JAX is found as in `compare`. The C++ is found in a checkout of GradBench that CHAINRULE_GRADBENCH names, where
`make -C tools/manual` has been run. Outputs must agree to 1e-4, GradBench's own tolerance.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .compare import interpreter, pinned
from .figures import Figure
from .gradbench import inputs
from .timing import Table
from .worker import flat

RUNS = {"min_runs": 20, "min_seconds": 0.3}  # the first of them compiles


class Case(NamedTuple):
    """An eval at one size, and the most that its derivative may take: in times of what others take for it, and of our
    primal.
    """

    name: str
    size: tuple[int, ...]
    primal: str | None
    derivative: str
    targets: dict[str, float]
    first: float | None = None  # milliseconds


CASES = (
    Case("lse", (1_280_000,), "primal", "gradient", {"manual": 0.3}),
    Case("llsq", (1024, 128), "primal", "gradient", {"manual": 0.25}),
    Case("ode", (10_000, 10), "primal", "gradient", {"primal": 4.0, "JAX": 0.5}),
    Case("det", (8,), "primal", "gradient", {"manual": 0.4}),
    Case("gmm", (20, 25), "objective", "jacobian", {"manual": 0.4, "JAX": 0.7}, 300.0),
    Case("gmm", (64, 50), "objective", "jacobian", {"manual": 0.4, "JAX": 0.7}),
    Case("kmeans", (100, 10_000, 8), "cost", "dir", {"manual": 1.2, "JAX": 0.3}),
    Case("ba", (49, 7776, 31_843), "objective", "jacobian", {"manual": 1.0}),
    Case("ht", (544, 1600), "objective", "jacobian", {"manual": 1.0}),
    Case("lstm", (2, 1024), "objective", "jacobian", {"manual": 0.4, "JAX": 0.4}, 300.0),
    Case("lstm", (4, 4096), "objective", "jacobian", {"manual": 0.3, "JAX": 0.4}),
    Case("particle", (), None, "rr", {}),
    Case("saddle", (), None, "rr", {}),
)


class Answer(NamedTuple):
    seconds: float
    first: float
    output: Any


class Tool:
    """A process that speaks GradBench's protocol."""

    def __init__(self, python: str, module: str) -> None:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.child = pinned([python, "-m", module], bufsize=1, **pipes)

    def ask(self, name: str, function: str, given: dict[str, Any]) -> Answer | str:
        """A reason where there is no answer."""
        message = {"id": 0, "kind": "evaluate", "module": name, "function": function, "input": given}
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        try:
            self.child.stdin.write(json.dumps(message) + "\n")
            found = json.loads(self.child.stdout.readline() or '{"error": "died"}')
        except BrokenPipeError:
            return "died"
        return (
            found["error"].strip().splitlines()[-1] if "error" in found else answer(found["output"], found["timings"])
        )

    def close(self) -> None:
        self.child.kill()
        self.child.wait()


class Binaries:
    """GradBench's C++ tool: a program for each eval."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def ask(self, name: str, function: str, given: dict[str, Any]) -> Answer | str:
        program = self.folder / name
        if not program.exists():
            return "not offered"
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(given, file)
            file.flush()
            child = pinned([str(program), file.name, function], stdout=subprocess.PIPE)
            output, *timings = child.communicate()[0].splitlines()
        return answer(json.loads(output), [json.loads(t) for t in timings])

    def close(self) -> None:
        pass


def answer(output: Any, timings: list[dict[str, Any]]) -> Answer:
    took = [t["nanoseconds"] * 1e-9 for t in timings if t["name"] == "evaluate"]
    return Answer(min(took[1:] or took), took[0], output)


def agree(a: Any, b: Any) -> bool:
    a, b = flat(a), flat(b)
    return a.shape == b.shape and bool(np.all(np.abs(a - b) <= 1e-4 * np.maximum(1, np.abs(a) + np.abs(b))))


def tools() -> Iterator[tuple[str, Tool | Binaries]]:
    """Those that are there; ours first."""
    yield "chainrule", Tool(sys.executable, "benchmarks.gradbench")
    checkout = os.environ.get("CHAINRULE_GRADBENCH")
    if checkout:
        yield "manual", Binaries(Path(checkout).expanduser() / "tools/manual/bin")
    python = interpreter("jax")
    if python:
        yield "JAX", Tool(python, "benchmarks.gradbench.under_jax")


def measured(case: Case, asked: dict[str, Tool | Binaries]) -> dict[str, list[Answer | None]]:
    """Primal and derivative of each tool; None where there is none, or where it disagrees with the first tool's."""
    given = getattr(inputs, case.name)(*case.size) | RUNS
    found: dict[str, list[Answer | None]] = {}
    for function in (case.primal, case.derivative):
        wanted = {
            name: tool for name, tool in asked.items() if name != "JAX" or name in case.targets
        }  # llsq takes it 90 s
        answers = {name: tool.ask(case.name, function, given) for name, tool in wanted.items()} if function else {}
        truth = next((a for a in reversed(answers.values()) if isinstance(a, Answer)), None)
        for name in asked:
            got = answers.get(name, "not offered")
            if isinstance(got, Answer) and truth and not agree(got.output, truth.output):
                got = "disagrees"
            if isinstance(got, str) and got != "not offered":
                print(f"{case.name} {function}: {name}: {got}", file=sys.stderr)
            found.setdefault(name, []).append(got if isinstance(got, Answer) else None)
    return found


def tables() -> Iterator[Table]:
    asked = dict(tools())
    rows, figures = [], []
    for case in CASES:
        label = " ".join([case.name, *map(str, case.size)])
        found = measured(case, asked)
        primal, derivative = found["chainrule"]
        times = {name: d.seconds for name, (_, d) in found.items() if d}
        ratios = [
            times["chainrule"] / times[n] if derivative and n in times else None for n in asked if n != "chainrule"
        ]
        ours = [1e6 * a.seconds if a else None for a in (primal, derivative)]
        rows.append((label, [*ours, *ratios, derivative and 1e3 * derivative.first]))
        if derivative is None:
            continue
        against = times | ({"primal": primal.seconds} if primal else {})
        figures += [
            Figure(f"GradBench {label}", derivative.seconds / against[name], f"× {name}", target)
            for name, target in case.targets.items()
            if name in against
        ]
        if case.first:
            figures.append(Figure(f"first call, GradBench {label}", 1e3 * derivative.first, "ms", case.first))
    for tool in asked.values():
        tool.close()
    columns = ["primal µs", "derivative µs", *(f"× {n}" for n in asked if n != "chainrule"), "first call ms"]
    yield Table("GradBench", "the derivative against that of others", columns, rows, figures)
