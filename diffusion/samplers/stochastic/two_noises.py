r"""k-diffusion's DPM-Solver++ with noise: two ancestral steps, each with a noise of its own.

From ρ = σ/α to ρ′ by the middle ρ_m = √(ρ ρ′), each with a level :math:`ρ_d^2 = ρ_1^2 - η^2 ρ_1^2 (1 - ρ_1^2/ρ^2)`
below it:

.. math:: z_m = \frac{ρ_d}{ρ} z + (1 - \frac{ρ_d}{ρ}) x_0(z, ρ) + \sqrt{ρ_m^2 - ρ_d^2}\; ξ, \qquad
          z' = \frac{ρ_d'}{ρ} z + (1 - \frac{ρ_d'}{ρ}) x_0(z_m, ρ_m) + \sqrt{ρ'^2 - ρ_d'^2}\; ξ'

for z = x/α. Where ξ and ξ′ are one path of the SDE, and η = 1, it is the two-stage method "dpmpp-2s-sde".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import isfinite, sqrt

import numpy as np

import expint
from diffusion.planning.plan import of_data
from diffusion.process.schedule import NoiseSchedule
from diffusion.samplers.sampler import Sampler
from expint.arguments import number
from expint.lower import Layout, Row, Step

__all__ = ["TwoNoises"]

_LAYOUT = Layout(noise=2)


@dataclass(frozen=True, repr=False)
class TwoNoises(Sampler):
    """The sampler; from pure noise, and to σ = 0, a step goes to the end at once.

    Parameters
    ----------
    eta
        The share η of the noise of the process, in [0, 1].
    """

    eta: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        number("eta", self.eta, least=0.0, most=1.0)

    @property
    def stochastic(self) -> bool:
        """Whether it draws noise."""
        return self.eta > 0.0

    def plan(
        self, schedule: NoiseSchedule, times: np.ndarray, *, to_zero: bool = False, edges: tuple[float, ...] = ()
    ) -> expint.Plan:
        """Return the plan over ``times``; nothing is remembered, so that ``edges`` change nothing."""
        del edges
        grid = [float(t) for t in times]
        first = Row(_LAYOUT.arrange((1.0,), (), (None, None)), evaluate=True, accept=True)
        steps = [Step((grid[0],), (first,)), *(self._step(schedule, s, t) for s, t in pairwise(grid))]
        if to_zero:
            row = Row(_LAYOUT.arrange((None,), (1.0,), (None, None)), evaluate=False, accept=True)
            steps.append(Step((schedule.t_clean,), (row,)))
        else:
            last = steps[-1].rows
            steps[-1] = steps[-1]._replace(rows=(*last[:-1], last[-1]._replace(evaluate=False)))
        outputs = partial(of_data, "data", schedule)
        return expint.Plan(expint.operators.Scalar(0.0), tuple(steps), 2, _LAYOUT, outputs)

    def _step(self, schedule: NoiseSchedule, s: float, t: float) -> Step:
        """Return the step from the time ``s`` to ``t``."""
        middle = (float(schedule.half_log_snr(s)) + float(schedule.half_log_snr(t))) / 2
        state, value, noise = self._ancestral(schedule, s, t)
        if not isfinite(middle):
            row = Row(_LAYOUT.arrange((state,), (value,), (noise, None)), evaluate=True, accept=True)
            return Step((t,), (row,))
        m = float(schedule.time(np.array(middle)))
        inner = self._ancestral(schedule, s, m)
        rows = (
            Row(_LAYOUT.arrange(inner[:1], inner[1:2], (inner[2], None)), evaluate=True, accept=False),
            Row(_LAYOUT.arrange((state,), (value, None), (None, noise)), evaluate=True, accept=True),
        )
        return Step((m, t), rows)

    def _ancestral(self, schedule: NoiseSchedule, s: float, t: float) -> tuple[float | None, float, float | None]:
        """Return the weights of the state, the data and the noise of an ancestral step from ``s`` to ``t``."""
        (a_s, s_s), (a_t, s_t) = ((float(schedule.alpha(at)), float(schedule.sigma(at))) for at in (s, t))
        share = self.eta * sqrt(max(1.0 - (s_t * a_s / (a_t * s_s)) ** 2, 0.0))  # of the noise, which comes anew
        down = s_t * sqrt(1.0 - share**2)
        return down / s_s or None, a_t - down * a_s / s_s, share * s_t or None
