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

from expint.derive.adams import TIME, PolynomialClock, adams_terms, difference, is_exact, quadrature_terms
from expint.derive.bootstrap import bootstrap
from expint.derive.lagrange import collocation_weights
from expint.derive.orders import FullStiffOrder
from expint.derive.phisum import Terms, phi
from expint.derive.presentation import Presented
from expint.derive.printing import latex_array, markdown_table
from expint.derive.stage import ErrorEstimate, Method, Stage, StepContext

__all__ = ["PredictorCorrector"]


@dataclass(frozen=True)
class PredictorCorrector(FullStiffOrder, Presented):
    """Exponential Adams predictor of order q with the corrector of order q + 1.

    On given steps the order is kept; a run to a tolerance chooses it anew on the way, up to this one.

    Parameters
    ----------
    q
        The number of past slopes, at least 1: the order of the predictor. The corrector has order q + 1.
    mode
        "PEC": one evaluation of N a step. "PECE": two, with the better stability of the corrector.
    ramp
        How the first q - 1 steps are made. False: by a one-step method of order q. True: by the pairs of order
        1, 2, …, which costs nothing and is what runs with error control do, their first steps being short.
    clock
        The variable in which predictor and corrector interpolate, as of ``Adams``.

    Raises
    ------
    ValueError
        If q is not a positive integer or the mode is unknown.
    """

    q: int
    mode: Literal["PEC", "PECE"] = "PEC"
    ramp: bool = False
    clock: PolynomialClock = field(default=TIME)

    def __post_init__(self) -> None:
        if not isinstance(self.q, int) or self.q < 1:
            raise ValueError(f"expected the number q of past slopes to be an integer ≥ 1, received {self.q!r}")
        if self.mode not in ("PEC", "PECE"):
            raise ValueError(f"expected the mode 'PEC' or 'PECE', received {self.mode!r}")

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

    @property
    def history(self) -> int:
        """How many remembered slopes a step looks at."""
        return self.q

    @cached_property
    def starter(self) -> Method:
        """The one-step method of order q that makes the first steps (local errors of order q + 1 are enough)."""
        return bootstrap(self.q)

    def recipe(self, step: StepContext) -> Sequence[Stage]:
        """Return predictor and corrector, or the stages of the starter while the history is short."""
        if len(step.history) < self.q and not self.ramp:
            return self.starter.recipe(step)
        seen = step._replace(history=step.history[: self.q])
        past, rule = self.clock.nodes(seen), self.clock.quadrature(seen)
        if rule is None:
            return _pair(past, is_exact(past), self.mode)
        corrector = quadrature_terms((self.clock.end(seen), *past), rule)
        return _stages(quadrature_terms(past, rule), corrector, self.mode)

    def error(self, step: StepContext) -> ErrorEstimate | None:
        """Return the corrector minus the corrector with one node less: the local error of the latter, of order q.

        The solution goes on from the better one (local extrapolation).
        """
        known = len(step.history)
        if self.clock is not TIME or (known < self.q and not self.ramp):
            return None
        k = min(self.q, known)
        past = step.history[:k]
        return _estimate(past, is_exact(past), k - 1)

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
def _pair(past: tuple[Any, ...], exact: bool, mode: str) -> tuple[Stage, ...]:
    """Return predictor and corrector for past slopes at the positions ``past``."""
    return _stages(adams_terms(past, exact), adams_terms((1, *past), exact), mode)


def _stages(predictor: Sequence[Terms], corrector: Sequence[Terms], mode: str) -> tuple[Stage, ...]:
    """Return the two stages from the weights of the slopes, in the corrector that at the predicted point first."""
    again = mode == "PECE"
    return (
        Stage(
            c=Fraction(1),
            state=phi(0).terms,
            stages=(),
            past=tuple(predictor),
            evaluate=True,
            accept=False,
            remember=not again,
        ),
        Stage(
            c=Fraction(1),
            state=phi(0).terms,
            stages=(corrector[0],),
            past=tuple(corrector[1:]),
            evaluate=again,
            accept=True,
            remember=again,
        ),
    )


@lru_cache(maxsize=256)
def _estimate(past: tuple[Any, ...], exact: bool, k: int) -> ErrorEstimate:
    """Return the corrector on k + 1 past slopes minus that on k, which has order k + 1."""
    fine, coarse = adams_terms((1, *past[: k + 1]), exact), adams_terms((1, *past[:k]), exact)
    weights = [difference(w, coarse[j] if j < len(coarse) else {}) for j, w in enumerate(fine)]
    stage = Stage(Fraction(1), {}, (weights[0],), tuple(weights[1:]), evaluate=False, accept=False, remember=False)
    return ErrorEstimate(stage, k + 1)
