r"""Log-densities of samples along the probability-flow ODE, by any sampler's plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import log, prod
from typing import Any

import numpy as np

from diffusion.checks import check_denoiser, check_state
from diffusion.denoiser import Denoiser
from diffusion.inversion.stability import warn_of_latents
from diffusion.likelihood.adaptive import Followed, density_to_tolerance
from diffusion.likelihood.along_plan import check_plain, density_over_plan, log_density_of
from diffusion.likelihood.divergence import KINDS, WAYS, Divergence, divergence_of, draw_probes
from diffusion.samplers.catalogue import AnySampler
from diffusion.tolerance import is_adaptive, refuse, rule, tolerances
from expint.arguments import choice, flag, function, integer, number
from expint.backend import Array
from expint.run import sum_of_each

__all__ = ["Likelihood", "log_likelihood"]


@dataclass(frozen=True, eq=False)
class Likelihood:
    """The log-densities of samples, and what they rest on.

    Attributes
    ----------
    log_density
        log p(x) of each sample in nats, (B,).
    latent
        The states at the first time of the schedule, whose density is known, over their standard deviation.
    variance
        The variance of ``log_density`` by the probes, (B,), estimated from their spread; None for the exact divergence,
        nan for one probe.
    calls
        Evaluations of the network for each sample, without passes back: a number, of a run to a tolerance (B,).
    divergence
        How it was found: "exact", "probes", "differences" or "known".

    Examples
    --------
    >>> import numpy as np
    >>> import diffusion
    >>> net = diffusion.models.gaussian_mixture([1.0], [[0.0]], [[[1.0]]])
    >>> found = diffusion.log_likelihood(net, np.array([[0.0], [1.0]]), steps=20, details=True)
    >>> found.log_density.round(3), found.divergence
    (array([-0.919, -1.419]), 'known')
    """

    log_density: Array
    latent: Array
    variance: Array | None
    calls: int | np.ndarray
    divergence: str

    def bits_per_dim(self, bin_width: float = 1.0) -> Array:
        """Return −log₂ p/d − log₂ of the ``bin_width``, (B,), for samples of d elements.

        Data of whole levels, 0 … 255 brought to [−1, 1], have bins of width 2/255. Spread uniformly over them before
        they are given here (dequantised), their bits per dimension are those of the levels, or more: a bound from above
        on what a lossless code needs. Data as they are, no such bound is meant.
        """
        width, size = number("bin_width", bin_width, above=0.0), prod(self.latent.shape[1:])
        return -self.log_density / (size * log(2.0)) - log(width) / log(2.0)

    def __repr__(self) -> str:
        count, calls = self.log_density.shape[0], np.mean(self.calls)
        return f"Likelihood({count} samples, {calls:.5g} calls, divergence {self.divergence!r})"


def log_likelihood(
    denoiser: Denoiser,
    data: Array,
    *,
    sampler: str | AnySampler | None = None,
    steps: int | None = None,
    grid: str | Sequence[float] | np.ndarray | None = None,
    divergence: str = "auto",
    probes: int = 1,
    probe: str = "rademacher",
    rng: int | Sequence[int] = 0,
    bits_per_dim: bool = False,
    bin_width: float = 1.0,
    prior: Callable[[Array], Array] | None = None,
    details: bool = False,
    rtol: float | None = None,
    atol: float | None = None,
) -> Any:
    r"""Return log p(x) of each sample in nats: the density of the probability-flow ODE, from data to noise.

    In a gauge, where the scaled state obeys y′ = L y + n f(x, s), the log-density of y follows it by

    .. math:: \frac{d}{ds} \log p = -d L - n \frac{x}{y} \nabla_x \cdot f,

    with d elements in a sample. The first term is known exactly. The second joins the state as one more element, with
    the same linear part, so that it goes through the very rows of the plan and has the order of the sampler.

    Parameters
    ----------
    denoiser
        The network with what it predicts and its schedule.
    data
        Samples (B, …), NumPy, torch or JAX: states at the last time of the grid with σ > 0. p is the density there, of
        data with the noise that they have at that time.
    sampler, steps, grid
        As of `sample`; the grid is run backwards and has to begin where the density is known, at ``t_start``. The
        sampler is by default "lawson-rk4-flow", to a tolerance a pair in the same gauge.
    divergence
        "exact": d passes back through the network a call. "probes": ∇·f ≈ vᵀ (∂f/∂x) v, one pass for each random v,
        without bias (Hutchinson). "differences": central differences, along the axes, for networks without derivatives.
        "known": by a method ``divergence(x, t)`` of the network. "auto": as known, else exact up to 16 elements in a
        sample, else by probes.
    probes, probe, rng
        The number of probes, which stay the same during the run; "rademacher" or "gaussian"; a seed, or one seed per
        sample.
    bits_per_dim, bin_width
        Whether to return bits per dimension instead; see `Likelihood.bits_per_dim`.
    prior
        The log-density (B,) of states (B, …) at the first time, which may then be any. None is that of the noise from
        which sampling starts, ``schedule.prior_log_density``: p is that of what is sampled. From the density of noisy
        data it differs by what is left of the data at t_start, some 0.01 nats for each element of size 1 where
        α/σ = 0.01.
    details
        Whether to return a `Likelihood`, which has the variance by the probes, the latents and the number of calls.
    rtol, atol
        Instead of ``steps`` and ``grid``: tolerances, for which every sample chooses steps of its own from t_end to
        t_start, as in `sample`. The estimated errors of a step are those of `sample` for the state, and at most
        atol + rtol |ℓ| in nats for what the log-density has gained, ℓ. What each sample cost is in ``calls``.

    Returns
    -------
    array or Likelihood
        Of shape (B,), like the data.

    Raises
    ------
    TypeError
        If the network cannot be differentiated, the data ask for a gradient, or the sampler is no declaration in a
        gauge.
    ValueError
        If the grid does not begin at ``t_start`` and no ``prior`` is given, the clock of the gauge is infinite at an
        end, or as `sample` does.
    SamplingError
        If states or densities become non-finite.

    Warns
    -----
    UnstableWarning
        If the sampler is unstable backwards, or the latents are far off the scale of noise, as those of data are that
        are unlike the data of the network.

    Notes
    -----
    Song et al., *Score-based generative modeling through stochastic differential equations*, 2021, appendix D.2;
    Hutchinson, *A stochastic estimator of the trace of the influence matrix*, 1990.

    Examples
    --------
    >>> import numpy as np
    >>> import diffusion
    >>> net = diffusion.models.gaussian_mixture([1.0], [[0.0]], [[[1.0]]])
    >>> diffusion.log_likelihood(net, np.array([[0.0], [1.0]]), steps=20).round(3)
    array([-0.919, -1.419])
    """
    in_bits = flag("bits_per_dim", bits_per_dim)
    if number("bin_width", bin_width, above=0.0) != 1.0 and not in_bits:
        raise ValueError(
            f"expected bits_per_dim=True beside a bin_width, received bin_width={float(bin_width):g} alone"
        )
    count = _probes(divergence, probes, probe)
    if prior is not None:
        function("prior", prior, "(x)")
    check_denoiser(denoiser)
    check_state(data)
    check_plain(data)
    draw = partial(draw_probes, count, probe, rng, tuple(data.shape))
    of_way = partial(divergence_of, denoiser, data, divergence, draw)
    if rtol is None and atol is None:
        chosen = "lawson-rk4-flow" if sampler is None else sampler
        followed, way, first = density_over_plan(denoiser, data, chosen, steps, grid, of_way, count, prior is not None)
    else:
        refuse({"steps": steps, "grid": grid})
        chosen = "auto" if sampler is None else sampler
        followed, way, first = _to_tolerance(denoiser, data, chosen, rtol, atol, of_way, count)
    gain, variance = _mean_of_probes(followed.gained)
    density = log_density_of(followed.state, data, denoiser.schedule, first, prior) + gain
    latent = followed.state / denoiser.schedule.noise_scale(first)
    found = Likelihood(density, latent, variance if way == "probes" else None, followed.calls, way)
    if flag("details", details):
        return found
    return found.bits_per_dim(bin_width) if in_bits else found.log_density


_Way = Callable[[], tuple[str, Divergence]]


def _to_tolerance(
    denoiser: Denoiser,
    data: Array,
    sampler: str | AnySampler,
    rtol: float | None,
    atol: float | None,
    of_way: _Way,
    count: int,
) -> tuple[Followed, str, float]:
    """Return the same where every sample has steps of its own."""
    both = tolerances(rtol, atol)
    if is_adaptive(sampler):
        raise ValueError(
            f"expected a pair of expint in a gauge beside rtol=, received {sampler!r}, whose norm knows no densities; "
            "take 'expint43-flow', or leave the sampler out"
        )
    gauge = rule(sampler, denoiser, both[0])
    way, diverging = of_way()
    followed = density_to_tolerance(denoiser, data, diverging, count if way == "probes" else 1, gauge, both)
    times = np.array([denoiser.schedule.t_start, denoiser.schedule.t_end], dtype=np.float64)
    warn_of_latents(followed.state, data, denoiser.schedule, times, "a run to a tolerance")
    return followed, way, float(times[0])


def _probes(divergence: str, probes: int, probe: str) -> int:
    """Return the number of probes, of a kind that there is, for a divergence that looks at them."""
    count = integer("probes", probes, least=1)
    choice("divergence", divergence, WAYS)
    choice("probe", probe, KINDS)
    if count > 1 and divergence not in ("auto", "probes"):
        raise ValueError(
            f"expected divergence='probes' beside their number, received divergence={divergence!r} and "
            f"probes={count}; leave one of them out"
        )
    return count


def _mean_of_probes(each: Array) -> tuple[Array, Array]:
    """Return the mean of estimates (B, K), and its variance by their spread."""
    count = each.shape[1]
    mean = sum_of_each(each) / count
    off = each - mean[:, None]
    spread = sum_of_each(off * off) / ((count - 1) * count) if count > 1 else mean * float("nan")
    return mean, spread
