"""Exact inversion: from samples to the latents from which a reversible sampler gives them back to rounding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import expint
from diffusion.checks import check_denoiser, check_state, lay_out
from diffusion.denoiser import Denoiser
from diffusion.inversion.stability import amplification, warn_of_latents, warn_unstable
from diffusion.running import final_states
from diffusion.samplers.catalogue import AnySampler
from diffusion.samplers.catalogue import sampler as find_sampler
from diffusion.samplers.reversible import WEIGHTS, Damping, ReversibleSampler
from diffusion.samplers.sampler import Sampler
from expint.arguments import choice, instance
from expint.backend import Array, array_namespace
from expint.lower import from_pair

__all__ = ["Latent", "invert", "reversible"]


@dataclass(frozen=True, eq=False)
class Latent:
    """What a sample is inverted to: the two states with which a reversible sampler begins.

    ``diffusion.sample(net, latent)`` gives the sample back, or with another condition of the network an edited one.

    Attributes
    ----------
    noise
        The first state over the standard deviation of the noise there, of the shape of the samples: near standard
        normal for samples like the data of the network.
    second
        The state after it, x at ``times[1]``. A one-step sampler would make it of the first; here it is carried.
    sampler, times
        The sampler, and the times of its steps.
    amplification
        How many times a rounding error of the samples is larger in the latents at most, for Gaussian data of standard
        deviations from 0.05 to 2; see `invert`.
    plan
        The plan of the sampler over the times, by which `sample` knows that it undoes what was done.

    Examples
    --------
    >>> import numpy as np
    >>> import diffusion
    >>> net = diffusion.models.gaussian_mixture([1.0], [[0.3]], [[[0.2]]])
    >>> latent = diffusion.invert(net, np.array([[0.5]]), steps=20)
    >>> latent.noise.shape, bool(latent.times[0] > latent.times[-1]), bool(latent.amplification < 10)
    ((1, 1), True, True)
    >>> bool(abs(diffusion.sample(net, latent) - 0.5).max() < 1e-13)
    True
    """

    noise: Array
    second: Array
    sampler: ReversibleSampler
    times: np.ndarray
    amplification: float
    plan: expint.Plan = field(repr=False)

    @property
    def scale(self) -> Array:
        """The root mean square of the noise of each sample, (batch,): near 1 for useful latents."""
        xp = array_namespace(self.noise)
        flat = xp.reshape(self.noise, (self.noise.shape[0], -1))
        return xp.sqrt(xp.mean(flat * flat, axis=1))

    def __repr__(self) -> str:
        return (
            f"Latent(shape {tuple(self.noise.shape)}, {self.sampler.name!r} in {len(self.times) - 1} steps from "
            f"t = {self.times[0]:.6g} to {self.times[-1]:.6g}, amplification {self.amplification:.2g})"
        )


def reversible(
    sampler: str | AnySampler = "ddim",
    weights: float | str = 1.0,
    *,
    grid: Callable[[int, Any], np.ndarray] | None = None,
    name: str | None = None,
) -> ReversibleSampler:
    r"""Return a one-step sampler made exactly invertible by the state before.

    .. math:: x_{n+1} = D(x_n; t_{n+1}) + g_n \, (x_{n-1} - D(x_n; t_{n-1})).

    D(x_n; t) is the point to which the one-step sampler leads from x_n. "bdia" is ``reversible("ddim")``.

    Parameters
    ----------
    sampler
        The one-step sampler: "ddim", "edm-heun", "dpmpp-2s", any one-step method in any gauge. Of s calls a step it
        becomes one of 2s − 1.
    weights
        g_n = γ in [0, 1], a number: BDIA, of order 2 for DDIM and γ = 1, else 1. "optimal": (h_n/h_{n-1})² in the
        clock of its gauge, O-BELM, of order 2 on every grid. "midpoint": the exponential midpoint rule in its gauge.
    grid
        Another grid, as of `diffusion.sampler`.
    name
        What it is called.

    Raises
    ------
    TypeError
        If the sampler is not a declaration: a rule or fitted rows have no steps back.
    ValueError
        If it has a history, a weight lies outside [0, 1], or there is no rule of that name.

    Notes
    -----
    Zhang, Lewis & Kleijn, *Exact diffusion inversion via bi-directional integration approximation*, 2023; Wang et al.,
    *BELM*, 2024. Differences between the two states fall as Π g_n forwards, and grow as 1/Π g_n when run backwards:
    with γ = 0.5 and 50 steps latents are useless; `invert` says so.

    Examples
    --------
    >>> reversible("ddim", 0.9).name
    'ddim-bdia0.9'
    >>> diffusion.sample(net, noise, sampler=reversible("edm-heun"), steps=10)  # doctest: +SKIP
    """
    found: Any = instance("sampler", find_sampler(sampler), Sampler, "a one-step sampler", "'ddim' is one")
    if found.stochastic:
        raise ValueError(
            f"expected a deterministic sampler, received {found.name!r}, whose noise no inverse can find; take 'ddim'"
        )
    if isinstance(weights, str):
        choice("weights", weights, tuple(WEIGHTS))
        rule, said = WEIGHTS[weights], weights
    else:
        rule, said = Damping(weights), f"bdia{float(weights):g}"
    found = found if grid is None else replace(found, grid=grid)
    parts = {part: getattr(found, part) for part in Sampler.__dataclass_fields__}
    return ReversibleSampler(**parts | {"name": f"{found.name}-{said}" if name is None else name}, weights=rule)


def invert(
    denoiser: Denoiser,
    data: Array,
    *,
    sampler: str | AnySampler = "bdia",
    steps: int | None = None,
    grid: str | Sequence[float] | np.ndarray | None = None,
    before: Array | None = None,
    callback: Callable[[float, Array], None] | None = None,
    progress: bool = False,
) -> Latent:
    """Return the latents from which ``sample`` gives ``data`` back to rounding.

    Parameters
    ----------
    denoiser
        The network with what it predicts and its schedule.
    data
        Samples of shape (batch, …), NumPy or torch: states at the last time of the grid.
    sampler
        "bdia", "o-belm", or another that `reversible` makes.
    steps, grid
        As of `sample`: one of them. The last time must have σ > 0.
    before
        The state before the last, where it is known, as from ``trajectory(…).y[-2]``: then the latents are the very
        noise that was sampled from. None: a step of the one-step sampler makes it from ``data``.
    callback, progress
        As of `sample`.

    Returns
    -------
    Latent
        The noise and the second state, with the amplification of errors. It makes as many calls as sampling does.

    Raises
    ------
    ValueError, TypeError
        If the sampler cannot be inverted exactly, the grid ends at σ = 0 or crosses a breakpoint of the network, has
        fewer than two steps, or as `sample` does.
    SamplingError
        If a state becomes non-finite.

    Warns
    -----
    UnstableWarning
        If the steps run backwards make latents several times too large, as those with γ < 1 do the more there are.

    Notes
    -----
    Run backwards, what distinguishes the two states from a smooth solution grows by 1/g_n a step. It is there in any
    pair whose second state was made by another step, at the size of that step's error, so that latents may be far off
    the scale of noise although the way back is exact to rounding times `Latent.amplification`. Zhang, Lewis & Kleijn,
    *Exact diffusion inversion via bi-directional integration approximation*, 2023.

    Examples
    --------
    >>> import numpy as np
    >>> import diffusion
    >>> net = diffusion.models.gaussian_mixture([1.0], [[0.3]], [[[0.2]]])
    >>> data = np.array([[0.5], [-0.1]])
    >>> latent = diffusion.invert(net, data, steps=20)
    >>> bool(np.allclose(diffusion.sample(net, latent), data, rtol=0, atol=1e-14))
    True
    """
    check_denoiser(denoiser)
    chosen, times, to_zero = lay_out(denoiser, sampler, steps, grid)
    chosen = _invertible(chosen, times, to_zero)
    schedule, edges = denoiser.schedule, denoiser.discontinuities
    plan = chosen.plan(schedule, times, edges=edges)
    back = plan.reversed()
    amplified = amplification(back, chosen.gauge.predicts, schedule)
    earlier: tuple[Array, ...] = ()
    if before is None:
        run = chosen.plan(schedule, times[::-1], edges=edges)
        warned = warn_unstable(run, chosen.gauge.predicts, schedule, chosen.name)
    else:
        check_state(data)
        check_state(before)
        run, earlier, warned = back, (_like(before, data),), False
    second, first = final_states(denoiser, data, run, chosen, 2, callback, progress, earlier)
    if not warned:
        warn_of_latents(first, data, schedule, times, chosen.name)
    noise = first / schedule.noise_scale(float(times[0]))
    return Latent(noise, second, chosen, times, amplified, plan)


def begun_by(
    denoiser: Denoiser, latent: Latent, sampler: str | AnySampler, steps: int | None, grid: Any
) -> tuple[expint.Plan, ReversibleSampler]:
    """Return the plan, begun with two states, and the sampler of a run from a ``latent``; both are its own.

    Raises
    ------
    ValueError
        If what was asked for is another sampler or another grid, or the denoiser has another schedule or breakpoints.
    """
    asked = latent.sampler if sampler == "auto" else sampler
    chosen, times, to_zero = lay_out(denoiser, asked, steps, latent.times if steps is None and grid is None else grid)
    plan = chosen.plan(denoiser.schedule, times, to_zero=to_zero, edges=denoiser.discontinuities)
    if plan is not latent.plan and not plan == latent.plan:
        raise ValueError(
            f"expected the sampler, schedule and times of the inversion, {latent!r}; received {chosen.name!r} in "
            f"{len(plan.steps) - 1} steps from t = {times[0]:.6g} to {times[-1]:.6g} by {plan!r}; leave sampler=, "
            "steps= and grid= out, and keep the schedule and breakpoints of the network"
        )
    return from_pair(latent.plan), latent.sampler


def _invertible(sampler: Any, times: np.ndarray, to_zero: bool) -> ReversibleSampler:
    if not isinstance(sampler, ReversibleSampler):
        raise ValueError(
            f"expected a sampler with an exact inverse, received {sampler.name!r}, whose steps forget the states "
            "before; take 'bdia', 'o-belm' or diffusion.reversible(…), or diffusion.encode for an inverse up to the "
            "error of the method"
        )
    if to_zero:
        raise ValueError(
            f"expected a grid that ends above σ = 0, received one with a last step from t = {times[-1]:.6g} to σ = 0, "
            "where no network tells the state before; leave the last time out"
        )
    return sampler


def _like(before: Array, data: Array) -> Array:
    if tuple(before.shape) != tuple(data.shape) or before.dtype != data.dtype:
        raise ValueError(
            f"expected the state before of shape {tuple(data.shape)} and dtype {data.dtype}, as the data, received "
            f"{tuple(before.shape)} and {before.dtype}; take both from one trajectory"
        )
    return before
