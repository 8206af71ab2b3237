"""Short solves of states of a chain, each from its own noise level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diffusion import grids
from diffusion.checks import lay_out
from diffusion.denoiser import Denoiser
from diffusion.noise.sources import Noise
from diffusion.process.schedule import NoiseSchedule
from diffusion.running import final
from diffusion.sample import trajectory
from diffusion.samplers.catalogue import AnySampler
from expint.backend import Array, array_namespace

__all__ = ["APART", "short_grid", "solved"]

_SOLVE = 2
"""From which on the random columns of a solve are: those before are of moves."""

APART = 1 << 20
"""Steps of noise between the moves of a chain, more than any solve has."""


@dataclass(frozen=True)
class _OfRows:
    """The noise of some rows of a batch in one solve, apart from that of moves and other solves."""

    noise: Noise
    rows: np.ndarray
    whole: Array
    first: int

    def draw(self, step: int, column: int, like: Array) -> Array:
        """Return the noise of one column of one step."""
        del like
        return _rows(self.noise.draw(self.first + step, _SOLVE + column, self.whole), self.rows)


def solved(
    denoiser: Denoiser,
    times: np.ndarray,
    sampler: str | AnySampler,
    steps: int,
    noise: Noise,
    y: Array,
    level: np.ndarray,
    moves: int,
) -> tuple[Array, np.ndarray]:
    """Return the data to which states y lead, each from its own level, and the calls of each."""
    schedule, calls, parts, order = denoiser.schedule, np.zeros(len(level), int), list[Array](), list[np.ndarray]()
    for own in np.unique(level):
        rows, t = np.flatnonzero(level == own), float(times[own])
        grid = short_grid(schedule, t, steps)
        chosen, _, _ = lay_out(denoiser, sampler, None, grid)
        rng = _OfRows(noise, rows, y, moves * APART) if getattr(chosen, "stochastic", False) else None
        state = float(schedule.alpha(t)) * _rows(y, rows)
        run = final(trajectory(denoiser, state, sampler=sampler, grid=grid, start="state", rng=rng))
        parts.append(run.y[-1, ...])
        order.append(rows)
        calls[rows] = run.calls
    return _rows(array_namespace(y).concat(parts, axis=0), np.argsort(np.concatenate(order))), calls


def short_grid(schedule: NoiseSchedule, t: float, steps: int) -> np.ndarray:
    """Return times from t to σ = 0, those between as Karras et al. have them."""
    zero = float(schedule.sigma(schedule.t_end)) == 0.0
    before = steps if zero else steps - 1
    ahead = grids.karras(before, schedule=schedule, t_start=t) if before and t > schedule.t_end else np.array([t])
    return ahead if zero else np.append(ahead, schedule.t_clean)


def _rows(x: Array, rows: np.ndarray) -> Array:
    xp = array_namespace(x)
    return xp.take(x, xp.asarray(rows, device=getattr(x, "device", None)), axis=0)
