"""What hosts that count in noise levels know of a process, and our grids and plans as lists of their levels.

Their level σ is that of x₀ + σ ε, σ/α of any process here; in flow matching it is that of (1 − σ) x₀ + σ ε, σ/(α + σ).
"""

from __future__ import annotations

# ruff: noqa: ARG002  (the formulas share the signature (xp, t))
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffusion import grids
from diffusion.adapted import Adapted
from diffusion.grids.levels import native
from diffusion.optional import require
from diffusion.process.clock import clock
from diffusion.process.schedule import EDM, FlowMatching, NoiseSchedule
from diffusion.process.vp import VP
from diffusion.samplers.automatic import Automatic
from diffusion.samplers.catalogue import AnySampler
from diffusion.samplers.fitted import FittedSampler
from diffusion.samplers.fitted.fingerprint import Fingerprint
from diffusion.samplers.laid_out import laid_out
from diffusion.samplers.sampler import Sampler
from expint.arguments import flag, instance, integer
from expint.arrays import real_values
from expint.backend import Array

__all__ = ["AtNodes", "HostLevels", "levels_of", "schedule_of", "sigmas", "startable"]

_NEAR_NOISE = 0.9999  # of flow matching: where runs start that need the data at the start
_FAR = 1e300  # in place of a time at minus infinity


def sigmas(
    grid: str | AnySampler | Callable[[int, NoiseSchedule], np.ndarray] | Sequence[float] | np.ndarray,
    steps: int | None = None,
    *,
    schedule: NoiseSchedule | None = None,
    zero: bool = True,
) -> Any:
    """Return a grid as hosts have it: the noise levels of ``steps`` steps, as a tensor in single precision.

    Parameters
    ----------
    grid
        The name of a grid (see ``diffusion.grids.NAMED``), a sampler for the grid that it is published with, a function
        (steps, schedule) ↦ times, or times themselves. A ``FittedSampler`` has its own steps and levels.
    steps
        The number of steps, the last of which leads to 0.
    schedule
        The process, such as `schedule_of` tells of a model.
    zero
        Whether a list that does not end in 0 gets a last step there, as those of the hosts have.

    Returns
    -------
    tensor
        ``steps`` + 1 levels, decreasing.

    Raises
    ------
    TypeError, ValueError
        If the grid is none, or steps or schedule are missing, or not asked for.
    ImportError
        Without torch.

    Examples
    --------
    >>> import diffusion
    >>> sigmas("karras", 3, schedule=diffusion.EDM()).numpy().round(4).tolist()  # doctest: +SKIP
    [80.0, 2.5152, 0.002, 0.0]
    """
    torch = require("torch", "torch>=2.4,<3")
    return torch.tensor(levels_of(grid, steps, schedule, zero=flag("zero", zero)), dtype=torch.float32)


def levels_of(grid: Any, steps: int | None, schedule: Any, *, zero: bool) -> np.ndarray:
    """Return the levels of `sigmas` in double precision."""
    if isinstance(grid, FittedSampler):
        if steps is not None and integer("steps", steps) != grid.steps:
            raise ValueError(
                f"{grid.name}: expected its own {grid.steps} steps, received steps={steps}; leave them out"
            )
        return AtNodes(grid.schedule, flow=isinstance(schedule, FlowMatching)).levels(grid)
    remedy = "pass schedule=k_diffusion.schedule_of(model)"
    schedule = instance("schedule", schedule, NoiseSchedule, "a NoiseSchedule", remedy)
    if isinstance(grid, str | Sampler | Automatic) or callable(grid):
        times = _times(grid, integer("steps", steps), schedule, zero)
    elif steps is None:
        times = real_values("grid", grid, ndim=1)
    else:
        raise ValueError(f"expected either times or a rule and steps, received times and steps={steps}; leave them out")
    with np.errstate(divide="ignore"):
        levels = np.asarray(clock(native(schedule)).value(schedule, times))
    levels = np.where(times == schedule.t_clean, 0.0, levels)
    return np.append(levels, 0.0) if zero and levels[-1] > 0.0 else levels


def _times(grid: Any, steps: int, schedule: NoiseSchedule, zero: bool) -> np.ndarray:
    """Return the times of a rule whose run has so many steps, that to σ = 0 among them if there is one."""
    if isinstance(grid, str):
        return grids.named(grid, steps, schedule=schedule)
    if isinstance(grid, Sampler | Automatic):
        _, times, to_zero = laid_out(schedule, grid, steps, None)
        if zero and not to_zero and float(schedule.sigma(times[-1])) > 0.0:
            times = laid_out(schedule, grid, steps - 1, None)[1] if steps > 1 else times[:1]
        return np.append(times, schedule.t_clean) if to_zero else times
    if steps == 1 and zero:
        return np.array([schedule.t_start])
    return grids.check(grid(steps - zero, schedule), schedule)


def schedule_of(model: Any) -> NoiseSchedule:
    """Return the process that a model of k-diffusion or ComfyUI is made for.

    Parameters
    ----------
    model
        A wrapper of k-diffusion with its table ``sigmas``; or a ``model_sampling`` of ComfyUI, or what has one. Its
        class says whether it is one of flow matching (CONST), whose shift is read off the table, or of EDM with
        continuous levels; all others have a table of betas.

    Raises
    ------
    TypeError
        If it has no table.
    """
    for _ in range(4):
        model = getattr(model, "model_sampling", model)
        if getattr(model, "sigmas", None) is not None or getattr(model, "inner_model", None) is None:
            break
        model = model.inner_model
    table = getattr(model, "sigmas", None)
    if table is None:
        raise TypeError(
            f"expected a model with a table 'sigmas' of its noise levels, received {type(model).__name__}; pass the "
            "schedule itself, such as diffusion.EDM(0.03, 15.0)"
        )
    levels, names = real_values("sigmas", table, ndim=1), " ".join(kind.__name__ for kind in type(model).__mro__)
    if "CONST" in names.split():
        middle = levels.size // 2
        t = middle / levels.size
        shift = levels[middle - 1] * (1.0 - t) / (t * (1.0 - levels[middle - 1]))
        return FlowMatching(float(shift), t_start=1.0, t_end=1.0 / levels.size)
    if "EDM" in names and "Discrete" not in names:
        return EDM(float(levels[0]), float(levels[-1]), float(getattr(model, "sigma_data", 0.5)))
    return VP.from_alphas_cumprod((1.0 / (1.0 + levels**2)).tolist(), "log-rho")


def startable(sampler: AnySampler, schedule: NoiseSchedule, times: np.ndarray) -> np.ndarray:
    """Return the ``times`` of flow matching, those from pure noise begun a little later where the sampler has to."""
    if (
        times[0] < 1.0
        or not isinstance(sampler, Sampler)
        or sampler.gauge.predicts == "data"
        or (sampler.method.order == 1 and not sampler.stochastic)
    ):
        return times  # the limit of a first step exists
    with np.errstate(divide="ignore"):
        start = sampler.gauge.clock.value(schedule, np.array([1.0]))
    if np.all(np.isfinite(start)):
        return times
    return np.append(max(_NEAR_NOISE, 0.5 * (1.0 + float(times[1]))), times[1:])


@dataclass(frozen=True, eq=False)
class AtNodes(NoiseSchedule):
    """The schedule of a fitted sampler as far as it is known: at the times at which the sampler looks at it.

    Attributes
    ----------
    source
        What is known.
    flow
        Whether the levels of the host are those of flow matching.
    """

    source: Fingerprint
    flow: bool = False

    _never_changes = True

    @property
    def t_start(self) -> float:
        """The first time."""
        return float(self.source.t[0])

    @property
    def t_end(self) -> float:
        """The last time at which σ > 0."""
        return float(self.source.t[self.source.sigma > 0.0].min())

    def noise_scale(self, t: Array) -> Array:
        """Return the factor from normal noise to the first state."""
        return self.source.noise_scale * np.ones_like(t)

    def network_time(self, t: Array) -> Array:
        """Return what networks are told at the times of the sampler's calls."""
        known, places = np.unique(self.source.times, return_index=True)
        return np.interp(t, known, self.source.told[places])

    def time_of_network(self, told: Array) -> Array:
        """Return the times of the sampler's calls by what networks are told there."""
        known, places = np.unique(self.source.told, return_index=True)
        return np.interp(told, known, self.source.times[places])

    def norm(self, t: Array) -> Array:
        """Return what states are divided by for the host: α, or α + σ for one of flow matching."""
        return self._alpha(np, t) + (self._sigma(np, t) if self.flow else 0.0)

    def levels(self, sampler: FittedSampler) -> np.ndarray:
        """Return the noise levels of the states of its ``sampler``."""
        states = np.append(True, sampler.accepted)
        nodes = sampler.nodes[states]
        if not np.all(self.norm(nodes) > 0.0):
            raise ValueError(
                f"{sampler.name}: expected α > 0 where it starts, received 0, a noise level that is infinite; such a "
                "sampler runs by diffusion.sample"
            )
        return np.asarray(self._sigma(np, nodes) / self.norm(nodes))

    def _known(self, values: np.ndarray, t: Any) -> Any:
        at, places = np.unique(np.maximum(self.source.t, -_FAR), return_index=True)
        return np.interp(np.maximum(t, -_FAR), at, values[places])

    def _alpha(self, xp: Any, t: Any) -> Any:
        return self._known(self.source.alpha, t)

    def _sigma(self, xp: Any, t: Any) -> Any:
        return self._known(self.source.sigma, t)

    def _half_log_snr(self, xp: Any, t: Any) -> Any:
        return np.log(self._alpha(xp, t) / self._sigma(xp, t))

    def _rate(self, xp: Any, t: Any) -> Any:
        at = np.unique(self.source.t[self.source.sigma > 0.0])
        return np.interp(t, at, np.gradient(self._half_log_snr(xp, at), at))

    def _time(self, xp: Any, lam: Any) -> Any:
        at = np.unique(self.source.t)
        return np.interp(-lam, -self._half_log_snr(xp, at[::-1])[::-1], at)


@dataclass(frozen=True, eq=False)
class HostLevels(Adapted):
    """A model of a host as a network of another process: told its level, and given the state as the host has it."""

    schedule: AtNodes

    def time(self, t: Array) -> Array:
        """Return the noise level."""
        t = self.schedule.time_of_network(t)
        return np.asarray(self.schedule.sigma(t) / self.schedule.norm(t))

    def divisor(self, t: Array) -> Array:
        """Return what states are divided by."""
        return self.schedule.norm(self.schedule.time_of_network(t))
