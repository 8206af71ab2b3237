"""The grids that people know by name, those of k-diffusion, diffusers and ComfyUI: n steps, the last to σ = 0.

They are laid over the model's own levels: the times (i + 1)/N of a table, N = 1000 where there is none, which flow
models have too, or N levels with equal ratios for networks of the level itself (EDM).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from diffusion.grids.levels import inside, native, sigmas
from diffusion.grids.rules import number_of_times
from diffusion.grids.tables import ALIGN_YOUR_STEPS, GITS, OPTIMAL_STEPS, align_your_steps, gits, optimal_steps
from diffusion.names import resolve
from diffusion.process.schedule import EDM, FlowMatching, NoiseSchedule
from diffusion.process.sub_vp import SubVP
from diffusion.process.vp import VP
from expint.arguments import checked, choice, instance, number

__all__ = [
    "NAMED",
    "beta",
    "ddim_uniform",
    "exponential",
    "kl_optimal",
    "linear_quadratic",
    "named",
    "normal",
    "sgm_uniform",
    "simple",
]

_POSITIVE = float(np.nextafter(0.0, 1.0))
_COUNT = 1000  # of the levels of a model without a table
_BEYOND = 0.01  # relative: where a model's noisiest level is 1, a cosine schedule starts at 0.9946
_door = partial(checked, steps=number_of_times)


@_door()
def exponential(steps: int, *, schedule: NoiseSchedule) -> np.ndarray:
    """Return k-diffusion's exponential: n levels σ of equal ratios, from the schedule's first to its last, and then 0.

    σ is what programs call so: σ/α, of flow matching σ/(α + σ). ``uniform(n, "lambda", …)`` has equal ratios of σ/α for
    every process, and no step to 0.

    Raises
    ------
    ValueError
        If the last level of the schedule is 0.

    Examples
    --------
    >>> import diffusion
    >>> [round(float(t), 3) for t in diffusion.grids.exponential(3, schedule=diffusion.EDM(0.1, 10.0))]
    [10.0, 1.0, 0.1, 0.0]
    """
    first, last = _ends(schedule)
    return sigmas(np.append(np.geomspace(first, last, steps), 0.0), schedule=schedule)


@_door()
def kl_optimal(steps: int, *, schedule: NoiseSchedule) -> np.ndarray:
    """Return n levels σ uniform in arctan σ, from the schedule's first to its last, and then 0.

    σ is what programs call so: σ/α, of flow matching σ/(α + σ). ``uniform(n, "angle", …)`` is uniform in arctan(σ/α)
    for every process, and has no step to 0.

    Notes
    -----
    Sabour, Fidler & Kreis, *Align your steps*, 2024, theorem 3.1: it is optimal for Gaussian data of unit variance.

    Examples
    --------
    >>> import diffusion
    >>> [round(float(t), 3) for t in diffusion.grids.kl_optimal(3, schedule=diffusion.EDM(0.1, 10.0))]
    [10.0, 1.0, 0.1, 0.0]
    """
    first, last = _ends(schedule)
    return sigmas(np.append(np.tan(np.linspace(np.arctan(first), np.arctan(last), steps)), 0.0), schedule=schedule)


@_door(threshold=partial(number, above=0.0, below=1.0))
def linear_quadratic(
    steps: int, threshold: float = 0.025, *, schedule: NoiseSchedule, linear: int | None = None
) -> np.ndarray:
    """Return the grid of Mochi: 1 − σ/σ_0 grows linearly to the threshold, and then quadratically to 1, with its slope.

    Parameters
    ----------
    steps
        Number n of steps.
    threshold
        Where 1 − σ/σ_0 stops being linear.
    schedule
        The schedule; σ is σ/α, of flow matching σ/(α + σ), and σ_0 its first.
    linear
        Number of linear steps, less than n; None is half of n.

    Raises
    ------
    ValueError
        If there are as many linear steps as steps.

    Notes
    -----
    The inference code of Genmo's Mochi 1, 2024; so in ComfyUI.

    Examples
    --------
    >>> import diffusion
    >>> [round(float(t), 3) for t in diffusion.grids.linear_quadratic(4, schedule=diffusion.FlowMatching())]
    [1.0, 0.987, 0.975, 0.725, 0.0]
    """
    first, _ = _ends(schedule, least=0.0)
    straight = steps // 2 if linear is None else linear
    if not (steps == 1 or 1 <= straight < steps):
        raise ValueError(f"expected 1 to {steps - 1} linear steps, fewer than steps, received {straight}")
    i = np.arange(steps + 1.0)
    grown = i.copy()
    if steps > 1:
        curved = steps - straight
        slope = threshold / straight
        over = np.maximum(i - straight, 0.0)
        grown = slope * i + (1.0 - slope * steps) * (over / curved) ** 2
    levels = first * (1.0 - grown)
    levels[-1] = 0.0
    return sigmas(levels, schedule=schedule)


@_door()
def simple(steps: int, *, schedule: NoiseSchedule) -> np.ndarray:
    """Return ComfyUI's simple: every (N/n)-th level of the model from the noisiest, places rounded down, and then 0.

    Examples
    --------
    >>> import diffusion
    >>> [round(float(t), 3) for t in diffusion.grids.simple(4, schedule=diffusion.VP.linear())]
    [1.0, 0.75, 0.5, 0.25, 0.0]
    """
    count = _count(schedule)
    places = count - 1 - np.floor(np.arange(steps) * (count / steps))
    return _of_places(places, schedule)


@_door()
def ddim_uniform(steps: int, *, schedule: NoiseSchedule) -> np.ndarray:
    """Return every ⌊N/n⌋-th level of the model from its second on, and 0: ComfyUI's ddim_uniform.

    Where n does not divide N these may be more than n steps.

    Examples
    --------
    >>> import diffusion
    >>> [round(float(t), 3) for t in diffusion.grids.ddim_uniform(4, schedule=diffusion.VP.linear())]
    [0.752, 0.502, 0.252, 0.002, 0.0]
    """
    count = _count(schedule)
    return _of_places(np.arange(1, count, max(count // steps, 1))[::-1].astype(float), schedule)


@_door()
def normal(steps: int, *, schedule: NoiseSchedule) -> np.ndarray:
    """Return n times uniform between the model's noisiest and cleanest level, and then σ = 0: ComfyUI's normal.

    Uniform is the index of the level; for flow matching it is the time before the shift, whose last value is, as there,
    the cleanest level's time after the shift.

    Examples
    --------
    >>> import diffusion
    >>> [round(float(t), 3) for t in diffusion.grids.normal(4, schedule=diffusion.VP.linear())]
    [1.0, 0.667, 0.334, 0.001, 0.0]
    """
    return _between(np.linspace(0.0, 1.0, steps), schedule)


@_door()
def sgm_uniform(steps: int, *, schedule: NoiseSchedule) -> np.ndarray:
    """Return the first n of n + 1 times of ``normal``, and then σ = 0: ComfyUI's sgm_uniform.

    Examples
    --------
    >>> import diffusion
    >>> [round(float(t), 3) for t in diffusion.grids.sgm_uniform(4, schedule=diffusion.VP.linear())]
    [1.0, 0.75, 0.5, 0.251, 0.0]
    """
    return _between(np.arange(steps) / steps, schedule)


@_door(a=partial(number, above=0.0), b=partial(number, above=0.0))
def beta(steps: int, a: float = 0.6, b: float = 0.6, *, schedule: NoiseSchedule, over: str = "levels") -> np.ndarray:
    """Return times at quantiles of the beta distribution: with a, b < 1 more of the steps lie at both ends.

    Parameters
    ----------
    steps
        Number n of steps.
    a, b
        Parameters of the distribution.
    schedule
        The schedule.
    over
        "levels": the model's levels of the indices nearest to the quantiles of 1, 1 − 1/n, …, 1/n times N − 1, as in
        ComfyUI. "sigma": the quantiles of n numbers from 1 to 0 are laid over σ itself, as in diffusers. Both end with
        σ = 0.

    Raises
    ------
    ValueError
        If two times are rounded together.

    Notes
    -----
    Lee et al., *Beta sampling is all you need*, 2024.

    Examples
    --------
    >>> import diffusion
    >>> [round(float(t), 3) for t in diffusion.grids.beta(4, schedule=diffusion.VP.linear())]
    [1.0, 0.824, 0.501, 0.177, 0.0]
    """
    from scipy.stats import beta as distribution

    choice("over", over, ("levels", "sigma"))
    if over == "sigma":
        first, last = _ends(schedule)
        parts = distribution.ppf(np.linspace(1.0, 0.0, steps), a, b)
        return sigmas(np.append(last + parts * (first - last), 0.0), schedule=schedule)
    quantiles = distribution.ppf(1.0 - np.arange(steps) / steps, a, b)
    return _of_places(np.rint(quantiles * (_count(schedule) - 1)), schedule)


@_door()
def _karras(steps: int, *, schedule: NoiseSchedule) -> np.ndarray:
    """Return k-diffusion's karras: n levels uniform in σ^(1/7), and then 0."""
    first, last = _ends(schedule)
    roots = np.linspace(first ** (1 / 7), last ** (1 / 7), steps)
    return sigmas(np.append(roots**7, 0.0), schedule=schedule)


NAMED: dict[str, Callable[..., np.ndarray]] = {
    "karras": _karras,
    "exponential": exponential,
    "simple": simple,
    "normal": normal,
    "sgm-uniform": sgm_uniform,
    "ddim-uniform": ddim_uniform,
    "beta": beta,
    "linear-quadratic": linear_quadratic,
    "kl-optimal": kl_optimal,
    **{f"ays-{network}": partial(align_your_steps, network=network) for network in ALIGN_YOUR_STEPS},
    **{f"gits-{network}": partial(gits, network=network) for network in GITS},
    **{f"optimal-steps-{network}": partial(optimal_steps, network=network) for network in OPTIMAL_STEPS},
}
"""The grids by the names by which ``diffusion.sample(…, grid=name, steps=n)`` finds them."""


@_door()
def named(name: str, steps: int, *, schedule: NoiseSchedule) -> np.ndarray:
    """Return the grid called ``name`` of so many steps, the last to σ = 0.

    Parameters
    ----------
    name
        One of ``diffusion.grids.NAMED``: "karras", "exponential", "simple", "normal", "sgm-uniform", "ddim-uniform",
        "beta", "linear-quadratic", "kl-optimal", "ays-sd", "gits-sd", "optimal-steps-flux" and others.
    steps
        Number of steps.
    schedule
        The schedule whose times are returned.

    Raises
    ------
    ValueError
        If there is none of this name, or the schedule has not its levels.

    Examples
    --------
    >>> import diffusion
    >>> diffusion.grids.named("karras", 3, schedule=diffusion.EDM()).round(4).tolist()
    [80.0, 2.5152, 0.002, 0.0]
    """
    return NAMED[resolve(name, NAMED, {"ays": "ays-sd", "gits": "gits-sd"}, "grid")](steps, schedule=schedule)


def _ends(schedule: NoiseSchedule, least: float = _POSITIVE) -> tuple[float, float]:
    """Return the first and last level σ of a schedule, as programs call it, finite and not below a least."""
    instance("schedule", schedule, NoiseSchedule)
    t = np.array([schedule.t_start, schedule.t_end])
    alpha, sigma = np.asarray(schedule.alpha(t)), np.asarray(schedule.sigma(t))
    with np.errstate(divide="ignore"):
        first, last = sigma / (alpha + sigma if native(schedule) == "flow" else alpha)
    if not (np.isfinite(first) and last >= least):
        raise ValueError(
            f"expected a schedule whose levels σ are finite and positive, received {first:g} at t = {t[0]:g} and "
            f"{last:g} at t = {t[1]:g}; move its ends, or take a grid of the model's own times, such as 'simple'"
        )
    return float(first), float(last)


def _count(schedule: NoiseSchedule) -> int:
    instance("schedule", schedule, NoiseSchedule)
    return len(getattr(schedule, "half_log_snrs", range(_COUNT)))


def _of_places(places: np.ndarray, schedule: NoiseSchedule) -> np.ndarray:
    """Return the times of the model's levels at some places, 0 the cleanest, and then of σ = 0."""
    count = _count(schedule)
    same = np.flatnonzero(np.diff(places) >= 0.0)
    if same.size:
        raise ValueError(
            f"expected times that stay apart on the {count} levels of a model, received level {places[same[0]]:g} "
            "twice; take fewer steps"
        )
    return np.append(inside(_level(places / (count - 1), schedule), schedule, _BEYOND), schedule.t_clean)


def _between(parts: np.ndarray, schedule: NoiseSchedule) -> np.ndarray:
    """Return times by parts of the way from the noisiest level to the cleanest, and then that of σ = 0."""
    instance("schedule", schedule, NoiseSchedule)
    if isinstance(schedule, FlowMatching):
        cleanest = float(schedule.sigma(1.0 / _COUNT))
        times = 1.0 + parts * (cleanest - 1.0)
    else:
        times = _level(1.0 - parts, schedule)
    return np.append(inside(times, schedule, _BEYOND), schedule.t_clean)


def _level(place: np.ndarray, schedule: NoiseSchedule) -> np.ndarray:
    """Return the time of the model's level, by its place from the cleanest, 0, to the noisiest, 1."""
    if isinstance(schedule, VP | SubVP | FlowMatching):
        count = _count(schedule)
        return np.asarray((place * (count - 1) + 1.0) / count)
    low, high = schedule.t_end, schedule.t_start
    if isinstance(schedule, EDM):
        return np.asarray(np.exp(np.log(low) + place * (np.log(high) - np.log(low))))
    return np.asarray(low + place * (high - low))
