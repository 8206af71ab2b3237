"""DPM-Solver-v3: a multistep predictor–corrector in the gauge of a network's empirical statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import factorial, prod
from typing import Any

import expint
from diffusion.grids.published import uniform_in_lambda
from diffusion.samplers.dpm_solver_v3.statistics import Statistics
from diffusion.samplers.dpm_solver_v3.tabulated import TabulatedGauge, TabulatedSampler
from diffusion.samplers.ends import End, capped, predictor, taper
from expint.derive import (
    Method,
    Multistep,
    Stage,
    StepContext,
    Terms,
    WithoutEstimate,
    adams_terms,
    phi,
    placed,
    spread,
)

__all__ = ["PredictorCorrectorOfEqualOrder", "dpm_solver_v3"]


@dataclass(frozen=True)
class PredictorCorrectorOfEqualOrder(Multistep, WithoutEstimate):
    """The exponential Adams method of order q with a corrector on as many values of N, the predicted one among them.

    One evaluation a step, whose value is kept; the first steps are those of lower order.

    Parameters
    ----------
    q
        The order of the predictor.
    pseudo_predictor, pseudo_corrector
        Whether the polynomial Σ g[θ_0 … θ_i] θ^i of divided differences stands for the interpolation polynomial
        Σ g[θ_0 … θ_i] Π_{j<i} (θ − θ_j). A pseudo-corrector takes one value more.
    correct
        Whether there is a corrector. It begins where it has two values of N.
    """

    q: int
    pseudo_predictor: bool = False
    pseudo_corrector: bool = False
    correct: bool = True

    @property
    def name(self) -> str:
        """Its name."""
        return f"pec-equal{self.q}" if self.correct else f"adams{self.q}-pseudo"

    @property
    def order(self) -> int:
        """The classical order: that of the pair, 2 at most where a derivative is replaced by a divided difference."""
        order = self.q + (self.correct and self.pseudo_corrector)
        pseudo = self.pseudo_corrector if self.correct else self.pseudo_predictor
        return min(order, 2) if pseudo else order

    def recipe(self, step: StepContext) -> Sequence[Stage]:
        """Return predictor and corrector for the values of N that there are."""
        taken = spread(step.history, 1, self.q, predicted=True, ramp=True)
        past = tuple(step.history[k] for k in taken)
        weights = _pseudo_terms(past) if self.pseudo_predictor else adams_terms(past, exact=False)
        predictor = _stage((), placed(weights, taken), accept=True)
        older = past[: len(past) - (not self.pseudo_corrector)]
        if not (self.correct and older):
            return (predictor,)
        if self.pseudo_corrector:
            newest, predicted, *rest = _pseudo_terms((0.0, 1.0, *older[1:]))
        else:
            predicted, newest, *rest = adams_terms((1.0, *older), exact=False)
        corrector = _stage((predicted,), placed((newest, *rest), taken[: 1 + len(rest)]))
        return (replace(predictor, accept=False), replace(corrector, evaluate=False))


def _stage(stages: tuple[Terms, ...], past: Sequence[Terms], accept: bool = True) -> Stage:
    return Stage(Fraction(1), phi(0).terms, stages, tuple(past), evaluate=True, accept=accept, remember=True)


def _pseudo_terms(nodes: Sequence[float]) -> list[Terms]:
    """Return ∫ e^{(1−θ)z} p(θ) dθ for p = Σ_i g[θ_0 … θ_i] θ^i: θ_0 = 0, and θ^i gives i! φ_{i+1}."""
    terms: list[Terms] = []
    for j, own in enumerate(nodes):
        others = [[other for k, other in enumerate(nodes[: i + 1]) if k != j] for i in range(len(nodes))]
        terms.append(
            {(i + 1, 1): factorial(i) / prod(own - other for other in others[i]) for i in range(j, len(nodes))}
        )
    return terms


@capped.register
def _(method: PredictorCorrectorOfEqualOrder, order: int) -> Method:
    return replace(method, q=min(method.q, order))


@predictor.register
def _(method: PredictorCorrectorOfEqualOrder) -> Method:
    return replace(method, correct=False)


def dpm_solver_v3(
    statistics: Statistics,
    order: int = 3,
    *,
    corrector: bool = True,
    pseudo_predictor: bool = False,
    pseudo_corrector: bool = False,
    end: End | None = None,
) -> TabulatedSampler:
    """Return DPM-Solver-v3 for a network with these statistics; one call a step.

    Parameters
    ----------
    statistics
        Those of the network; see `estimate_statistics`.
    order
        How many values of N the predictor interpolates, and the corrector.
    corrector
        Whether each state is corrected by N at its prediction, at no further call.
    pseudo_predictor, pseudo_corrector
        Whether divided differences stand for derivatives as they are, which is published for few steps; the corrector
        then takes one value more.
    end
        What happens at the end of the grid; as published the orders fall to 1, and the last step is not corrected.

    Raises
    ------
    TypeError
        If the statistics are none.
    ValueError
        If the order is not a positive integer.

    Notes
    -----
    Zheng, Lu, Chen & Zhu, *DPM-Solver-v3: Improved diffusion ODE solver with empirical model statistics*, 2023. The
    published code takes the tables at the nearest of their entries and integrates by the trapezoidal rule; here the
    tables are linear between their entries, times are free, and integrals exact to rounding.

    Examples
    --------
    >>> import diffusion
    >>> diffusion.dpm_solver_v3(diffusion.Statistics.of_prediction("data"), 2).method.order
    2
    """
    if not isinstance(statistics, Statistics):
        raise TypeError(
            f"expected the statistics of a network, received {type(statistics).__name__}; make them by "
            "diffusion.estimate_statistics or read them by diffusion.Statistics.load"
        )
    if not isinstance(order, int) or order < 1:
        raise ValueError(f"expected the order of DPM-Solver-v3 to be an integer ≥ 1, received {order!r}")
    method: Any = expint.Adams(order, ramp=True)
    if corrector or pseudo_predictor:
        method = PredictorCorrectorOfEqualOrder(order, pseudo_predictor, pseudo_corrector, corrector)
    return TabulatedSampler(
        f"dpmv3-{order}m",
        method,
        TabulatedGauge(statistics),
        uniform_in_lambda,
        end=replace(taper(order), correct=False) if end is None else end,
        reference="zheng2023",
    )
