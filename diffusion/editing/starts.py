"""Runs that start from data: image-to-image and inpainting; and runs of more samples than fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from diffusion.checks import check_denoiser, check_state, lay_out
from diffusion.denoiser import Denoiser, like_input
from diffusion.guidance import inpainted
from diffusion.process.schedule import NoiseSchedule
from diffusion.sample import sample
from diffusion.samplers.catalogue import AnySampler
from diffusion.samplers.fitted import FittedSampler
from expint.arguments import function, instance, integer, number
from expint.arrays import real_values
from expint.backend import Array, array_namespace, asarray_like, is_array

__all__ = ["add_noise", "image_to_image", "inpaint", "sample_in_batches"]

Grid = str | Sequence[float] | np.ndarray | None


def add_noise(schedule: NoiseSchedule, data: Array, noise: Array, t: Any) -> Array:
    """Return x = α(t) x₀ + σ(t) ε, the ``data`` x₀ at the noise level of the time t.

    Parameters
    ----------
    schedule
        α and σ.
    data, noise
        x₀ and ε of one shape (batch, …) and dtype.
    t
        A time, or one for each sample, (batch,). α and σ are reckoned in double precision.

    Returns
    -------
    array
        Like the data.

    Raises
    ------
    TypeError, ValueError
        If the data are no batch of finite numbers, or noise or times do not fit them.

    Examples
    --------
    >>> import numpy as np, diffusion
    >>> diffusion.add_noise(diffusion.EDM(), np.array([[1.0, 2.0]]), np.array([[0.5, -0.5]]), 10.0).tolist()
    [[6.0, -3.0]]
    """
    instance("schedule", schedule, NoiseSchedule, "a NoiseSchedule", "pass VP.linear() or another")
    check_state(data)
    like_input(noise, data, "noise")
    if not is_array(t) or t.ndim == 0:
        at = number("t", t)
        return float(schedule.alpha(at)) * data + float(schedule.sigma(at)) * noise
    times = real_values("t", t)
    if times.shape != (data.shape[0],) or not np.all(np.isfinite(times)):
        raise ValueError(
            f"expected t as a time or {data.shape[0]} finite ones, received an array of shape {times.shape}; give one "
            "for each sample"
        )
    shape = (-1, *[1] * (data.ndim - 1))
    alpha, sigma = (asarray_like(part(times).reshape(shape), data) for part in (schedule.alpha, schedule.sigma))
    return alpha * data + sigma * noise


def image_to_image(
    denoiser: Denoiser,
    data: Array,
    noise: Array,
    *,
    strength: float = 0.6,
    sampler: str | AnySampler = "auto",
    steps: int | None = None,
    grid: Grid = None,
    callback: Callable[[float, Array], None] | None = None,
    progress: bool = False,
) -> Array:
    """Return samples near the ``data``: these with noise, denoised by the last part of a run.

    Parameters
    ----------
    data, noise
        x₀ and standard normal noise of one shape (batch, …) and dtype.
    strength
        From 0 to 1: how much of the run is made, the last ⌊strength · n⌋ of n steps, one at least. With 1 it is a run
        from noise, which still knows the data by α of its first time; with 0 the data are returned.
    denoiser, sampler, steps, grid, callback, progress
        As of ``diffusion.sample``; ``steps`` and ``grid`` are those of the whole run.

    Raises
    ------
    TypeError, ValueError
        As ``diffusion.sample`` does; if the strength lies outside [0, 1]; for a `FittedSampler` with a strength below
        1, whose rows are for a whole run.

    Notes
    -----
    Meng et al., *SDEdit: Guided image synthesis and editing with stochastic differential equations*, 2022. The number
    of steps is that of the pipelines of diffusers.

    Examples
    --------
    >>> import numpy as np, diffusion
    >>> net = diffusion.models.gaussian_mixture([1.0], [[0.0]], [[[1.0]]])
    >>> data, noise = np.array([[0.5], [-1.0]]), np.array([[0.1], [0.2]])
    >>> diffusion.image_to_image(net, data, noise, strength=0.5, steps=8).shape
    (2, 1)
    """
    check_denoiser(denoiser)
    part = number("strength", strength, least=0.0, most=1.0)
    chosen, times, to_zero = lay_out(denoiser, sampler, steps, grid)
    check_state(data)
    like_input(noise, data, "noise")
    count = len(times) - 1 + to_zero
    made = min(max(int(part * count + 1e-9), 1), count)
    if part == 0.0:
        return data
    if isinstance(chosen, FittedSampler) and made < count:
        raise ValueError(
            f"expected strength=1 with {chosen.name!r}, received {part:g}: its rows are for the whole run; take a "
            "named sampler"
        )
    first = count - made
    left = np.append(times[first:], denoiser.schedule.t_clean) if to_zero else times[first:]
    state = add_noise(denoiser.schedule, data, noise, float(left[0]))
    rule: Any = sampler
    return sample(denoiser, state, sampler=rule, grid=left, start="state", callback=callback, progress=progress)


def inpaint(
    denoiser: Denoiser,
    data: Array,
    mask: Array,
    noise: Array,
    *,
    strength: float = 1.0,
    sampler: str | AnySampler = "auto",
    steps: int | None = None,
    grid: Grid = None,
    callback: Callable[[float, Array], None] | None = None,
    progress: bool = False,
) -> Array:
    """Return samples that are the ``data`` where the ``mask`` is 0, and new where it is 1.

    What is known is kept at the noise level of every state, to the last; see ``diffusion.guidance.inpainted``, which
    serves for a run of any other kind.

    Parameters
    ----------
    data, mask
        x₀ and m, from 0 (keep) to 1 (make anew), of a shape that fits by broadcasting.
    noise, strength, sampler, steps, grid, callback, progress
        As of `image_to_image`. With a strength below 1 what is made anew starts from the data, too.

    Raises
    ------
    TypeError, ValueError
        As ``diffusion.guidance.inpainted`` and `image_to_image` do.

    Examples
    --------
    >>> import numpy as np, diffusion
    >>> net = diffusion.models.gaussian_mixture([1.0], [[0.0, 0.0]], [[[1.0, 0.9], [0.9, 1.0]]])
    >>> data, mask = np.array([[1.0, 0.0]]), np.array([0.0, 1.0])
    >>> made = diffusion.inpaint(net, data, mask, np.array([[0.3, -0.2]]), steps=10)
    >>> bool(abs(made[0, 0] - 1.0) < 0.1), made.shape
    (True, (1, 2))
    """
    known = inpainted(denoiser, data, mask)
    options: dict[str, Any] = {"sampler": sampler, "steps": steps, "grid": grid, "callback": callback}
    return image_to_image(known, data, noise, strength=strength, progress=progress, **options)


def sample_in_batches(
    denoiser: Denoiser | Callable[[slice], Denoiser],
    noise: Array,
    batch_size: int,
    *,
    sampler: str | AnySampler = "auto",
    steps: int | None = None,
    grid: Grid = None,
    start: Literal["noise", "state"] = "noise",
) -> Array:
    """Return what ``diffusion.sample(denoiser, noise, …)`` returns, made of ``batch_size`` samples at a time.

    Parameters
    ----------
    denoiser
        The denoiser. Arrays of its condition that are as long as the noise, such as labels, are divided with it. Where
        more depends on the samples, as an unconditional condition or a mask of each, a function from the slice of the
        samples to their denoiser.
    noise
        As of ``diffusion.sample``, (batch, …).
    batch_size
        The number of samples that fit into memory.
    sampler, steps, grid, start
        As of ``diffusion.sample``.

    Raises
    ------
    TypeError, ValueError
        As ``diffusion.sample`` does. Whatever is raised, Ctrl-C too, holds the samples of the batches that are done in
        its attribute ``samples``, None if there are none.

    Examples
    --------
    >>> import numpy as np, diffusion
    >>> net = diffusion.models.gaussian_mixture([1.0], [[0.0]], [[[1.0]]])
    >>> noise = np.linspace(-1.0, 1.0, 5)[:, None]
    >>> made = diffusion.sample_in_batches(net, noise, 2, sampler="ddim", steps=4)
    >>> bool(np.allclose(made, diffusion.sample(net, noise, sampler="ddim", steps=4)))
    True
    """
    check_state(noise)
    size, count = integer("batch_size", batch_size), noise.shape[0]
    if not isinstance(denoiser, Denoiser):
        function("denoiser", denoiser, "slice ↦ Denoiser", "or pass a Denoiser")
    parts = [slice(first, min(first + size, count)) for first in range(0, count, size)]
    made: list[Array] = []
    try:
        for part in parts:
            own = _of_samples(denoiser, part, count)
            made.append(sample(own, noise[part, ...], sampler=sampler, steps=steps, grid=grid, start=start))
    except BaseException as error:
        error.samples = _joined(made) if made else None  # type: ignore[attr-defined]  # nothing made is lost
        error.add_note(
            f"raised after {len(made)} of {len(parts)} batches; those made are in 'samples' of this exception"
        )
        raise
    return _joined(made)


def _joined(batches: Sequence[Array]) -> Array:
    return batches[0] if len(batches) == 1 else array_namespace(batches[0]).concat(list(batches), axis=0)


def _of_samples(denoiser: Denoiser | Callable[[slice], Denoiser], part: slice, count: int) -> Denoiser:
    """Return the denoiser of some of ``count`` samples."""
    if not isinstance(denoiser, Denoiser):
        return denoiser(part)

    def own(value: Any) -> Any:
        return value[part] if is_array(value) and value.ndim and value.shape[0] == count else value

    condition = {name: own(value) for name, value in denoiser.condition.items()}
    return denoiser.with_condition(condition) if condition else denoiser
