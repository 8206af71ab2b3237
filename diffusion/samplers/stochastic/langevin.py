r"""Predictor and corrector: steps along the process, and at each time moves of Langevin's equation, which keep its law.

.. math:: x ← x + e\, s(x, t) + \sqrt{2 e}\; ξ, \qquad e = 2\, (r\, σ)^2, \qquad s = -ε/σ,

with the signal-to-noise ratio r of a move: the rule of annealed Langevin dynamics, for which e depends on the time
alone. In terms of the data, σ² s = α x₀ − x, so that a move is a row of numbers like every step.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import sqrt

import numpy as np

import expint
from diffusion.process.keeping import kept_of_values
from diffusion.process.schedule import NoiseSchedule
from diffusion.process.strength import Constant
from diffusion.samplers.sampler import Sampler
from expint.arguments import integer, number
from expint.lower import Layout, Row, Step

__all__ = ["LangevinCorrected"]


@dataclass(frozen=True, repr=False)
class LangevinCorrected(Sampler):
    r"""A one-step method in the gauge of the data, with moves of Langevin's equation before each of its steps.

    A move takes x to (1 − 2r²) x + 2r² α x₀ + 2 r σ ξ, one call each. On data of variance v each has the stationary
    variance v̂/(1 − e/(2 v̂)), v̂ = α² v + σ², e = 2 r² σ²: off by a share of less than r²/(1 − r²).

    Parameters
    ----------
    tau
        The strength of the steps: 1 is the reverse of the process, "reverse diffusion" and ancestral sampling in the
        source; 0 the probability flow.
    ratio
        r, the signal-to-noise ratio of a move, in (0, 1/2].
    corrections
        The number of moves before each step.

    Raises
    ------
    TypeError, ValueError
        If a parameter makes no sense, the gauge does not predict the data, or the method has a history.

    Notes
    -----
    Song et al., *Score-based generative modeling through stochastic differential equations*, 2021, algorithms 4 and 5.
    Their other rule, e = 2 (r ‖ξ‖/‖s‖)² with norms averaged over the batch, makes samples depend on each other, and is
    not here; where s is all noise, ‖s‖ = ‖ξ‖/σ, and the rules are one. For variance-preserving tables they multiply e
    by 1 − β of the step.

    Examples
    --------
    >>> import diffusion
    >>> diffusion.sampler("ddpm-langevin").ratio
    0.16
    """

    tau: float = 1.0
    ratio: float = 0.16
    corrections: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        number("tau", self.tau, least=0.0)
        number("ratio", self.ratio, above=0.0, most=0.5)
        integer("corrections", self.corrections)
        if self.gauge.predicts != "data" or self.method.history > 1:
            raise ValueError(
                f"{self.name}: expected a one-step method in the gauge of the data for Langevin corrections, received "
                f"{self.method.name} in {self.gauge.name!r}; take adams1 or 'etd2rk-weak' in diffusion.gauge.DATA"
            )

    @property
    def stochastic(self) -> bool:
        """Whether it draws noise: yes."""
        return True

    def plan(
        self, schedule: NoiseSchedule, times: np.ndarray, *, to_zero: bool = False, edges: tuple[float, ...] = ()
    ) -> expint.Plan:
        """Return the plan over ``times``: that of the steps, with the moves as steps of length 0 between them."""
        return _corrected(self, schedule, tuple(float(t) for t in times), to_zero, edges)

    def predictor(self) -> Sampler:
        """Return the sampler that makes the steps."""
        own = {part.name: getattr(self, part.name) for part in fields(Sampler)}
        return Sampler(**own | {"stochasticity": Constant(self.tau)})


@kept_of_values(maxsize=32)
def _corrected(
    sampler: LangevinCorrected,
    schedule: NoiseSchedule,
    times: tuple[float, ...],
    to_zero: bool,
    edges: tuple[float, ...],
) -> expint.Plan:
    """Return the plan of the steps with moves before each."""
    own = sampler.predictor().plan(schedule, np.array(times), to_zero=to_zero, edges=edges)
    layout = own.layout._replace(noise=max(own.layout.noise, 1))
    steps = [_widened(own.steps[0], own.layout, layout)]
    for step in own.steps[1:]:
        moves = [_move(sampler, schedule, steps[-1].times[-1], layout)] * sampler.corrections
        steps += [*moves, _widened(step, own.layout, layout)]
    return expint.Plan(expint.operators.Scalar(0.0), tuple(steps), own.depth, layout, own.outputs)


def _move(sampler: LangevinCorrected, schedule: NoiseSchedule, t: float, layout: Layout) -> Step:
    """Return one move at the time ``t``."""
    alpha, sigma, size = float(schedule.alpha(t)), float(schedule.sigma(t)), 2.0 * sampler.ratio**2
    noise = (sigma * sqrt(2.0 * size), *[None] * (layout.noise - 1))
    weights = layout.arrange((1.0 - size,), (size * alpha or None,), noise)
    return Step((t,), (Row(weights, evaluate=True, accept=True),))


def _widened(step: Step, own: Layout, layout: Layout) -> Step:
    """Return a step with the columns of noise of another layout."""
    rows = []
    for row in step.rows:
        part = own.parts(row.weights)
        noise = [*part.noise, *[None] * (layout.noise - own.noise)]
        rows.append(row._replace(weights=layout.arrange(part.states, part.values, noise)))
    return step._replace(rows=tuple(rows))
