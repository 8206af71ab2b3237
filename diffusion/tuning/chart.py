"""Which numbers of a run are free: charts between the values of a run and a vector of parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from diffusion.process.clock import LOG_FLOW
from diffusion.process.schedule import NoiseSchedule
from diffusion.tuning.values import Values

__all__ = ["Chart", "GridChart", "PlanChart", "clock_of", "times_of"]

_GAP = 1e-3
"""The least step, in units of the mean step of the clock."""


class Chart(Protocol):
    """A map from parameters to the values of a run."""

    def values(self, parameters: np.ndarray) -> Values | None:
        """Return the values of a run, None where the parameters make none."""

    @property
    def stages(self) -> list[int]:
        """For each parameter the first point of the run that it moves."""

    def steps(self, parameters: np.ndarray, points: list[float], columns: list[float], eta: float) -> np.ndarray:
        """Return by how much each parameter is moved for a difference: by about ``eta`` of the point that it moves.

        ``points`` are the sizes of the points of the run, ``columns`` those of x_T and the predictions.
        """


def clock_of(schedule: NoiseSchedule, times: Any) -> np.ndarray:
    """Return log(1 + α/σ): finite from pure noise on, and λ near the data."""
    with np.errstate(divide="ignore"):
        return np.asarray(LOG_FLOW.value(schedule, np.asarray(times, dtype=np.float64)))


def times_of(schedule: NoiseSchedule, u: np.ndarray) -> np.ndarray:
    """Return the times at which log(1 + α/σ) is ``u``, within the range of the schedule."""
    with np.errstate(all="ignore"):
        times = np.asarray(LOG_FLOW.time(schedule, u))
    return np.clip(times, schedule.t_end, schedule.t_start)


def _ordered(u: np.ndarray) -> bool:
    """Whether values of the clock increase by no less than a little; the last may be infinite, at σ = 0."""
    inner = u[:-1] if np.isinf(u[-1]) else u
    least = _GAP * (inner[-1] - inner[0]) / len(u)
    return bool(np.all(np.isfinite(inner)) and np.all(np.diff(inner) >= least))


@dataclass(frozen=True)
class GridChart:
    """The inner times of a run alone: the weights are the exact ones of a sampler on these times.

    Parameters
    ----------
    schedule
        Whose times they are.
    exact
        The values of the sampler on given times, the first and the last of the run among them; None where it has none.
    ends
        The first and the last time.
    inner
        The number of times between them.
    """

    schedule: NoiseSchedule
    exact: Callable[[np.ndarray], Values | None]
    ends: tuple[float, float]
    inner: int

    def parameters(self, times: np.ndarray) -> np.ndarray:
        """Return the parameters of the times of a run, its ends included."""
        return clock_of(self.schedule, times[1:-1])

    def times(self, parameters: np.ndarray) -> np.ndarray:
        """Return all times."""
        return np.concatenate([[self.ends[0]], times_of(self.schedule, parameters), [self.ends[1]]])

    def values(self, parameters: np.ndarray) -> Values | None:
        """Return the values of the sampler on these times."""
        first, last = clock_of(self.schedule, self.ends)
        if not _ordered(np.array([first, *parameters, last])):
            return None
        return self.exact(self.times(parameters))

    @property
    def stages(self) -> list[int]:
        """Every time moves the point that lies there."""
        return list(range(1, 1 + self.inner))

    def steps(self, parameters: np.ndarray, points: list[float], columns: list[float], eta: float) -> np.ndarray:
        """Return equal steps of the clock."""
        del points, columns
        return np.full(len(parameters), eta)


@dataclass(frozen=True)
class PlanChart:
    """The times and the weights of a run, each free or not.

    Times may pass each other: nothing in a run of this form asks for an order, and on the way to a better one they do.
    Weights are parameters in units of σ(τ_i)/σ_T, of the first state, and of α(τ_i), of the predictions: where a time
    moves, its point keeps its relation of signal to noise.

    Parameters
    ----------
    schedule
        Whose times they are.
    base
        The values of what is not free.
    end
        (α, σ) at the end of the run.
    free_times
        Whether the inner times are free.
    early
        Whether the first call may be made later than at the start of the run, at a multiple of the first state.
    consistent
        Whether x_0 and ε that are constant are solved for exactly: c_i = σ_i/σ_T and c_i α_T + Σ_j d_ij = α_i. The
        newest weight of every row then follows from the others.
    window
        How many of the newest weights of a row are free.
    """

    schedule: NoiseSchedule
    base: Values
    end: tuple[float, float]
    free_times: bool = True
    early: bool = True
    consistent: bool = False
    window: int = 1000

    @property
    def entries(self) -> list[tuple[int, int, int]]:
        """The free weights (point, column, band), column −1 that of the first state."""
        n, early = self.base.calls, self.early and self.free_times
        newest = 1 if self.consistent else 0
        own = [] if self.consistent else [(i, -1) for i in range(0 if early else 1, n + 1)]
        pairs = [*own, *((i, j) for i in range(1, n + 1) for j in range(max(0, i - self.window), i - newest))]
        return [(*pair, k) for pair in pairs for k in range(self.base.by_band[0].shape[1])]

    @property
    def moved(self) -> list[int]:
        """The times that are free."""
        n = self.base.calls
        return [] if not self.free_times else list(range(0 if self.early and not self.consistent else 1, n))

    @property
    def stages(self) -> list[int]:
        """The first point that each parameter moves; a time moves its point only where the weights follow it."""
        return [*self.moved, *(entry[0] for entry in self.entries)]

    def _units(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the units of c and of the rows of D."""
        of_state = np.append(self.schedule.sigma(times), 1.0)
        of_state[:-1] /= float(self.schedule.sigma(self.schedule.t_start))
        of_data = np.append(self.schedule.alpha(times), 1.0)
        return of_state, np.where(of_data > 0.0, of_data, 1.0)

    def parameters(self, values: Values) -> np.ndarray:
        """Return the parameters of the ``values``."""
        of_state, of_data = self._units(values.times)
        c, D = values.by_band
        weights = [c[i, k] / of_state[i] if j < 0 else D[i, j, k] / of_data[i] for i, j, k in self.entries]
        return np.concatenate([clock_of(self.schedule, values.times[self.moved]), np.array(weights)])

    def values(self, parameters: np.ndarray) -> Values | None:
        """Return the values of a run."""
        moved = self.moved
        found = Values(self.base.times.copy(), self.base.c.copy(), self.base.D.copy(), self.base.bands)
        times, (c, D) = found.times, found.by_band
        u = clock_of(self.schedule, [self.schedule.t_start, *times, self.schedule.t_end])
        u[1:-1][moved] = np.maximum(parameters[: len(moved)], u[0])
        if not np.all(np.isfinite(parameters)):
            return None
        times[moved] = times_of(self.schedule, u[1:-1][moved])
        of_state, of_data = self._units(times)
        for (i, j, k), weight in zip(self.entries, parameters[len(moved) :], strict=True):
            if j < 0:
                c[i, k] = of_state[i] * weight
            else:
                D[i, j, k] = of_data[i] * weight
        return self._consistent(found) if self.consistent else found

    def _consistent(self, values: Values) -> Values:
        alpha = np.append(self.schedule.alpha(values.times), self.end[0])
        sigma = np.append(self.schedule.sigma(values.times), self.end[1])
        c, D, newest = sigma / sigma[0], values.D.copy(), np.arange(values.calls)
        total = alpha - c * alpha[0]
        if values.bands is not None:
            c, total = (np.repeat(part[:, None], values.bands.count, axis=1) for part in (c, total))
        D[newest + 1, newest] = 0.0
        D[newest + 1, newest] = (total - D.sum(axis=1))[1:]
        return values._replace(c=c, D=D)

    def steps(self, parameters: np.ndarray, points: list[float], columns: list[float], eta: float) -> np.ndarray:
        """Return equal steps of the clock, and steps of the weights that move a point by equal amounts."""
        values = self.values(parameters)
        assert values is not None  # differences are taken from a run
        of_state, of_data = self._units(values.times)
        weights = []
        for i, j, *_ in self.entries:
            scale = of_state[i] if j < 0 else of_data[i]
            weights.append(eta * points[i] / max(scale * columns[1 + j], 1e-300))
        return np.concatenate([np.full(len(self.moved), eta), np.array(weights)])
