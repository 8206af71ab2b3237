"""iPNDM_v: the Adams–Bashforth weights of its published code on steps of different length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import expint
from expint.derive import Stage, StepContext, WithoutEstimate, phi, placed, spread

__all__ = ["PublishedVariableSteps"]


@dataclass(frozen=True)
class PublishedVariableSteps(WithoutEstimate, expint.Adams):
    """iPNDM_v as its authors' code has it, for L = 0: order 2 on graded grids, where exact weights have order q.

    The weights of three and four slopes differ from those of Adams: the code has 1 − A B where (1 − A) B is meant.
    Exact weights of the same order are those of ``deis-rhoab3`` and ``lms4``.

    Raises
    ------
    ValueError
        If the order is more than 4, or another clock than that of the integration is asked for; for a step, if the
        lengths of steps change so abruptly that the published weights are far from a mean of the slopes.

    Notes
    -----
    Zhou, Chen, Wang & Chen 2024, the function ``ipndm_v_sampler`` of their code.
    """

    def __post_init__(self) -> None:
        """Check the order and the clock."""
        super().__post_init__()
        if self.q > 4 or self.clock is not expint.Adams.clock:
            raise ValueError(
                f"expected iPNDM_v of order 1 to 4 in the clock of its gauge, received order {self.q} and the clock "
                f"{self.clock!r}; take expint.Adams for others"
            )

    @property
    def name(self) -> str:
        """The name of the method."""
        return f"ipndm-v{self.q}"

    @property
    def order(self) -> int:
        """The order, 2 at most."""
        return min(self.q, 2)

    def recipe(self, step: StepContext) -> Sequence[Stage]:
        """Return the one stage of a step, or the stages of the starter while the history is short."""
        taken = spread(step.history, 1, self.q)  # slopes beside another are passed over, as by Adams
        if len(taken) < self.q and not self.ramp:
            return self.starter.recipe(step)
        weights = _weights([step.history[k] for k in taken])
        if abs(sum(weights) - 1.0) > 1.0:
            raise ValueError(
                "expected steps of ipndm-v whose lengths change gradually, received some for which its published "
                f"weights sum to {sum(weights):.3g} in place of 1; take 'deis-rhoab3', whose weights are exact"
            )
        past = placed([{(1, 1): weight} for weight in weights], taken)
        return (Stage(1, phi(0).terms, (), tuple(past), evaluate=True, accept=True, remember=True),)


def _weights(history: Sequence[float]) -> tuple[float, ...]:
    """Return the published weights for slopes at these places, in units of the step, newest first."""
    if len(history) == 1:
        return (1.0,)
    a, b, c = (*(newer - older for newer, older in pairwise(history)), 0.0, 0.0)[:3]  # the steps before
    first, second, third, fourth = 1.0 + 0.5 / a, -0.5 / a, 0.0, 0.0
    if len(history) > 2:
        of_two = (1 - 1 / (3 * (1 + a)) * (1 + a) / (a * (a + b))) / 2
        first, second, third = first + of_two, second - (1 + a / b) * of_two, of_two * a / b
    if len(history) > 3:
        of_three = (1 - 1 / (3 * (1 + a))) / 2 + (1 - 1 / (2 * (1 + a))) / (6 * (1 + a + b))
        of_three *= (1 + a) * (1 + a + b) / (a * (a + b) * (a + b + c))
        ratio = a * (a + b) / (b * (b + c))
        first, second = first + of_three, second - (1 + a / b + ratio) * of_three
        third, fourth = third + (a / b + ratio * (1 + b / c)) * of_three, -of_three * ratio * a / b
    return (first, second, third, fourth)[: len(history)]
