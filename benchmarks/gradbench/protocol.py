"""GradBench's protocol: messages are JSON lines, and what is timed is the evaluation alone.

A message has an `id` and a `kind`: "start" and "define" (is there such an eval?) come first, then "evaluate", with the
names of a module and a function, and an input. An input may ask for a number of runs, and for a time that they take.
"""

from __future__ import annotations

import importlib
import json
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO

import numpy as np

EVALS = ("hello", "lse", "llsq", "ode", "det", "gmm", "kmeans", "ba", "ht", "lstm", "particle", "saddle")


def plain(result: Any) -> Any:
    """What JSON can hold of a result: its arrays as lists."""
    return [plain(part) for part in result] if isinstance(result, (tuple, list)) else np.asarray(result).tolist()


def array(values: Any) -> np.ndarray:
    return np.array(values, np.float64)


@dataclass(frozen=True)
class Timed:
    """A function of an eval. `prepare` makes its arguments from the input, `present` its output from the result; the
    clock runs for `run` only.
    """

    prepare: Callable[[Any], tuple[Any, ...]]
    run: Callable[..., Any]
    present: Callable[[Any], Any] = plain

    def evaluate(self, given: Any) -> dict[str, Any]:
        """Output and timings, of one run unless `given` says that it takes more."""
        runs, seconds = (given.get("min_runs", 1), given.get("min_seconds", 0)) if isinstance(given, dict) else (1, 0)
        args, took, total = self.prepare(given), [], 0
        while len(took) < max(runs, 1) or total < seconds * 1e9:
            start = time.perf_counter_ns()
            result = self.run(*args)
            took.append(time.perf_counter_ns() - start)
            total += took[-1]
        timings = [{"name": "evaluate", "nanoseconds": t} for t in took]
        return {"success": True, "output": self.present(result), "timings": timings}


def functions(name: str) -> dict[str, Timed]:
    """The functions of an eval."""
    if name not in EVALS:
        raise KeyError(f"no eval is called {name!r}; there are {', '.join(EVALS)}")
    return importlib.import_module(f"{__package__}.{name}").FUNCTIONS


def answer(message: dict[str, Any]) -> dict[str, Any]:
    """The response to one message; a failure is one, too, with its traceback."""
    response: dict[str, Any] = {"id": message["id"]}
    try:
        match message["kind"]:
            case "start":
                response["tool"] = "chainrule"
            case "define":
                functions(message["module"])
                response["success"] = True
            case "evaluate":
                response |= functions(message["module"])[message["function"]].evaluate(message["input"])
    except Exception:
        response |= {"success": False, "error": traceback.format_exc()}
    return response


def serve(messages: TextIO, responses: TextIO) -> None:
    """Answer each line, in order, until there are no more."""
    for line in messages:
        print(json.dumps(answer(json.loads(line))), file=responses, flush=True)
