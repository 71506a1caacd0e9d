"""How long it takes to begin: importing, and the first result of a process that finds its code on disk."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from .compare import ROOT, environment
from .figures import Figure
from .timing import Table

IMPORTS = """
import time
start = time.perf_counter()
import numpy
numpy_done = time.perf_counter()
import chainrule
print(numpy_done - start, time.perf_counter() - numpy_done)
"""

FIRST = """
import time
import numpy as np
import chainrule as cr
try:
    import llvmlite.binding
except ImportError:
    pass
def loss(w, X, y):
    return np.mean((np.tanh(X @ w) - y) ** 2)
args = np.ones(3), np.ones((5, 3)), np.zeros(5)
start = time.perf_counter()
cr.grad(loss)(*args)
print(time.perf_counter() - start)
"""


def printed(code: str, *args: str, **variables: str) -> list[float]:
    """The numbers that a fresh process prints."""
    command, settings = [sys.executable, "-c", code, *args], environment() | variables
    done = subprocess.run(command, cwd=ROOT, env=settings, text=True, stdout=subprocess.PIPE, check=True)
    return [float(number) for number in done.stdout.split()]


def tables() -> Iterator[Table]:
    """Imports and first results, without and with code on disk: the least of several, Python's own files compiled."""
    with tempfile.TemporaryDirectory() as folder:
        compiled = {"PYTHONPYCACHEPREFIX": os.path.join(folder, "pyc"), "PYTHONDONTWRITEBYTECODE": ""}
        imports = [printed(IMPORTS, **compiled) for _ in range(8)]
        numpy, more = (min(times) for times in zip(*imports, strict=True))

        def first(name: str) -> float:
            place = os.path.join(folder, name)
            return printed(FIRST, **compiled, CHAINRULE_CACHE_DIR=place)[0]

        fresh = min(first(f"empty {n}") for n in range(4))
        again = min(first("empty 0") for _ in range(5))
    figures = [
        Figure("`import chainrule`, after NumPy's", 1e3 * more, "ms", 40.0),
        Figure("first result of a second process", 1e3 * again, "ms", 30.0),
    ]
    rows = [
        ("import numpy", [1e3 * numpy]),
        ("import chainrule, after it", [1e3 * more]),
        ("first gradient, nothing on disk", [1e3 * fresh]),
        ("first gradient, code on disk", [1e3 * again]),
    ]
    yield Table("Beginning", "ms", ["time"], rows, figures)
