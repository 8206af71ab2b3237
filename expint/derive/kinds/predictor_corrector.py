r"""Exponential predictor–corrector pairs of any order, on any grid: Adams–Bashforth and Adams–Moulton on one history.

The predictor interpolates N at q past points, the corrector at these and at the predicted one:

.. math::

    \tilde y = e^{z} y_n + h \sum_j p_j(z) N_{n-j}, \qquad
    y_{n+1} = e^{z} y_n + h \, c_{-1}(z) N(t_{n+1}, \tilde y) + h \sum_j c_j(z) N_{n-j}

PEC keeps N(ỹ) as the slope of the new point (one evaluation a step), PECE evaluates N(y_{n+1}) again.
Ostermann, Thalhammer and Wright (2006); UniPC is PEC on a scalar problem.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any, Literal

from expint.arguments import choice, integer, plain_fields
from expint.derive.algebra.lagrange import collocation_weights
from expint.derive.algebra.phisum import Terms, phi
from expint.derive.algebra.printing import latex_array, markdown_table
from expint.derive.algebra.spread import placed, spread
from expint.derive.kinds.adams import TIME, PolynomialClock, adams_terms, difference, is_exact, quadrature_terms
from expint.derive.kinds.collocation import bootstrap
from expint.derive.kinds.facts import FullStiffOrder
from expint.derive.kinds.presentation import Presented
from expint.derive.kinds.stage import MOST_SLOPES, ErrorEstimate, Method, Multistep, Stage, StepContext

__all__ = ["PredictorCorrector"]


@dataclass(frozen=True)
class PredictorCorrector(Multistep, FullStiffOrder, Presented):
    """Exponential Adams predictor of order q with the corrector of order q + 1.

    Runs with given steps keep the order q + 1. Runs to a tolerance choose the order, at most this one.

    Parameters
    ----------
    q
        The number of past values of N, at least 1: the order of the predictor. The corrector has order q + 1.
    mode
        "PEC": one evaluation of N a step. "PECE": two, with the larger stability region of the corrector.
    ramp
        How the first q - 1 steps are made. False: by a one-step method of order q. True: by the pairs of order
        1, 2, …, which costs nothing. Runs to a tolerance always start so, with short first steps.
    clock
        The variable in which predictor and corrector interpolate, as of ``Adams``.

    Raises
    ------
    ValueError
        If q is not a positive integer or the mode is unknown.

    Examples
    --------
    >>> from expint.derive import PredictorCorrector
    >>> PredictorCorrector(3).order, PredictorCorrector(3).stages, PredictorCorrector(3, "PECE").stages
    (4, 1, 2)
    """

    q: int
    mode: Literal["PEC", "PECE"] = "PEC"
    ramp: bool = False
    clock: PolynomialClock = field(default=TIME)

    def __post_init__(self) -> None:
        plain_fields(self)
        choice("mode", self.mode, ("PEC", "PECE"))
        integer("q", self.q, most=MOST_SLOPES)

    @property
    def name(self) -> str:
        """The name of the method: the order of the corrector at its end."""
        return f"{self.mode.lower()}{self.order}"

    @property
    def order(self) -> int:
        """The classical order q + 1."""
        return self.q + 1

    @property
    def error_order(self) -> int | None:
        """The order of the error estimate, one below that of the corrector; none in other clocks than time."""
        return self.q if self.clock is TIME else None

    @property
    def stages(self) -> int:
        """Evaluations of N per step."""
        return 1 if self.mode == "PEC" else 2

    @cached_property
    def starter(self) -> Method:
        """The one-step method of order q that makes the first steps (local errors of order q + 1 are enough)."""
        return bootstrap(self.q)

    def recipe(self, step: StepContext) -> Sequence[Stage]:
        """Return predictor and corrector, or the stages of the starter while the history is short."""
        taken = self._taken(step)
        if len(taken) < self.q and not self.ramp:
            return self.starter.recipe(step)
        nodes, rule = self.clock.nodes(step), self.clock.quadrature(step)
        past = tuple(nodes[k] for k in taken)
        if rule is None:
            return _pair(past, taken, is_exact(past), self.mode)
        corrector = quadrature_terms((self.clock.end(step), *past), rule)
        return _stages(quadrature_terms(past, rule), corrector, taken, self.mode)

    def error(self, step: StepContext) -> ErrorEstimate | None:
        """Return the corrector minus the corrector with one node less: the local error of the latter, of order q.

        The solution goes on from the better one (local extrapolation).
        """
        taken = self._taken(step)
        if self.clock is not TIME or (len(taken) < self.q and not self.ramp):
            return None
        past = tuple(step.history[k] for k in taken)
        return _estimate(past, taken, is_exact(past))

    def _taken(self, step: StepContext) -> tuple[int, ...]:
        """Return the places of the slopes that the step looks at."""
        nodes, end = self.clock.nodes(step), self.clock.end(step)
        return spread(nodes, end, self.q, predicted=self.mode == "PEC", ramp=self.ramp)

    def latex(self) -> str:
        """Return predictor and corrector for uniform steps in LaTeX."""
        return latex_array([[label, p, c] for label, p, c in self._printed(lambda w: w.latex())], "l|ll")

    def markdown(self) -> str:
        """Return predictor and corrector for uniform steps as a Markdown table."""
        return markdown_table(["slope", "predictor", "corrector"], self._printed(str))

    def _printed(self, write: Any) -> list[list[str]]:
        past = [Fraction(-j) for j in range(self.q)]
        predictor, corrector = collocation_weights(past), collocation_weights([Fraction(1), *past])
        rows = [["predicted", "", write(corrector[0])]]
        slopes = [f"N_{{n-{j}}}" if j else "N_n" for j in range(self.q)]
        return rows + [[slope, write(p), write(c)] for slope, p, c in zip(slopes, predictor, corrector[1:])]

    @property
    def reference(self) -> str:
        """The BibTeX key of the source."""
        return "ostermann2006"


@lru_cache(maxsize=256)
def _pair(past: tuple[Any, ...], taken: tuple[int, ...], exact: bool, mode: str) -> tuple[Stage, ...]:
    """Return predictor and corrector for values of N at the positions ``past`` and the places ``taken`` in memory."""
    return _stages(adams_terms(past, exact), adams_terms((1, *past), exact), taken, mode)


def _stages(
    predictor: Sequence[Terms], corrector: Sequence[Terms], taken: tuple[int, ...], mode: str
) -> tuple[Stage, ...]:
    """Return the two stages from the weights of the slopes, in the corrector that at the predicted point first."""
    again = mode == "PECE"
    return (
        Stage(
            c=Fraction(1),
            state=phi(0).terms,
            stages=(),
            past=placed(predictor, taken),
            evaluate=True,
            accept=False,
            remember=not again,
        ),
        Stage(
            c=Fraction(1),
            state=phi(0).terms,
            stages=(corrector[0],),
            past=placed(corrector[1:], taken),
            evaluate=again,
            accept=True,
            remember=again,
        ),
    )


@lru_cache(maxsize=256)
def _estimate(past: tuple[Any, ...], taken: tuple[int, ...], exact: bool) -> ErrorEstimate:
    """Return the corrector on k past values of N minus that on one fewer, which has order k."""
    fine, coarse = adams_terms((1, *past), exact), adams_terms((1, *past[:-1]), exact)
    weights = [difference(w, coarse[j] if j < len(coarse) else {}) for j, w in enumerate(fine)]
    own = placed(weights[1:], taken)
    stage = Stage(Fraction(1), {}, (weights[0],), own, evaluate=False, accept=False, remember=False)
    return ErrorEstimate(stage, len(past))
