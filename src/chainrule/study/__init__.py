"""Everything there is to say of a function, as one report.

chainrule study FILE.py[:function] --html report.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..api import Wrt, public
from ..errors import ArgumentError
from ..later import names_from

if TYPE_CHECKING:
    from .record import Study
else:
    __getattr__, __dir__ = names_from(__name__, {".record": "Study"})

__all__ = ["Study", "study"]


@public
def study(f: Callable[..., Any], *args: Any, wrt: Wrt = 0, seconds: float = 60.0) -> Study:
    """Record `f`, derive and check its gradient, and minimize over the arguments in `wrt`, starting where they are.

    `seconds` is about how long it may take: each section has a share of that, and says what it had to leave out.

    The result prints as a few sentences, and shows itself as a report in a notebook.

    >>> import numpy as np
    >>> found = study(lambda x: np.sum((x - 3.0) ** 2), np.zeros(2))
    >>> found.check.verdict, found.best.minimum.x[0].round(6)
    ('agrees', array([3., 3.]))
    """
    from .problem import problem_of
    from .run import run

    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds >= 0:
        raise ArgumentError(f"seconds is {seconds!r}: it is about how long a study may take")
    return run(problem_of(f, args, wrt), seconds=float(seconds))
