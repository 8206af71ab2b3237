r"""Exponential general linear methods (EGLM) by collocation: levels of stages on top of remembered values of N.

All stages of a level integrate the polynomial through N at the q remembered points and at the nodes of the level below
exactly against the exponential. A level over m nodes then has the stage order q + m for arbitrary operators, on any
grid, and the step likewise. Ostermann, Thalhammer and Wright (2006); without levels it is exponential Adams–Bashforth,
without history the levelled collocation of ``expint.derive.kinds.collocation``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

from expint.arguments import integer, listed, plain_fields
from expint.derive.algebra.exact_lists import exact_list
from expint.derive.algebra.lagrange import collocation_weights
from expint.derive.algebra.phisum import Exact, PhiSum, phi
from expint.derive.algebra.spread import placed
from expint.derive.kinds.collocation import Bootstrapped
from expint.derive.kinds.facts import Proved
from expint.derive.kinds.presentation import Presented
from expint.derive.kinds.stage import MOST_SLOPES, Stage, WithoutEstimate

__all__ = ["GeneralLinear", "HistoryLadder"]


@dataclass(frozen=True, repr=False)
class GeneralLinear(Bootstrapped, Proved, WithoutEstimate, Presented):
    """A general linear method with q remembered values of N and levels of stages; the top level collocates the step.

    Parameters
    ----------
    name
        The name of the method.
    q
        The number of remembered values of N, that at y_n included; at least 1.
    levels
        The nodes of each level, bottom up: exact positive numbers, different within a level.
    joined
        Whether a level integrates through the nodes of all levels below, not only of the next one.
    order, stiff_order, weak_stiff_order
        The orders on uniform grids, confirmed by the tests.
    reference, aliases, remarks
        BibTeX key of the source, other names, and a sentence about the method.

    Raises
    ------
    ValueError
        If q is not a positive integer, or a level holds a node twice or one that is not positive.
    TypeError
        If a node is a float.

    Examples
    --------
    >>> from expint.derive import GeneralLinear
    >>> method = GeneralLinear("predicted and corrected", 2, ((1,),), 3, 3, 3)
    >>> method.history, method.stages
    (2, 2)
    """

    name: str
    q: int
    levels: tuple[tuple[Exact, ...], ...]
    order: int
    stiff_order: int
    weak_stiff_order: int
    joined: bool = False
    reference: str = "ostermann2006"
    aliases: tuple[str, ...] = ()
    remarks: str = ""

    def __post_init__(self) -> None:
        plain_fields(self)
        integer("q", self.q, most=MOST_SLOPES)
        levels = tuple(
            tuple(exact_list("a level", level)) for level in listed("levels", self.levels, "levels", least=0)
        )
        object.__setattr__(self, "levels", levels)
        for level in self.levels:
            if len(set(level)) < len(level) or any(node <= 0 for node in level):
                raise ValueError(
                    f"{self.name}: expected different positive nodes on a level, received {', '.join(map(str, level))}"
                )

    @property
    def stages(self) -> int:
        """Evaluations of N per step."""
        return 1 + sum(len(level) for level in self.levels)

    def stages_from(self, positions: tuple[Any, ...], taken: tuple[int, ...]) -> tuple[Stage, ...]:
        """Return the stages of a step with a full history."""
        return _recipe(self.levels, self.joined, positions, taken)


@lru_cache(maxsize=256)
def _recipe(
    levels: tuple[tuple[Exact, ...], ...], joined: bool, positions: tuple[Any, ...], taken: tuple[int, ...]
) -> tuple[Stage, ...]:
    """Return the step for given positions of the slopes; floats are binary fractions, so nothing is lost."""
    past = [Fraction(position) for position in positions]
    inner: list[Exact] = []
    below: list[int] = []
    stages = []
    for level in levels:
        known = len(inner)
        for node in level:
            stages.append(_stage(node, past, inner[:known], below, accept=False))
            inner.append(node)
        below = list(range(0 if joined else known, len(inner)))
    # within a level a stage sees the slopes of its neighbours, with weight zero
    stages = [_widened(stage, i) for i, stage in enumerate(stages)]
    stages.append(_stage(Fraction(1), past, inner, below, accept=True))
    return tuple(replace(stage, past=placed(stage.past, taken)) for stage in stages)


def _stage(c: Exact, past: Sequence[Exact], inner: Sequence[Exact], below: Sequence[int], accept: bool) -> Stage:
    weights = collocation_weights([*past, *(inner[i] for i in below)], c)
    by_stage = dict(zip(below, weights[len(past) :]))
    return Stage(
        c=c,
        state=phi(0, c).terms,
        stages=tuple(by_stage.get(i, PhiSum()).terms for i in reversed(range(len(inner)))),
        past=tuple(weight.terms for weight in weights[: len(past)]),
        evaluate=True,
        accept=accept,
        remember=accept,
    )


def _widened(stage: Stage, before: int) -> Stage:
    """Return the stage with zero weights for the neighbours evaluated between it and the level below."""
    missing: tuple[Any, ...] = ({},) * (before - len(stage.stages))
    return Stage(
        stage.c, stage.state, (*missing, *stage.stages), stage.past, stage.evaluate, stage.accept, stage.remember
    )


HistoryLadder = GeneralLinear
"""The earlier name."""
