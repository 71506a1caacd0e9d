"""Run every measurement, or those that are named, print their tables, and remember their figures.

python -m benchmarks              all
python -m benchmarks overhead     one
"""

from __future__ import annotations

import importlib
import sys

from . import timing
from .figures import listing, remember

MEASUREMENTS = ("compare", "overhead", "start", "memory", "evals", "large", "rolled", "threads")


def main(wanted: list[str]) -> int:
    """Print the tables; 2 if a name is unknown."""
    unknown = sorted(set(wanted) - set(MEASUREMENTS))
    if unknown:
        print(
            f"no such measurement: {', '.join(unknown)}\n  hint: there are {', '.join(MEASUREMENTS)}", file=sys.stderr
        )
        return 2
    print(timing.machine())
    figures = []
    for name in wanted or MEASUREMENTS:
        for table in importlib.import_module(f"benchmarks.{name}").tables():
            print(f"\n{table}", flush=True)
            figures += table.figures
    if figures:
        print(f"\nFigures, and what they are to be\n{listing(figures)}")
        remember(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
