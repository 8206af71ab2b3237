"""Adapters of networks: from the calling convention of a network to ours, network(x, t, **condition).

Our t is the time that the schedule tells networks (`NoiseSchedule.network_time`: that of the schedule, of flow matching
the one after the shift), of shape (B,), in the precision of x and at least in single precision. Each function takes a
network and returns one. In a run what they make of a time is reckoned in double precision and rounded once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from diffusion.adapted import Adapted, Network, bound, ready
from diffusion.process.schedule import NoiseSchedule
from expint.arguments import flag, function, instance, integer, number
from expint.backend import Array, array_namespace, device

__all__ = [
    "Network",
    "in_dtype",
    "with_index",
    "with_log_sigma",
    "with_preconditioning",
    "with_reversed_flow",
    "with_reversed_time",
    "with_scaled_time",
    "with_sigma",
]

_COUNT = 1000  # of the times of most discrete-time models


def with_scaled_time(network: Network, factor: float = 1000.0) -> Network:
    """Return a network that passes ``factor`` · t to ``network``: for times in [0, 1] embedded as if up to 1000.

    Raises
    ------
    TypeError
        If the network is not callable.
    ValueError
        If the factor is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from diffusion import adapters
    >>> network = adapters.with_scaled_time(lambda x, t: t)
    >>> network(np.ones((1, 2)), np.array([0.25])).tolist()
    [250.0]
    """
    factor = number("factor", factor, above=0.0)
    return _Scaled(_callable(network), factor)


def with_index(network: Network, count: int | None = None, *, rounded: bool = False) -> Network:
    """Return a network that passes the index N t − 1 to ``network``, N = ``count``: t = (i + 1)/N for index i.

    This is the time of ``VP.from_betas``, and N is by default the length of the table of the denoiser's schedule; it is
    1000 where there is none. Between the trained times the index is fractional, which sinusoidal embeddings understand.
    With ``rounded`` it is the nearest whole number, as an integer array, for networks that look it up in a table; take
    a grid of such times then (``grids.rounded``), since the coefficients know nothing of it.

    Raises
    ------
    TypeError
        If the network is not callable, or the count no whole number.
    ValueError
        If there are no times.

    Examples
    --------
    >>> import numpy as np
    >>> from diffusion import adapters
    >>> told = adapters.with_index(lambda x, t: t, 1000)
    >>> told(np.ones((1, 2)), np.array([0.5])).tolist()
    [499.0]
    """
    if count is not None:
        count = integer("count", count)
    return _Index(_callable(network), count, flag("rounded", rounded))


def with_sigma(network: Network, schedule: NoiseSchedule) -> Network:
    """Return a network that passes x/α and ρ = σ/α to ``network``, whatever the schedule: EDM's convention.

    For networks that know some noise levels only take a grid of these (``grids.nearest``): coefficients and network are
    then at the same σ.

    Raises
    ------
    TypeError
        If the network is not callable, or the schedule none.

    Examples
    --------
    >>> import numpy as np, diffusion
    >>> from diffusion import adapters
    >>> network = adapters.with_sigma(lambda x, t: t, diffusion.EDM())
    >>> network(np.ones((1, 2)), np.array([2.0])).tolist()
    [2.0]
    """
    return _Sigma(_callable(network), _schedule(schedule))


def with_log_sigma(network: Network, schedule: NoiseSchedule, factor: float = 0.25) -> Network:
    """Return a network that passes ``factor`` · log(σ/α) to ``network``; 1/4 is c_noise of EDM.

    Raises
    ------
    TypeError
        If the network is not callable, or the schedule none.
    ValueError
        If the factor is not positive.

    Examples
    --------
    >>> import numpy as np, diffusion
    >>> from diffusion import adapters
    >>> told = adapters.with_log_sigma(lambda x, t: t, diffusion.EDM())
    >>> told(np.ones((1, 2)), np.array([1.0])).tolist()
    [0.0]
    """
    factor = number("factor", factor, above=0.0)
    return _LogSigma(_callable(network), _schedule(schedule), factor)


def with_preconditioning(network: Network, schedule: NoiseSchedule) -> Network:
    """Return a network that passes the inputs of EDM's F to ``network``, whatever the schedule: an "edm" prediction.

    They are c_in x/α = x/√(α² σ_data² + σ²), of unit variance for data of the schedule's ``sigma_data``, and
    c_noise = ¼ log(σ/α). What F returns is combined to the data by c_skip and c_out, which the prediction knows; a
    network that has all four inside predicts the data, and `with_sigma` calls it.

    Raises
    ------
    TypeError
        If the network is not callable, or the schedule none.

    Notes
    -----
    Karras et al. 2022, eq. (7) and table 1.

    Examples
    --------
    >>> import numpy as np, diffusion
    >>> from diffusion import adapters
    >>> inner = adapters.with_preconditioning(lambda x, t: x, diffusion.EDM())
    >>> bool(np.isclose(inner(np.ones((1, 1)), np.array([1.0]))[0, 0], 1.25**-0.5))
    True
    """
    return _Preconditioned(_callable(network), _schedule(schedule), 0.25)


def with_reversed_flow(network: Network) -> Network:
    """Return a network that passes 1 − t to ``network`` and changes the sign of its output: a "flow" prediction.

    For networks of flow matching that go from noise at 0 to data at 1 and predict the slope x₀ − ε, as SiT does. Ours
    goes from data at 0 to noise at 1, and "flow" is ε − x₀.

    Raises
    ------
    TypeError
        If the network is not callable.

    Notes
    -----
    Ma et al., *SiT: Exploring flow and diffusion-based generative models with scalable interpolant transformers*, 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from diffusion import adapters
    >>> network = adapters.with_reversed_flow(lambda x, t: t)
    >>> network(np.ones((1, 2)), np.array([0.25])).tolist()
    [-0.75]
    """
    return _Reversed(_callable(network))


def with_reversed_time(network: Network, end: float = 1.0) -> Network:
    """Return a network that passes ``end`` − t to ``network``: for those whose time runs from noise to data.

    What it predicts stays as it is; a velocity of theirs is a slope along their time, see `with_reversed_flow`.

    Raises
    ------
    TypeError
        If the network is not callable.
    ValueError
        If the end is not a finite number.

    Examples
    --------
    >>> import numpy as np
    >>> from diffusion import adapters
    >>> network = adapters.with_reversed_time(lambda x, t: t)
    >>> network(np.ones((1, 2)), np.array([0.25])).tolist()
    [0.75]
    """
    return _Backwards(_callable(network), number("end", end))


def in_dtype(network: Network, dtype: Any, *, cast_time: bool = False) -> Network:
    """Return a network that computes in ``dtype``: x is cast to it, and the output back to that of x.

    The state of a run keeps its own precision, so that a network in bfloat16 serves a float32 or float64 state.
    Times are in that precision, but single precision at least, since a time has less than three digits in bfloat16, and
    an index above 256 is another one; most networks embed it in single precision and cast the embedding. With
    ``cast_time`` true it is cast as well, whole numbers excepted. Other adapters may lie inside this one or around it.

    Raises
    ------
    TypeError
        If the network is not callable.

    Examples
    --------
    >>> import numpy as np
    >>> from diffusion import adapters
    >>> single = adapters.in_dtype(lambda x, t: x, np.float32)
    >>> str(single(np.ones((1, 2)), np.array([0.5])).dtype)
    'float64'
    """
    return _InDtype(_callable(network), dtype, flag("cast_time", cast_time))


@dataclass(frozen=True, eq=False)
class _Scaled(Adapted):
    factor: float

    def time(self, t: Array) -> Array:
        return self.factor * t


@dataclass(frozen=True, eq=False)
class _Index(Adapted):
    count: int | None
    rounded: bool

    def bound(self, schedule: NoiseSchedule) -> Self:
        inner = bound(self.network, schedule)
        count = len(getattr(schedule, "half_log_snrs", range(_COUNT))) if self.count is None else self.count
        return self if inner is self.network and count == self.count else replace(self, network=inner, count=count)

    def time(self, t: Array) -> Array:
        xp, count = array_namespace(t), self.count or _COUNT
        index = count * t - 1.0
        whole = xp.round(index)
        if self.rounded:
            return xp.astype(xp.clip(whole, 0, count - 1), xp.int64)
        near = xp.abs(index - whole) <= 4.0 * count * xp.finfo(t.dtype).eps  # some cut off what lies behind the point
        return xp.where(near, whole, index)


@dataclass(frozen=True, eq=False)
class _Sigma(Adapted):
    schedule: NoiseSchedule

    def time(self, t: Array) -> Array:
        return self.schedule.rho(self.schedule.time_of_network(t))

    def divisor(self, t: Array) -> Array:
        return self.schedule.alpha(self.schedule.time_of_network(t))


@dataclass(frozen=True, eq=False)
class _LogSigma(Adapted):
    schedule: NoiseSchedule
    factor: float

    def time(self, t: Array) -> Array:
        return -self.factor * self.schedule.half_log_snr(self.schedule.time_of_network(t))


@dataclass(frozen=True, eq=False)
class _Preconditioned(_LogSigma):
    def divisor(self, t: Array) -> Array:
        t = self.schedule.time_of_network(t)
        return array_namespace(t).hypot(self.schedule.alpha(t) * self.schedule.sigma_data, self.schedule.sigma(t))


@dataclass(frozen=True, eq=False)
class _Reversed(Adapted):
    sign = -1.0

    def time(self, t: Array) -> Array:
        return 1.0 - t


@dataclass(frozen=True, eq=False)
class _Backwards(Adapted):
    end: float

    def time(self, t: Array) -> Array:
        return self.end - t


@dataclass(frozen=True, eq=False)
class _InDtype(Adapted):
    dtype: Any
    cast_time: bool

    def __call__(self, x: Array, t: Array, **condition: Any) -> Array:
        xp = array_namespace(x)
        if xp.isdtype(t.dtype, "real floating"):
            t = xp.astype(t, self.dtype if self.dtype == xp.float64 else xp.float32)
        return xp.astype(self._told(xp.astype(x, self.dtype), t, **condition), x.dtype)

    def ready(self, told: Mapping[float, float], like: Array) -> Callable[..., Array]:
        xp = array_namespace(like)
        states = xp.empty(like.shape[:1], dtype=self.dtype, device=device(like))
        call = ready(self._told if self.cast_time else self.network, told, states)

        def cast(x: Array, t: float, **condition: Any) -> Array:
            return xp.astype(call(xp.astype(x, self.dtype), t, **condition), x.dtype)

        return cast

    def _told(self, x: Array, t: Array, **condition: Any) -> Array:
        """Return the output of the network, the time cast if it is to be."""
        xp = array_namespace(x)
        cast = self.cast_time and xp.isdtype(t.dtype, "real floating")
        return self.network(x, xp.astype(t, self.dtype) if cast else t, **condition)


def _callable(network: Network) -> Network:
    return function("network", network, "(x, t, **condition)", "pass a function or a torch module")


def _schedule(schedule: NoiseSchedule) -> NoiseSchedule:
    return instance("schedule", schedule, NoiseSchedule, "a NoiseSchedule", "pass VP.linear() or another")
