r"""Log-densities of samples along the probability-flow ODE, by any sampler's plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import log, prod
from typing import Any

import numpy as np

import expint
from diffusion.checks import check_denoiser, check_state, lay_out
from diffusion.denoiser import Denoiser
from diffusion.inversion.stability import warn_of_latents, warn_unstable
from diffusion.likelihood.divergence import KINDS, WAYS, Divergence, divergence_of, draw_probes
from diffusion.process.gauge import Gauge
from diffusion.process.prediction import coefficients
from diffusion.running import SamplingError
from diffusion.samplers.catalogue import AnySampler
from diffusion.samplers.catalogue import sampler as find_sampler
from diffusion.samplers.reversible import ReversibleSampler
from diffusion.samplers.sampler import Sampler
from expint.arguments import choice, flag, function, integer, number, seen
from expint.backend import Array, array_namespace

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
        Evaluations of the network for each sample, without passes back.
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
    calls: int
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
        return f"Likelihood({self.log_density.shape[0]} samples, {self.calls} calls, divergence {self.divergence!r})"


def log_likelihood(
    denoiser: Denoiser,
    data: Array,
    *,
    sampler: str | AnySampler = "lawson-rk4-flow",
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
        As of `sample`; the grid is run backwards and has to begin where the density is known, at ``t_start``.
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
    _check_plain(data)
    chosen, times, _ = lay_out(denoiser, sampler, steps, grid)
    gauge = _with_density(chosen, times, denoiser, prior is not None)
    backwards = find_sampler(sampler).backwards(denoiser.schedule, times)
    plan = backwards.plan(denoiser.schedule, times[::-1], edges=denoiser.discontinuities)
    warned = warn_unstable(plan, gauge.predicts, denoiser.schedule, chosen.name)
    draw = partial(draw_probes, count, probe, rng, tuple(data.shape))
    way, diverging = divergence_of(denoiser, data, divergence, draw)
    state, gained = _run(denoiser, gauge, plan, data, diverging, count if way == "probes" else 1, chosen.name)
    if not warned:
        warn_of_latents(state, data, denoiser.schedule, times, chosen.name)
    known = partial(denoiser.schedule.prior_log_density, t=float(times[0])) if prior is None else prior
    gain, variance = _assembled(denoiser, gauge, times, state, gained)
    scale = denoiser.schedule.noise_scale(float(times[0]))
    density = _of_batch(known(state), data) + gain
    found = Likelihood(density, state / scale, variance if way == "probes" else None, plan.evaluations, way)
    if flag("details", details):
        return found
    return found.bits_per_dim(bin_width) if in_bits else found.log_density


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


def _of_batch(density: Any, data: Array) -> Array:
    if tuple(getattr(density, "shape", ())) != tuple(data.shape[:1]):
        raise ValueError(
            f"expected prior(x) as log-densities of shape {tuple(data.shape[:1])}, received {seen(density)}; sum over "
            "the elements of a sample"
        )
    return density


def _check_plain(data: Any) -> None:
    """Raise TypeError unless the data ask for no gradient, and are precise enough for sums over their elements."""
    if data.dtype.itemsize < 4:
        raise TypeError(
            f"expected data in single or double precision, in which densities are summed, received {data.dtype}; "
            "convert them, and let the network convert what it takes: data.float()"
        )
    if getattr(data, "requires_grad", False):
        raise TypeError(
            "expected data without a gradient, received a tensor that requires one: that of the divergence would be "
            "lost; detach it"
        )


def _with_density(sampler: Any, times: np.ndarray, denoiser: Denoiser, known: bool) -> Gauge:
    """Return the gauge of a sampler by which densities are followed, over times at whose first the density is known."""
    schedule, gauge = denoiser.schedule, sampler.gauge
    if not isinstance(sampler, Sampler) or not isinstance(gauge, Gauge):
        raise TypeError(
            f"expected a sampler in a gauge with a constant linear part, received {sampler!r}, whose rows are made for "
            "states alone; take 'lawson-rk4-flow', 'dpmpp-3m' or another by name"
        )
    if isinstance(sampler, ReversibleSampler):
        raise ValueError(
            f"expected a sampler of one state, received {sampler.name!r}, in whose inverse errors of an element that "
            "no network answers to grow; take the one-step sampler that it is made of, or 'lawson-rk4-flow'"
        )
    if not known and abs(float(times[0]) - schedule.t_start) > 1e-9 * abs(schedule.t_start):
        raise ValueError(
            f"expected a grid that begins at t_start = {schedule.t_start:g}, where the density is known, received one "
            f"from t = {times[0]:.6g}; begin there, change t_start of the schedule, or give the density as prior="
        )
    if len(times) < 2 or not np.all(np.isfinite(_log_factor(gauge, schedule, times[[0, -1]]))):
        raise ValueError(
            f"expected a grid of two times or more at which the clock {gauge.clock.name!r} is finite, received "
            f"{len(times)} from t = {times[0]:.6g} to {times[-1]:.6g}; keep off α = 0 and σ = 0, or take a sampler in "
            "a gauge that is finite there, such as 'adams3-flow'"
        )
    return gauge


def _log_factor(gauge: Gauge, schedule: Any, t: np.ndarray) -> np.ndarray:
    """Return log(x/y) + L s: what the linear part and the scale of the gauge add to the density of one element."""
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.log(gauge.scale(alpha, sigma)) + gauge.constants[0] * np.asarray(gauge.clock.at(alpha, sigma))
    return np.asarray(found)


def _run(
    denoiser: Denoiser, gauge: Gauge, plan: expint.Plan, data: Array, diverging: Divergence, count: int, name: str
) -> tuple[Array, Array]:
    """Return the last state, and what the plan makes of the divergences, (B, count).

    The element q = (x/y) e^{L s} (log-density of y + d L s) has the linear part of x, and its slope in place of the
    prediction f is −(x/y) e^{L s} ∇·f.
    """
    xp, batch, shape, schedule = array_namespace(data), data.shape[0], data.shape, denoiser.schedule
    size = prod(shape[1:])

    def slope(t: float, both: Array) -> Array:
        x = xp.reshape(both[:, :size], shape)
        output, found = diverging(x, t)
        alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
        of_state, of_output = coefficients(denoiser.predicts, gauge.predicts, alpha, sigma, schedule.sigma_data)
        factor = float(np.exp(_log_factor(gauge, schedule, np.array(t))))
        prediction = of_state * x + of_output * output
        diverged = -factor * (of_state * size + of_output * found)
        return xp.concat([xp.reshape(prediction, (batch, size)), diverged], axis=1)

    none = xp.zeros_like(xp.reshape(data, (batch, -1))[:, :1])
    start = xp.concat([xp.reshape(data, (batch, size)), *[none] * count], axis=1)
    run = expint.run_plan(plan, slope, start, keep=[len(plan.steps) - 1], name=name)
    if not run.success:
        raise SamplingError(run)
    last = run.y[-1, ...]
    return xp.reshape(last[:, :size], shape), last[:, size:]


def _assembled(
    denoiser: Denoiser, gauge: Gauge, times: np.ndarray, state: Array, gained: Array
) -> tuple[Array, Array | None]:
    """Return by how much the log-densities of data are larger than those of states, and the variances by the probes."""
    xp, schedule = array_namespace(state), denoiser.schedule
    size = prod(state.shape[1:])
    first, last = (float(factor) for factor in _log_factor(gauge, schedule, times[[0, -1]]))
    each = -float(np.exp(-first)) * gained + size * (first - last)
    count = each.shape[1]
    mean = xp.sum(each, axis=1) / count
    off = each - mean[:, None]
    spread = xp.sum(off * off, axis=1) / ((count - 1) * count) if count > 1 else mean * float("nan")
    return mean, spread
