"""The search for an antiderivative: each rule offers moves, a move is tried by solving the integrals that it leaves.

The tree of moves that succeeded is the derivation: its steps compute the result, and nothing else does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..errors import ChainruleError
from ..ir import Var
from .expression import Expr, TooLarge, Unreadable

DEEPEST, MOST = 14, 200  # integrals inside each other; integrals looked at

Combine = Callable[[Sequence[Expr]], Expr]


class Goal(NamedTuple):
    """∫ integrand d variable"""

    integrand: Expr
    variable: Var


@dataclass(frozen=True)
class Move:
    """A rule applied: the integral is `combine` of the integrals that are left, the `goals`.

    `before` are steps already done on which it rests; `substituted` is a new variable and what it stands for.
    """

    rule: str
    statement: str
    goals: tuple[Goal, ...]
    combine: Combine
    before: tuple[Solved, ...] = ()
    substituted: tuple[Var, Expr] | None = None


@dataclass(frozen=True)
class Solved:
    """A goal, the move that did it, and how the goals it left were done."""

    goal: Goal
    move: Move
    parts: tuple[Solved, ...]
    result: Expr


Rule = Callable[["Search", Goal], Iterator[Move]]


@dataclass
class Search:
    """One search, which changes as it goes: what is open, what failed, and how much has been looked at."""

    rules: Sequence[Rule]
    open: list[Goal] = field(default_factory=list)
    failed: dict[Goal, int] = field(default_factory=dict)  # with how much depth was left
    done: dict[Goal, Solved] = field(default_factory=dict)
    looked_at: int = 0
    stuck: Goal | None = None  # the first integral for which no rule had anything to say

    def solve(self, goal: Goal) -> Solved | None:
        """How a goal is done, or None."""
        if goal in self.done:
            return self.done[goal]
        room = DEEPEST - len(self.open)
        if goal in self.open or room <= 0 or self.looked_at >= MOST or self.failed.get(goal, -1) >= room:
            return None
        self.looked_at += 1
        self.open.append(goal)
        try:
            found = self._try(goal)
        finally:
            self.open.pop()
        if found is None:
            self.failed[goal] = room
        else:
            self.done[goal] = found
        return found

    def _try(self, goal: Goal) -> Solved | None:
        offered = False
        for rule in self.rules:
            for move in self._moves(rule, goal):
                offered = True
                try:
                    parts = [self.solve(g) for g in move.goals]
                    solved = [part for part in parts if part is not None]
                    if len(solved) == len(parts):
                        result = move.combine([part.result for part in solved])
                        return Solved(goal, move, tuple(solved), result)
                except (TooLarge, Unreadable):
                    continue
        if not offered and self.stuck is None:
            self.stuck = goal
        return None

    def _moves(self, rule: Rule, goal: Goal) -> Iterator[Move]:
        try:
            yield from rule(self, goal)
        except (TooLarge, Unreadable, ChainruleError):
            return
