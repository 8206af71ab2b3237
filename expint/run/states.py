"""The states of a run to a tolerance, by the loop that fits the method."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from expint.backend import Array
from expint.derive.adams import Adams
from expint.derive.predictor_corrector import PredictorCorrector
from expint.lower.pair import PairCache
from expint.run.adaptive import adaptive_states
from expint.run.fixed import Accepted
from expint.run.tolerance import StepControl
from expint.run.trial import Attempt, Steps
from expint.run.variable_order import pair_states

__all__ = ["states_to_tolerance"]


def states_to_tolerance(
    steps: Steps,
    nonlinear: Callable[[float, Array], Array],
    y: Array,
    t: float,
    stops: list[float],
    control: StepControl,
    attempt: Attempt | None = None,
) -> Iterator[Accepted]:
    """Yield the accepted states; the parameters are those of ``expint.run.adaptive.adaptive_states``.

    Adams methods and predictor–corrector pairs choose their order, up to their own, beside their steps, unless errors
    are estimated by doubling; other methods keep theirs.
    """
    if isinstance(steps.method, Adams | PredictorCorrector) and attempt is None and not control.doubling:
        pairs = PairCache(steps.method, steps.operator, y)
        return pair_states(pairs, nonlinear, y, t, stops, control)
    return adaptive_states(steps, nonlinear, y, t, stops, control, attempt)
