"""What a gradient occupies at its peak, and whether calls leave anything behind. Linux only: it tells the peak.

A fresh process makes the inputs, calls once with few elements (imports, buffers of libraries), forgets its peak, and
calls with many.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .figures import Figure
from .start import printed
from .timing import Table

PEAK = """
import re, sys
import numpy as np
import chainrule as cr
from benchmarks import problems

def resident(name):
    return int(re.search(name + r":\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024

def size(x):
    return sum(map(size, x)) if isinstance(x, (tuple, list)) else np.asarray(x).nbytes

def peak(gradient, small, args):
    gradient(*small)
    open("/proc/self/clear_refs", "w").write("5")
    before = resident("VmRSS")
    result = gradient(*args)
    return resident("VmHWM") - before, size(args), size(result)

rng = np.random.default_rng(0)
if sys.argv[1] == "chain":
    gradient = cr.grad(problems.chain, wrt=(0, 1, 2))
    found = peak(gradient, (1.3, 0.2, rng.normal(size=1000)), (1.3, 0.2, rng.normal(size=8_000_000)))
    print(*found, 0)
elif sys.argv[1] == "logistic":
    w, X, y = problems.logistic_data()
    found = peak(cr.grad(problems.logistic), (w, X[:100], y[:100]), (w, X, y))
    print(*found, 0)
else:
    p, x, classes = problems.network_data()
    many = np.repeat(x, 80, axis=0), np.repeat(classes, 80, axis=0)
    found = peak(cr.grad(problems.network), (p, x, classes), (p, *many))
    print(*found, 8 * len(many[0]) * (128 + 10))
"""

GROWTH = """
import re, time
import numpy as np
import chainrule as cr
from benchmarks import problems

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024

gradient, x = cr.grad(problems.rosenbrock), problems.start(100)
for _ in range(1000):
    gradient(x)
before, end, calls = resident(), time.perf_counter() + 20, 0
while calls < 1_000_000 and time.perf_counter() < end:
    for _ in range(1000):
        gradient(x)
    calls += 1000
print(resident() - before, calls)
"""


def tables() -> Iterator[Table]:
    """Peaks beside what there must be: inputs, outputs, and the layers' values that the way back needs."""
    if not Path("/proc/self/clear_refs").exists():
        return
    rows, figures = [], []
    for problem in ("chain", "logistic", "network"):
        more, inputs, outputs, between = printed(PEAK, problem)
        must, ratio = inputs + outputs + between, (inputs + more) / (inputs + outputs + between)
        rows.append((problem, [must / 1e6, (inputs + more) / 1e6, ratio]))
        figures.append(Figure(f"peak memory of a gradient, {problem}", ratio, "× what it must hold", 2.5))
    yield Table("Memory", "MB", ["must hold", "peak", "ratio"], rows, figures)
    grown, calls = printed(GROWTH)
    name = f"growth over {calls:,.0f} calls"
    yield Table("Memory left behind", "kB", ["growth"], [(name, [grown / 1e3])], [Figure(name, grown / 1e6, "MB", 0.5)])
