"""k-diffusion's dpm_adaptive: DPM-Solver-3 with DPM-Solver-2 embedded, and its own choice of steps.

x/α is followed as a state of a process with α = 1. A step from x is good where the root mean square of
(x_low − x_high)/δ, δ = max(atol, rtol max(|x_low|, |x_low of the step before|)), is at most what the limited controller
asks: the step is changed by 1 + arctan(e^{−1/3} − 1), and taken where that is 0.81 or more. There the norm is one for
the whole batch; here each sample has its own, which is the same for a batch of one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from diffusion.process.gauge import NOISE
from expint.backend import Array, array_namespace, asarray_like, to_numpy
from expint.derive import REST, Tableau, phi
from expint.run import EachNorm, EachPolicy, EachSteps, sum_of_each

__all__ = ["ATOL", "FIRST", "GAUGE", "METHOD", "NAME", "RTOL", "limited", "of_both"]

NAME, GAUGE = "dpm-adaptive", NOISE
RTOL, ATOL, FIRST = 0.05, 0.0078, 0.05

METHOD = Tableau(
    name="dpm-solver-23",
    c=(0, Fraction(1, 3), Fraction(2, 3)),
    a=((), (REST,), (REST, Fraction(4, 3) * phi(2, Fraction(2, 3)))),
    b=(REST, 0, Fraction(3, 2) * phi(2)),
    embedded=(REST, Fraction(3, 2) * phi(1), 0),
    reference="lu2022",
)

_ORDER, _SAFETY, _LEAST = 3, 0.81, 1e-8
_GOOD = (1.0 + math.tan(_SAFETY - 1.0)) ** -_ORDER - _LEAST
"""The largest error of a step that is taken: 1 + arctan(e^{−1/3} − 1) is then the safety of the controller."""


@dataclass(frozen=True)
class _Limited(EachPolicy):
    """The step is changed after every attempt, smoothly limited; the last one is cut off."""

    def prepare(self, which: np.ndarray, state: EachSteps) -> EachSteps:
        del which
        return state

    def approach(self, state: EachSteps, t: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        reach = np.abs(stop - t)
        return np.minimum(state.h, reach), state.h >= reach

    def rejected(self, state: EachSteps, h: np.ndarray, error: np.ndarray) -> EachSteps:
        return self.accepted(state, h, error)._replace(previous=state.previous)

    def accepted(self, state: EachSteps, h: np.ndarray, error: np.ndarray) -> EachSteps:
        with np.errstate(over="ignore"):
            factor = 1.0 + np.arctan((1.0 / (_GOOD * error + _LEAST)) ** (1.0 / _ORDER) - 1.0)
        return state._replace(h=state.h * factor, previous=h)


@dataclass(frozen=True)
class _OfBoth(EachNorm):
    """The norm of dpm_adaptive; as tolerances of the state before it remembers |x_low|."""

    def scale(self, which: np.ndarray, t: np.ndarray, y: Array) -> Array:
        del which
        return abs(self._state(t, y))

    def judged(
        self, which: np.ndarray, t: np.ndarray, y: Array, error: Array, before: Array
    ) -> tuple[np.ndarray, Array, Array]:
        del which
        xp = array_namespace(y)
        off, low = self._state(t, error), abs(self._state(t, y - error))
        larger = xp.maximum(low, before)
        allowed = self.rtol[:1, ...] * larger
        allowed = xp.maximum(allowed, self.atol[:1, ...] + 0.0 * allowed)
        squares = xp.reshape(abs(off / allowed) ** 2, (off.shape[0], -1))
        found = to_numpy(xp.sqrt(sum_of_each(squares) / squares.shape[1])).astype(np.float64)
        found = np.where(np.isfinite(found), found, np.inf)
        return found / _GOOD, low, larger

    def _state(self, t: np.ndarray, y: Array) -> Array:
        """Return x/α of states x/σ at the clock λ."""
        return y * asarray_like(np.exp(-t).reshape(-1, *(1,) * (y.ndim - 1)), y)


def limited(policy: EachPolicy) -> EachPolicy:
    """Return the policy of dpm_adaptive."""
    return _Limited(**vars(policy))


def of_both(norm: EachNorm) -> EachNorm:
    """Return the norm of dpm_adaptive with the tolerances of ``norm``."""
    own: dict[str, Any] = vars(norm)
    return _OfBoth(**own)
