r"""Samplers that are inverted exactly: any one-step sampler, made reversible by a second state.

.. math:: x_{n+1} = D(x_n; t_{n+1}) + g_n \, (x_{n-1} - D(x_n; t_{n-1})),

with D the point to which the one-step sampler leads from x_n, to the next time or back to the one before. All network
calls are made from x_n, so that the step is solved for x_{n-1} as it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

import expint
from diffusion.process.gauge import Gauge
from diffusion.process.keeping import kept_of_values
from diffusion.process.schedule import NoiseSchedule
from diffusion.samplers.sampler import Sampler
from expint.arguments import number, numbers
from expint.lower import from_one_state, two_sided

__all__ = ["MIDPOINT", "OPTIMAL", "WEIGHTS", "Damping", "ReversibleSampler", "StepWeights"]


@dataclass(frozen=True)
class Damping:
    """g_n = γ for states x: bi-directional integration approximation (BDIA). γ = 0 is the one-step sampler.

    Notes
    -----
    Zhang, Lewis & Kleijn, *Exact diffusion inversion via bi-directional integration approximation*, 2023. For v = x/α
    the weight is γ α_{n+1}/α_{n-1}. With DDIM the order is 2 for γ = 1 on grids whose steps change gradually, else 1.
    """

    gamma: float = 1.0

    def __post_init__(self) -> None:
        number("gamma", self.gamma, least=0.0, most=1.0)

    def __call__(self, linear: float, s: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Return g_n of the steps after the first; see `StepWeights`."""
        del linear, scale
        return np.full(len(s) - 2, float(self.gamma))


@dataclass(frozen=True)
class _Optimal:
    """g_n = (h_n/h_{n-1})² in the gauge, h the steps of its clock: the order is 2 on every grid (O-BELM).

    Notes
    -----
    Wang et al., *BELM: Bidirectional explicit linear multi-step sampler for exact inversion in diffusion models*, 2024.
    Where steps grow so do differences between the two states: in ρ they shrink all the way, and run backwards grow.
    """

    def __call__(self, linear: float, s: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Return g_n of the steps after the first; see `StepWeights`."""
        del linear
        h = np.diff(s)
        return _finite((h[1:] / h[:-1]) ** 2 * scale[2:] / scale[:-2])


@dataclass(frozen=True)
class _Midpoint:
    """g_n = e^{(h_n + h_{n-1}) L} in the gauge: the exponential midpoint rule, which does not look at y_n itself."""

    def __call__(self, linear: float, s: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Return g_n of the steps after the first; see `StepWeights`."""
        return _finite(np.exp(linear * (s[2:] - s[:-2])) * scale[2:] / scale[:-2])


def _finite(weights: np.ndarray) -> np.ndarray:
    """Return weights for which the step from or to an infinite clock is that of the one-step sampler."""
    return np.where(np.isfinite(weights), weights, 0.0)


StepWeights = Callable[[float, np.ndarray, np.ndarray], np.ndarray]
"""g_1 … g_{N-1} of the states x by L, the values s_0 … s_N of the clock of the gauge, and the scales x/y there."""

OPTIMAL, MIDPOINT = _Optimal(), _Midpoint()
WEIGHTS: dict[str, StepWeights] = {"optimal": OPTIMAL, "midpoint": MIDPOINT}


@dataclass(frozen=True)
class ReversibleSampler(Sampler):
    r"""A sampler whose steps are those of a one-step sampler, made reversible by the state before.

    .. math:: x_{n+1} = D(x_n; t_{n+1}) + g_n \, (x_{n-1} - D(x_n; t_{n-1})).

    The first step is that of the one-step sampler. So is the first after a breakpoint of the network, across which
    nothing can be inverted. `diffusion.reversible` makes such samplers.

    Parameters
    ----------
    weights
        How g_n are found: `Damping` and others.

    Raises
    ------
    ValueError
        If the method is none of one step.
    """

    weights: StepWeights = Damping()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.method.history > 1:
            raise ValueError(
                f"expected a one-step sampler to be made reversible, received {self.name!r}, whose method "
                f"{self.method.name} looks at {self.method.history} values of N; take 'ddim', 'edm-heun' or another "
                "one-step sampler"
            )

    @property
    def increments(self) -> Sampler:
        """The one-step sampler."""
        return Sampler(**{part.name: getattr(self, part.name) for part in fields(Sampler)})

    def plan(
        self, schedule: NoiseSchedule, times: np.ndarray, *, to_zero: bool = False, edges: tuple[float, ...] = ()
    ) -> expint.Plan:
        """Return the numbers of a run over decreasing ``times``; over increasing ones, those of its inverse.

        The inverse begins with one state, from which a step of the one-step sampler makes the second.
        """
        at = tuple(numbers("times", times, least=1))
        increments = self.increments
        edges = tuple(numbers("edges", edges))
        if len(at) > 1 and at[0] < at[-1]:
            back = self.plan(schedule, np.array(at[::-1]), edges=edges).reversed()
            return from_one_state(back, increments.plan(schedule, np.array(at[:2]), edges=edges))
        forward = increments.plan(schedule, np.array(at), to_zero=to_zero, edges=edges)
        if len(forward.steps) < 3:
            return forward
        return _plan(self, schedule, at, to_zero, edges)

    def backwards(self, schedule: NoiseSchedule, times: np.ndarray) -> ReversibleSampler:
        """Return the sampler that runs a run over the ``times`` from its end to its start: by its inverse, this one."""
        chosen: Any = self.on(schedule, times)
        return chosen


@kept_of_values(maxsize=128)
def _plan(
    sampler: ReversibleSampler,
    schedule: NoiseSchedule,
    times: tuple[float, ...],
    to_zero: bool,
    edges: tuple[float, ...],
) -> expint.Plan:
    increments, t = sampler.increments, np.array(times)
    gauge = sampler.gauge
    forward = increments.plan(schedule, t, to_zero=to_zero, edges=edges)
    if not isinstance(gauge, Gauge):
        raise TypeError(
            f"{sampler.name}: expected a diffusion.Gauge, whose linear part is constant, received "
            f"{type(gauge).__name__}; take one of diffusion.gauge"
        )
    backward = replace(increments, end=type(increments.end)()).plan(schedule, t[::-1])
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    if to_zero:
        alpha, sigma = np.append(alpha, 1.0), np.append(sigma, 0.0)
    with np.errstate(all="ignore"):
        s = np.asarray(gauge.clock.at(alpha, sigma))
        weights = sampler.weights(gauge.constants[0], s, np.asarray(gauge.scale(alpha, sigma)))
    starts = t[1:] if to_zero else t[1:-1]
    weights = np.where(np.isin(starts, edges), 0.0, weights)  # no state from beyond an edge
    return two_sided(forward, backward, weights.tolist())
