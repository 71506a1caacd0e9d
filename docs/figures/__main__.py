"""Draw every picture of the documents: `python docs/figures` (or `make docs`).

Each other file of this folder builds one `figure` with chainrule itself, and says in its docstring what is seen on it.
"""

import runpy
from pathlib import Path

HERE = Path(__file__).resolve().parent


def draw(script: Path) -> str:
    """The SVG that a script of this folder builds."""
    return runpy.run_path(str(script))["figure"].svg()


if __name__ == "__main__":
    for script in sorted(HERE.glob("[!_]*.py")):
        script.with_suffix(".svg").write_text(draw(script), encoding="utf-8")
        print(script.with_suffix(".svg").relative_to(HERE.parent.parent))
