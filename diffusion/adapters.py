"""Adapters of networks: from the calling convention of a network to ours, network(x, t, **condition).

Our t is the time of the schedule, of shape (B,) and of the dtype of x. Each function takes a network and returns one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from expint.backend import Array, array_namespace

from .schedule import NoiseSchedule, check_positive

__all__ = [
    "Network",
    "in_dtype",
    "with_index",
    "with_log_sigma",
    "with_preconditioning",
    "with_scaled_time",
    "with_sigma",
]

Network: TypeAlias = Callable[..., Array]


def with_scaled_time(network: Network, factor: float = 1000.0) -> Network:
    """Return a network that passes ``factor`` · t to ``network``: for times in [0, 1] embedded as if up to 1000.

    Raises
    ------
    ValueError
        If the factor is not positive.
    """
    check_positive("factor", factor)

    def call(x: Array, t: Array, **condition: Any) -> Array:
        return network(x, factor * t, **condition)

    return call


def with_index(network: Network, count: int = 1000, *, rounded: bool = False) -> Network:
    """Return a network that passes the index N t − 1 to ``network``, N = ``count``: t = (i + 1)/N for index i.

    This is the time of ``VP.from_betas``. Between the trained times the index is fractional, which sinusoidal
    embeddings understand. With ``rounded`` it is the nearest whole number, as an integer array, for networks that look
    it up in a table; take a grid of such times then (``grids.rounded``), since the coefficients know nothing of it.

    Raises
    ------
    ValueError
        If there are no times.
    """
    check_positive("count", count)

    def call(x: Array, t: Array, **condition: Any) -> Array:
        index = count * t - 1.0
        if rounded:
            xp = array_namespace(t)
            index = xp.astype(xp.clip(xp.round(index), 0, count - 1), xp.int64)
        return network(x, index, **condition)

    return call


def with_sigma(network: Network, schedule: NoiseSchedule) -> Network:
    """Return a network that passes x/α and ρ = σ/α to ``network``, whatever the schedule: EDM's convention.

    For networks that know some noise levels only take a grid of these (``grids.nearest``): coefficients and network are
    then at the same σ.
    """

    def call(x: Array, t: Array, **condition: Any) -> Array:
        alpha = schedule.alpha(t)
        return network(x / _column(alpha, x), schedule.rho(t), **condition)

    return call


def with_log_sigma(network: Network, schedule: NoiseSchedule, factor: float = 0.25) -> Network:
    """Return a network that passes ``factor`` · log(σ/α) to ``network``; 1/4 is c_noise of EDM."""

    def call(x: Array, t: Array, **condition: Any) -> Array:
        return network(x, -factor * schedule.half_log_snr(t), **condition)

    return call


def with_preconditioning(network: Network, schedule: NoiseSchedule) -> Network:
    """Return a network that passes the inputs of EDM's F to ``network``, whatever the schedule: an "edm" prediction.

    They are c_in x/α = x/√(α² σ_data² + σ²), of unit variance for data of the schedule's ``sigma_data``, and
    c_noise = ¼ log(σ/α). What F returns is combined to the data by c_skip and c_out, which the prediction knows; a
    network that has all four inside predicts the data, and `with_sigma` calls it.

    Notes
    -----
    Karras et al. 2022, eq. (7) and table 1.
    """

    def call(x: Array, t: Array, **condition: Any) -> Array:
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        scale = array_namespace(t).hypot(alpha * schedule.sigma_data, sigma)
        return network(x / _column(scale, x), -0.25 * schedule.half_log_snr(t), **condition)

    return call


def in_dtype(network: Network, dtype: Any, *, cast_time: bool = True) -> Network:
    """Return a network that computes in ``dtype``: x and t are cast to it, and the output back to that of x.

    The state of a run keeps its own precision, so that a network in bfloat16 serves a float32 or float64 state.
    A time has less than three digits in bfloat16, and an index above 256 is another one: whole numbers are never cast,
    and with ``cast_time`` false no time is, for networks that embed it in their own precision, as most do. Other
    adapters go around this one, ``with_index(in_dtype(…))``, to reckon in the precision of the run.
    """

    def call(x: Array, t: Array, **condition: Any) -> Array:
        xp = array_namespace(x)
        if cast_time and xp.isdtype(t.dtype, "real floating"):
            t = xp.astype(t, dtype)
        return xp.astype(network(xp.astype(x, dtype), t, **condition), x.dtype)

    return call


def _column(values: Array, like: Array) -> Array:
    """Return ``values`` (B,) shaped to multiply ``like`` (B, …)."""
    return array_namespace(values).reshape(values, (-1, *[1] * (like.ndim - 1)))
