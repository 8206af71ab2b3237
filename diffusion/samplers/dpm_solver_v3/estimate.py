"""Estimation of the empirical statistics of a network, by forward-mode derivatives along its own samples."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from diffusion.checks import check_state, lay_out
from diffusion.denoiser import Denoiser
from diffusion.optional import require
from diffusion.process.prediction import convert
from diffusion.sample import SamplingError, trajectory
from diffusion.samplers.dpm_solver_v3.statistics import Statistics
from diffusion.samplers.sampler import Sampler
from expint.arguments import instance, integer
from expint.backend import Array

__all__ = ["estimate_statistics"]

_STEEPEST = 5.0  # |s|: beyond it lies noise of few samples; that of a prediction is 1 at most
_FLAT = 1e-12  # relative to the mean squares that are subtracted: a variance below is rounding


def estimate_statistics(
    denoiser: Denoiser,
    noise: Array,
    *,
    steps: int | None = None,
    grid: Sequence[float] | np.ndarray | None = None,
    sampler: str | Sampler = "unipc3",
    probes: int = 1,
    batch: int = 64,
    generator: Any = None,
) -> Statistics:
    r"""Return the statistics of a network: the l, s and b with which a first-order step errs least, in the mean.

    With z = x/α, e = ρ ε(x, λ) and N = e − l z, averaged over samples at each λ,

    .. math:: l = E[\operatorname{diag} ∂e/∂z], \qquad s = \frac{\operatorname{Cov}(N, N')}{\operatorname{Var}(N)},
        \qquad b = E[N'] − s E[N],

    all elementwise, s kept within ±5; N′ = e′ + l e − l′ z is the derivative along the flow, where z′ = −e. The
    diagonal is E[v ∘ (∂e/∂z) v] over random signs v; derivatives of the network, in x and t, are those of forward mode.

    Parameters
    ----------
    denoiser
        A torch network with its schedule; its time must be differentiable (no rounding to an index). Guided denoisers,
        which take one time for a whole batch, have to be written as one network.
    noise
        A tensor of standard normal noise, (K, …): K samples are followed from noise to data. Hundreds suffice for
        smooth statistics; the paper takes 1024 and more.
    steps, grid
        The tables have entries at the times of this run, made as by ``diffusion.sample``.
    sampler
        What follows the samples.
    probes
        How many random signs v are drawn for each sample and time; each costs about two calls of the network, as does
        N′.
    batch
        How many samples are followed at once.
    generator
        The ``torch.Generator`` of the random signs, on the device of ``noise``.

    Returns
    -------
    Statistics
        For samples of the shape of ``noise[0]``.

    Raises
    ------
    TypeError, ValueError
        For arguments that make no sense, before any call.
    SamplingError
        If a state becomes non-finite.

    Notes
    -----
    Zheng, Lu, Chen & Zhu, *DPM-Solver-v3*, 2023, §3.1 and appendix C.

    Examples
    --------
    >>> import torch, diffusion
    >>> net = diffusion.models.gaussian_mixture([1.0], [[0.0]], [[[1.0]]])
    >>> noise = torch.randn(8, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    >>> diffusion.estimate_statistics(net, noise, steps=4).linear.shape
    (5, 1)
    """
    torch = require("torch")
    instance("noise", noise, torch.Tensor, "a torch tensor", "derivatives need torch")
    check_state(noise)
    probes, batch = integer("probes", probes, most=10_000), integer("batch", batch)
    if len(noise) < 2:
        raise ValueError(f"expected at least two samples, received {len(noise)}: statistics need a variance")
    _, times, _ = lay_out(denoiser, sampler, steps, grid)
    total = None
    with torch.no_grad():
        for first in range(0, len(noise), batch):
            run = trajectory(denoiser, noise[first : first + batch], sampler=sampler, grid=times)
            if not run.success:
                raise SamplingError(run)
            signs = [_signs(run.states[0], generator) for _ in range(probes)]
            sums = [_moments(denoiser, x, t, signs) for t, x in zip(run.t.tolist(), run.states)]
            part = _Moments(*(np.array(entries) for entries in zip(*sums)))
            total = part if total is None else _Moments(*(a + b for a, b in zip(total, part)))
    assert total is not None
    return _solved(np.asarray(denoiser.schedule.half_log_snr(times)), _Moments(*(a / len(noise) for a in total)))


class _Moments(NamedTuple):
    """Sums over samples of diag ∂e/∂z, and of e, z, e′ and their products; N and N′ are linear in these."""

    diagonal: Any
    e: Any
    z: Any
    de: Any
    ee: Any
    ez: Any
    zz: Any
    ede: Any
    zde: Any


def _signs(like: Array, generator: Any) -> Array:
    """Return random signs; those of a sample serve at all its times, so that l is as smooth in λ as it is."""
    torch = require("torch")
    return torch.randint(0, 2, like.shape, generator=generator, device=like.device).to(like.dtype) * 2 - 1


def _moments(denoiser: Denoiser, x: Array, t: float, signs: Sequence[Array]) -> _Moments:
    """Return the sums over the samples ``x`` at the time t, in double precision on the host."""
    torch = require("torch")
    schedule = denoiser.schedule
    times = torch.full((len(x),), t, dtype=x.dtype, device=x.device)

    def of_state(z: Array, times: Array) -> Array:
        alpha, sigma = (scale(times).reshape(-1, *[1] * (z.ndim - 1)) for scale in (schedule.alpha, schedule.sigma))
        state = alpha * z
        output = denoiser(state, times)
        return sigma / alpha * convert(output, state, alpha, sigma, denoiser.predicts, "noise", schedule.sigma_data)

    z = x / float(schedule.alpha(t))
    e = of_state(z, times)
    rate = torch.full_like(times, 1.0 / float(schedule.half_log_snr_rate(t)))
    de = _derivative(of_state, (z, times), (-e, rate))
    still = torch.zeros_like(times)
    diagonal = sum(sign * _derivative(of_state, (z, times), (sign, still)) for sign in signs) / len(signs)
    diagonal, e, z, de = (part.double() for part in (diagonal, e, z, de))
    parts = (diagonal, e, z, de, e * e, e * z, z * z, e * de, z * de)
    return _Moments(*(part.sum(0).cpu().numpy() for part in parts))


def _derivative(function: Callable[..., Array], at: tuple[Array, ...], along: tuple[Array, ...]) -> Array:
    """Return the derivative of the function in forward mode."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*torch.jit", DeprecationWarning)  # torch's of itself, at the first use
        return require("torch").func.jvp(function, at, along)[1]


def _solved(lam: np.ndarray, mean: _Moments) -> Statistics:
    """Return l, and s and b of the regression N′ ≈ s N + b, elementwise."""
    from scipy.interpolate import CubicSpline  # takes long to load

    l = mean.diagonal
    dl = CubicSpline(lam, l).derivative()(lam)
    n, dn = mean.e - l * mean.z, mean.de + l * mean.e - dl * mean.z
    square = mean.ee - 2 * l * mean.ez + l * l * mean.zz
    product = mean.ede + l * mean.ee - dl * mean.ez - l * (mean.zde + l * mean.ez - dl * mean.zz)
    variance = square - n * n
    varies = variance > _FLAT * (mean.ee + l * l * mean.zz)
    s = np.where(varies, (product - n * dn) / np.where(varies, variance, 1.0), 0.0).clip(-_STEEPEST, _STEEPEST)
    return Statistics(lam, l, s, dn - s * n)
