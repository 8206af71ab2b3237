"""Processes with a known drift: x = α x₀ + κ m + σ ε, m a picture given for each sample, such as a degraded image.

Less κ m, which is known at every time, x is that of an ordinary noise schedule with the same data and noise. Runs are
made there, so that every sampler, grid and kind of prediction means for these processes what it always does.
"""

# ruff: noqa: ARG005  (formulas share the signature (xp, t))

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diffusion.process.pointwise import pointwise
from diffusion.process.schedule import NoiseSchedule
from expint.arguments import instance, seen
from expint.arrays import real_values
from expint.backend import Array, Namespace, all_finite, array_namespace, asarray_like, device, has_values, is_array

__all__ = ["Offset", "WithMean"]


class WithMean(NoiseSchedule):
    """A process x = α x₀ + κ m + σ ε: a noise schedule of what is left of x without κ m.

    Its methods are those of the noise schedule. A subclass has ``mean``, m: one picture for each sample, one for all,
    a number, or None for 0.
    """

    mean: Any

    @property
    @abstractmethod
    def centred(self) -> NoiseSchedule:
        """The same process for m = 0, that of x − κ m."""

    @abstractmethod
    def mean_scale(self, t: Array) -> Array:
        """Return κ(t)."""

    def offset(self, t: float, like: Array) -> Array:
        """Return κ m at one time, in the precision of the states ``like`` x.

        Raises
        ------
        TypeError
            If m is an array of another library than the states.
        ValueError
            If m has neither the shape of the states nor that of one of them, or lies on another device.
        """
        return float(self.mean_scale(float(t))) * mean_like(self.mean, like)


@dataclass(frozen=True, eq=False)
class Offset(WithMean):
    """The process of a ``schedule`` around a picture m for each sample: x = α x₀ + m + σ ε.

    A run from noise starts at m + σ ε and ends at x₀ + m. The network is given x, and predicts as it does for the
    ``schedule``. `diffusion.sample` returns x; x₀ is what is left of it without m.

    Parameters
    ----------
    schedule
        α(t) and σ(t).
    mean
        m: of the shape of the states, (B, …), of one of them, (…), or a number.

    Raises
    ------
    TypeError
        If the schedule is none, or the mean no array or number.
    ValueError
        If the schedule has a mean of its own, or that given is not finite.

    Notes
    -----
    The second form of Pandey, Mukherjee, Rai & Kumar, *DiffuseVAE: efficient, controllable and high-fidelity generation
    from low-dimensional latents*, 2022, where m is what a variational autoencoder made. In its first form the network
    is given m beside x: ``Denoiser(network, condition={"mean": m})``.

    Examples
    --------
    >>> import diffusion
    >>> process = Offset(diffusion.VP.linear(), mean=3.0)
    >>> exact = diffusion.models.gaussian_mixture([1.0], [[0.0]], [[[1.0]]])
    >>> network = diffusion.Denoiser(lambda x, t: exact(x - 3.0, t), predicts="data", schedule=process)
    >>> bool(np.allclose(diffusion.sample(network, np.array([[0.5]]), steps=20), 3.5, atol=1e-3))
    True
    """

    schedule: NoiseSchedule
    mean: Any = field(repr=False)

    def __post_init__(self) -> None:
        instance("schedule", self.schedule, NoiseSchedule, "a NoiseSchedule", "pass VP.linear() or another")
        if self.schedule.centred is not self.schedule:
            raise ValueError(
                f"expected a schedule without a mean, received {self.schedule!r}, which has one; add the two"
            )
        check_mean(self.mean)

    @property
    def centred(self) -> NoiseSchedule:
        """The ``schedule``."""
        return self.schedule

    @property
    def t_start(self) -> float:
        """The start of the schedule."""
        return self.schedule.t_start

    @property
    def t_end(self) -> float:
        """The end of the schedule."""
        return self.schedule.t_end

    def mean_scale(self, t: Array) -> Array:
        """Return 1."""
        return pointwise(lambda xp, t: 0.0 * t + 1.0, t)

    def network_time(self, t: Array) -> Array:
        """Return the time that the schedule tells networks at ``t``."""
        return self.schedule.network_time(t)

    def time_of_network(self, told: Array) -> Array:
        """Return the time at which the schedule tells networks ``told``."""
        return self.schedule.time_of_network(told)

    def noise_scale(self, t: Array) -> Array:
        """Return the factor of the noise from which a run starts at ``t``: that of the schedule."""
        return self.schedule.noise_scale(t)

    @property
    def kinks(self) -> Any:
        """The times at which λ of the schedule is not smooth."""
        return self.schedule.kinks

    def _alpha(self, xp: Namespace, t: Any) -> Any:
        return self.schedule._alpha(xp, t)

    def _sigma(self, xp: Namespace, t: Any) -> Any:
        return self.schedule._sigma(xp, t)

    def _rho(self, xp: Namespace, t: Any) -> Any:
        return self.schedule._rho(xp, t)

    def _half_log_snr(self, xp: Namespace, t: Any) -> Any:
        return self.schedule._half_log_snr(xp, t)

    def _rate(self, xp: Namespace, t: Any) -> Any:
        return self.schedule._rate(xp, t)

    def _time(self, xp: Namespace, lam: Any) -> Any:
        return self.schedule._time(xp, lam)


def check_mean(mean: Any) -> None:
    """Raise TypeError or ValueError unless the mean is a number or an array of finite real ones."""
    if not is_array(mean) or isinstance(mean, np.ndarray | np.generic):
        mean = real_values("mean", mean)
    xp = array_namespace(mean)
    if not xp.isdtype(mean.dtype, ("real floating", "integral")) or not has_values(mean):
        raise TypeError(f"expected the mean as an array of real numbers, received {seen(mean)}; make it dense and real")
    if not all_finite(mean):
        raise ValueError("expected a finite mean, received inf or nan; check how it was made")


def mean_like(mean: Any, like: Array) -> Array:
    """Return the mean as an array that is added to the states ``like`` one, in their precision."""
    if not is_array(mean) or isinstance(mean, np.ndarray | np.generic):
        mean = np.asarray(mean, dtype=np.float64)
    if tuple(mean.shape) not in ((), tuple(like.shape[1:]), tuple(like.shape)):
        raise ValueError(
            f"expected a mean of the shape of the states, {tuple(like.shape)}, or of one of them, "
            f"{tuple(like.shape[1:])}; received {tuple(mean.shape)}; give the process the picture of each sample, in "
            "the order of the samples"
        )
    if isinstance(mean, np.ndarray):
        return asarray_like(mean, like)
    if array_namespace(mean) is not array_namespace(like):
        raise TypeError(
            f"expected a mean from the library of the states, {type(like).__name__}, received {type(mean).__name__}; "
            "convert one of them"
        )
    if device(mean) != device(like):
        raise ValueError(
            f"expected a mean on the device of the states, {device(like)}, received one on {device(mean)}; move it"
        )
    return array_namespace(like).astype(mean, like.dtype)
