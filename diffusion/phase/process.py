r"""The process of critically damped Langevin dynamics, and its laws in closed form.

Each number x of the data gets a velocity v of its own. In s = β t

.. math:: du = A u\, ds + \sqrt{2Γ}\, (0, dW), \qquad u = (x, v), \quad
    A = \begin{pmatrix} 0 & 1/M \\ -1 & -Γ/M \end{pmatrix}, \quad Γ = 2\sqrt{M},

so that A has the double eigenvalue −ω, ω = 1/√M, and e^{As} = e^{−ωs} (1 + s (A + ω)). Noise comes to v only, and the
process ends as N(0, 1) for x and N(0, M) for v.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from scipy.special import gammainc

from expint.arguments import number
from expint.arrays import real_values
from expint.backend import Array, array_namespace, asarray_like, to_numpy

__all__ = ["CriticallyDamped"]


@dataclass(frozen=True)
class CriticallyDamped:
    """The process dx = v/M β dt, dv = −(x + Γ v/M) β dt + √(2Γβ) dW, Γ = 2√M, for t from 0, the data, to 1.

    States hold position and velocity in their last axis, (B, …, 2). At t = 0 velocities are N(0, γM). The noise reaches
    the positions through the velocities, so that a network has to know the score of the velocities only, which is
    finite up to the data.

    Parameters
    ----------
    beta
        The speed β > 0.
    mass
        M > 0.
    gamma
        γ > 0, the variance of the first velocities in units of M.

    Raises
    ------
    TypeError, ValueError
        If one is no number or not positive.

    Notes
    -----
    Dockhorn, Vahdat & Kreis, *Score-based generative modeling with critically-damped Langevin diffusion*, 2022; the
    defaults are theirs.

    Examples
    --------
    Standard normal data with velocities of the variance M are what the process ends with, and stay so:

    >>> import numpy as np
    >>> rest = CriticallyDamped(gamma=1.0)
    >>> mean, covariance = rest.kernel(0.3)
    >>> bool(np.allclose(np.outer(mean, mean) + covariance, np.diag([1.0, 0.25])))
    True
    """

    beta: float = 4.0
    mass: float = 0.25
    gamma: float = 0.04

    def __post_init__(self) -> None:
        for name in ("beta", "mass", "gamma"):
            object.__setattr__(self, name, number(name, getattr(self, name), above=0.0))

    @property
    def friction(self) -> float:
        """Γ = 2√M, the least friction without oscillation."""
        return 2.0 * sqrt(self.mass)

    def kernel(self, t: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the law of u given x₀, a mean m x₀ and a covariance: m (…, 2) and (…, 2, 2) for times (…).

        No part of it is a difference of neighbours, down to t = 0.

        Raises
        ------
        ValueError
            If a time lies outside [0, 1].
        """
        return self._mean(t), self._spread(t)[0]

    def velocity_scale(self, t: Any) -> np.ndarray:
        """Return ℓ(t), the deviation of v given x and x₀: the score of v given x₀ is −ε/ℓ, ε its standard noise."""
        covariance, determinant = self._spread(t)
        positive = covariance[..., 0, 0] > 0.0
        return np.sqrt(determinant / np.where(positive, covariance[..., 0, 0], 1.0)) * positive

    def state(self, data: Array, noise: Array, t: Array) -> Array:
        """Return u at times (B,), for data (B, …) and standard normal noise (B, …, 2): what networks are trained on.

        With the noise ε = noise[…, 1] the score of the velocities given the data is −ε/ℓ(t).
        """
        mean, covariance = self.kernel(to_numpy(t))
        x, low = np.sqrt(covariance[..., 0, 0]), self.velocity_scale(to_numpy(t))
        across = covariance[..., 0, 1] / np.where(x > 0.0, x, 1.0)
        last = np.where(x > 0.0, low, np.sqrt(covariance[..., 1, 1]))  # at t = 0, where x has no noise

        def over(values: np.ndarray) -> Array:
            return asarray_like(values.reshape(-1, *[1] * (data.ndim - 1)), data)

        first = over(mean[..., 0]) * data + over(x) * noise[..., 0]
        second = over(mean[..., 1]) * data + over(across) * noise[..., 0] + over(last) * noise[..., 1]
        return array_namespace(data).stack([first, second], axis=-1)

    def gaussian(self, mean: Any, covariance: Any) -> Callable[[Array, Array], Array]:
        """Return the exact score of the velocities for data of N(mean, covariance), as a network (u, t).

        Parameters
        ----------
        mean, covariance
            Of data of n numbers each, (n,) and (n, n); the network takes NumPy arrays (B, n, 2).

        Raises
        ------
        TypeError, ValueError
            If these are no mean and covariance.

        Examples
        --------
        >>> import numpy as np
        >>> score = CriticallyDamped(gamma=1.0).gaussian([0.0], [[1.0]])
        >>> bool(np.allclose(score(np.array([[[0.7, -0.5]]]), np.array([0.3])), 0.5 / 0.25))
        True
        """
        mu = real_values("mean", mean, ndim=1)
        total = real_values("covariance", covariance, ndim=2)
        if total.shape != (len(mu), len(mu)) or not np.allclose(total, total.T):
            raise ValueError(
                f"expected a mean (n,) and a symmetric covariance (n, n), received shapes {mu.shape} and "
                f"{total.shape}; give these of the data, without velocities"
            )
        sizes, axes = np.linalg.eigh(total)
        if sizes.min() < 0.0:
            raise ValueError(
                f"expected a covariance without negative eigenvalues, received {sizes.min():.3g}; see how it was made"
            )

        def score(u: Array, t: Array) -> Array:
            m, own = self.kernel(np.asarray(t, dtype=float)[:, None])  # (B, 1, 2), (B, 1, 2, 2)
            whole = own + sizes[:, None, None] * m[..., :, None] * m[..., None, :]
            gap = np.einsum("bic,ij->bjc", u - m * mu[:, None], axes)
            solved = np.linalg.solve(whole, gap[..., None])[..., 1, 0]
            return np.asarray(-solved @ axes.T)

        return score

    def _mean(self, t: Any) -> np.ndarray:
        """Return the first column of e^{As}."""
        s, omega = self._clock(t), 1.0 / sqrt(self.mass)
        return np.exp(-omega * s)[..., None] * np.stack([1.0 + omega * s, -s], axis=-1)

    def _spread(self, t: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the covariance given x₀, and its determinant: of the first velocities, and of the noise since."""
        s, omega, two = self._clock(t), 1.0 / sqrt(self.mass), 2.0 * self.friction
        a = np.exp(-omega * s) * np.stack([s / self.mass, 1.0 - omega * s])  # e^{As} applied to a velocity
        # ∫ r^k e^{-2ωr} dr from 0 to s
        zeroth, first, second = (
            gammainc(k + 1, 2 * omega * s) * factor / (2 * omega) ** (k + 1) for k, factor in ((0, 1), (1, 1), (2, 2))
        )
        xx = two * second / self.mass**2
        xv = two * s**2 * np.exp(-2 * omega * s) / (2 * self.mass)
        vv = two * (zeroth - 2 * omega * first + omega**2 * second)
        size = self.gamma * self.mass
        entries = [xx + size * a[0] ** 2, xv + size * a[0] * a[1], xv + size * a[0] * a[1], vv + size * a[1] ** 2]
        determinant = xx * vv - xv**2 + size * (vv * a[0] ** 2 - 2 * xv * a[0] * a[1] + xx * a[1] ** 2)
        return np.stack(entries, axis=-1).reshape(*s.shape, 2, 2), determinant

    def _clock(self, t: Any) -> np.ndarray:
        """Return s = β t."""
        times = np.asarray(real_values("t", t), dtype=float)
        if not (np.all(times >= 0.0) and np.all(times <= 1.0)):
            raise ValueError(f"expected times in [0, 1], received {times.min():g} … {times.max():g}; 0 is the data")
        return self.beta * times
