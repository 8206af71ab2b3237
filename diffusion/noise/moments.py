"""Mean and covariance of what a sampler gives, exactly: for Gaussian data a plan is a linear recursion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from diffusion.checks import check_denoiser, check_start, lay_out
from diffusion.denoiser import Denoiser
from diffusion.noise.affine import affine_states
from diffusion.samplers.catalogue import AnySampler
from expint.arguments import integer, listed
from expint.arrays import real_values

__all__ = ["Moments", "moments"]


class Moments(NamedTuple):
    """The Gaussian laws of the states of a run.

    Attributes
    ----------
    t
        The times of the states, (n,).
    mean
        Their means, (n, d).
    covariance
        Their covariances, (n, d, d).
    """

    t: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray


def moments(
    denoiser: Denoiser,
    *,
    sampler: str | AnySampler,
    steps: int | None = None,
    grid: str | Sequence[float] | np.ndarray | None = None,
    start: Literal["noise", "state"] = "noise",
    initial: tuple[Any, Any] | None = None,
    size: int | None = None,
) -> Moments:
    r"""Return mean and covariance of the states of a sampler on Gaussian data, in closed form.

    The exact denoiser of Gaussian data is affine in the state. So each point of a run is

    .. math:: x_i = m_i + A_i z + \sum_j B_{ij} ξ_j

    with the first state m + A z and the standard normal columns ξ of all steps, and the plan's own rows, run on these
    coefficients, give them; the covariance is :math:`A A^T + \sum_j B_j B_j^T`. Nothing is drawn.

    Parameters
    ----------
    denoiser
        A denoiser that is affine in the state, such as ``diffusion.models.gaussian_mixture`` with one component; its
        network takes NumPy arrays (batch, size).
    sampler, steps, grid
        As of ``diffusion.sample``.
    start
        "noise": the first state is standard normal noise times its scale, as of ``diffusion.sample``. "state": it has
        the moments ``initial``.
    initial
        Mean (d,) and covariance (d, d) of the first state; None is standard normal.
    size
        The number d of elements of a sample; None is that of the mixture.

    Returns
    -------
    Moments
        Of all states of the run, exact to rounding.

    Raises
    ------
    TypeError, ValueError
        As ``diffusion.sample`` does; also if the denoiser is not affine.

    Examples
    --------
    Standard normal data stay standard normal where x = α x₀ + σ ε with α² + σ² = 1; DDPM adds an error of its own:

    >>> import diffusion
    >>> exact = diffusion.models.gaussian_mixture([1.0], [[0.0]], [[[1.0]]])
    >>> found = diffusion.moments(exact, sampler="ddpm", steps=1000)
    >>> bool(abs(found.covariance[-1, 0, 0] - 1.0) < 0.01)
    True
    """
    check_denoiser(denoiser)
    check_start(start)
    size = integer("size", _size(denoiser) if size is None else size)
    chosen, times, to_zero = lay_out(denoiser, sampler, steps, grid)
    plan = chosen.plan(denoiser.schedule, times, to_zero=to_zero, edges=denoiser.discontinuities)
    predict = chosen.slope(denoiser)
    pair = [np.zeros(size), np.eye(size)] if initial is None else listed("initial", initial, "a mean and a covariance")
    if len(pair) != 2:
        raise ValueError(f"expected initial as (mean, covariance), received {len(pair)} entries; give these two")
    mean, covariance = (real_values(name, own) for name, own in zip(("the mean", "the covariance"), pair))
    scale = float(denoiser.schedule.noise_scale(plan.steps[0].times[0])) if start == "noise" else 1.0
    if mean.shape != (size,) or covariance.shape != (size, size):
        raise ValueError(
            f"expected initial moments of shapes ({size},) and ({size}, {size}), received {mean.shape} and "
            f"{covariance.shape}; give the mean and the covariance"
        )
    values, axes = np.linalg.eigh(covariance)
    root = axes * np.sqrt(np.maximum(values, 0.0))
    begun = scale * np.concatenate([mean[None], root.T])

    def slope(t: float, x: np.ndarray) -> np.ndarray:
        """Return the coefficients of the prediction: its values less the one at the mean."""
        at_mean = predict(t, x[:1])
        moved = predict(t, x[:1] + x[1:])
        _check_affine(predict, t, x, at_mean, moved)
        return np.concatenate([at_mean, moved - at_mean])

    states = list(affine_states(plan, slope, begun, size))
    spread = [state[1:] for _, state in states]
    return Moments(
        np.array([t for t, _ in states]),
        np.array([state[0] for _, state in states]),
        np.array([rows.T @ rows for rows in spread]),
    )


def _size(denoiser: Denoiser) -> int:
    means = getattr(denoiser.network, "means", None)
    if means is None:
        raise ValueError(
            f"expected a mixture, or size= of a sample, received {denoiser!r} alone; say how many elements "
            "its network takes"
        )
    return int(means.shape[1])


def _check_affine(predict: Any, t: float, x: np.ndarray, at_mean: np.ndarray, moved: np.ndarray) -> None:
    """Raise ValueError unless twice the way from the mean changes the prediction twice as much."""
    twice = predict(t, x[:1] + 2 * x[1:2]) - at_mean
    once = moved[:1] - at_mean
    if not np.allclose(twice, 2 * once, rtol=1e-8, atol=1e-8 * (1.0 + np.abs(at_mean).max())):
        raise ValueError(
            f"expected a denoiser that is affine in the state, as that of Gaussian data, received one that is not at "
            f"t = {t:.6g}; take diffusion.models.gaussian_mixture with one component"
        )
