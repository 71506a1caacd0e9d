"""chainrule, NumPy with derivatives by hand, and other libraries, side by side: they take turns within one run.

A library is looked for in this interpreter, then in the virtual environments that CHAINRULE_PEERS names (separated as
in PATH). Every peer has one thread and is pinned to the same processor.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .figures import Figure
from .problems import PROBLEMS, SMALL
from .timing import Table

ROOT = Path(__file__).resolve().parent.parent
PEERS = {"ours": "chainrule", "by_hand": "NumPy", "jax": "JAX", "autograd": "autograd", "casadi": "CasADi"}
ROUNDS, SECONDS = 5, 0.1

TIMES = {
    "rosenbrock 2": 0.25, "rosenbrock 100": 0.6, "captured": 0.8, "nested": 1.5,
    "callback": 8.0, "low-level callback": 8.0, "integral": 8.0,
}  # fmt: skip
RATIOS = {  # problem -> by how much we want to be faster than whom
    "chain": {"JAX": 0.6},
    "logistic": {"JAX": 0.35},
    "network": {"JAX": 1.05, "NumPy": 1.05},
    "jacobian": {"JAX": 0.35},
    "hessian": {"JAX": 0.35},
    "sparse jacobian": {"JAX": 0.25, "CasADi": 1.2},
    "sparse hessian": {"JAX": 0.25, "CasADi": 1.2},
    "l-bfgs-b": {"JAX": 0.45},
}


def interpreter(package: str) -> str | None:
    """A Python that has the package."""
    venvs = [v for v in os.environ.get("CHAINRULE_PEERS", "").split(os.pathsep) if v]
    look = f"import sys, importlib.util as u; sys.exit(not (u.find_spec({package!r}) and u.find_spec('scipy')))"
    for python in [sys.executable, *(f"{Path(v).expanduser()}/bin/python" for v in venvs)]:
        if subprocess.run([python, "-c", look], env=environment()).returncode == 0:
            return python
    return None


def environment() -> dict[str, str]:
    """One thread for each library; first calls compile, since nothing is kept on disk."""
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    paths = os.pathsep.join([str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | threads | {"PYTHONPATH": paths, "JAX_PLATFORMS": "cpu", "CHAINRULE_CACHE_DIR": ""}


def pinned(command: list[str], **options: Any) -> subprocess.Popen[str]:
    """A process on the last of our processors, where the system can pin it."""
    child = subprocess.Popen(command, cwd=ROOT, env=environment(), text=True, **options)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(child.pid, {max(os.sched_getaffinity(0))})
    return child


class Peer:
    """A worker process, until it dies or has nothing more to say."""

    def __init__(self, name: str, python: str) -> None:
        command = [python, "-m", "benchmarks.worker", name]
        self.child = pinned(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=1
        )

    def ask(self, problem: str) -> dict[str, Any]:
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        try:
            self.child.stdin.write(json.dumps({"problem": problem, "seconds": SECONDS}) + "\n")
            line = self.child.stdout.readline()
        except BrokenPipeError:
            line = ""
        return json.loads(line) if line else {"no": "died"}

    def close(self) -> None:
        assert self.child.stdin is not None
        self.child.stdin.close()
        self.child.wait()


def turns(peers: dict[str, Peer], problem: str) -> dict[str, dict[str, float]]:
    """The least time of all rounds, of those who can solve the problem and agree with the derivatives by hand.

    Other programs only ever add to a time, on a shared machine up to as much again for a tenth of a second.
    """
    answers: dict[str, list[dict[str, Any]]] = {name: [] for name in peers}
    for _ in range(ROUNDS):
        for name, peer in peers.items():
            if not answers[name] or "no" not in answers[name][-1]:
                answers[name].append(peer.ask(problem))
    solved = {name: found for name, found in answers.items() if "no" not in found[-1]}
    truth = solved.get("by_hand", next(iter(solved.values())))[0]["sum"]
    for name, found in answers.items():
        why = found[-1].get("no")
        if why is None and abs(found[0]["sum"] - truth) > 1e-6 * max(1.0, abs(truth)):
            why = f"disagrees: {found[0]['sum']!r}, by hand {truth!r}"
            del solved[name]
        if why not in (None, "not offered"):
            print(f"{problem}: {PEERS[name]}: {why}", file=sys.stderr)
    return {
        name: {"call": min(answer["least"] for answer in found), "first": found[0]["first"]}
        for name, found in solved.items()
    }


def figures(problem: str, times: dict[str, dict[str, float]]) -> Iterator[Figure]:
    if "ours" not in times:
        return
    ours = times["ours"]["call"]
    if problem in TIMES:
        yield Figure(PROBLEMS[problem], ours * 1e6, "µs", TIMES[problem])
    for peer, target in RATIOS.get(problem, {}).items():
        key = next(name for name, shown in PEERS.items() if shown == peer)
        if key in times:
            yield Figure(PROBLEMS[problem], ours / times[key]["call"], f"× {peer}", target)


def tables() -> Iterator[Table]:
    """A call of each, and how many times as long others take; then first calls."""
    needs = {"ours": "chainrule", "by_hand": "numpy"}
    pythons = {name: interpreter(needs.get(name, name)) for name in PEERS}
    peers = {name: Peer(name, python) for name, python in pythons.items() if python}
    found = {problem: turns(peers, problem) for problem in PROBLEMS}
    for peer in peers.values():
        peer.close()
    others = [name for name in peers if name != "ours"]
    rows, firsts, all_figures = [], [], []
    for problem, times in found.items():
        ours = times.get("ours", {}).get("call")
        ratios = [times[o]["call"] / ours if o in times and ours else None for o in others]
        rows.append((problem, [ours and ours * 1e6, *ratios]))
        firsts.append((problem, [1e3 * times[n]["first"] if n in times else None for n in peers]))
        all_figures += figures(problem, times)
    small = [found[problem]["ours"]["first"] for problem in SMALL[1:] if "ours" in found[problem]]
    if small:
        all_figures.append(Figure("first call of a small function", 1e3 * statistics.median(small), "ms", 25.0))
    sparse = found["sparse jacobian"].get("ours")
    if sparse:
        all_figures.append(Figure("first call, sparse Jacobian, n = 1000", 1e3 * sparse["first"], "ms", 200.0))
    unit = "µs, then how many times as long the others take"
    yield Table("A call", unit, ["chainrule", *(PEERS[o] for o in others)], rows, all_figures)
    yield Table("The first call, with what is built for it", "ms", [PEERS[n] for n in peers], firsts)
