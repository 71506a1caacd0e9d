"""Run every measurement, or those that are named, and print their tables.

python -m benchmarks              all
python -m benchmarks overhead     one
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

from . import timing


def names() -> list[str]:
    """The measurements there are: every module here that has a `tables()`."""
    found = [m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)])]
    return [n for n in found if n not in ("__main__", "timing")]


def main(wanted: list[str]) -> int:
    """Print the tables; 2 if a name is unknown."""
    unknown = sorted(set(wanted) - set(names()))
    if unknown:
        print(f"no such measurement: {', '.join(unknown)}\n  hint: there are {', '.join(names())}", file=sys.stderr)
        return 2
    print(timing.machine())
    for name in wanted or names():
        for table in importlib.import_module(f"benchmarks.{name}").tables():
            print(f"\n{table}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
