"""The times that networks receive, exact on the host, and networks that take another time, scale or precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias

import numpy as np

from diffusion.process.schedule import NoiseSchedule
from expint.backend import Array, array_namespace, device
from expint.exchange import noticing

__all__ = ["Adapted", "Network", "at_least_single", "bound", "ready", "untouching"]

Network: TypeAlias = Callable[..., Array]


def at_least_single(t: Array) -> Array:
    """Return the times ``t``, those in half precision in single precision, which tells 941 from 940."""
    xp = array_namespace(t)
    half = xp.isdtype(t.dtype, "real floating") and t.dtype not in (xp.float32, xp.float64)
    return xp.astype(t, xp.float32) if half else t


def ready(network: Network, told: Mapping[float, float], like: Array) -> Callable[..., Array]:
    """Return the ``network`` as a function (x, t, **condition), t being a key of ``told``, for states ``like`` one.

    Parameters
    ----------
    network
        Called as network(x, told, **condition), with an array of one time for each state.
    told
        The time that the network receives at each t, in double precision. All arrays are made here, at once.
    like
        A state: its batch, namespace, device and precision. Times are single precision at least, and whole numbers
        stay whole.
    """
    if isinstance(network, Adapted):
        return network.ready(told, like)
    return noticing(network, "the network", _arrays(told, like))


def untouching(network: Network) -> Network:
    """Return the ``network``, a call of which that writes into its arguments is refused."""
    return network if isinstance(network, Adapted) else noticing(network, "the network")


def bound(network: Network, schedule: NoiseSchedule) -> Network:
    """Return the ``network``, with what its adapters left open settled by the ``schedule``."""
    return network.bound(schedule) if isinstance(network, Adapted) else network


@dataclass(frozen=True, eq=False)
class Adapted:
    """A network that is called at `time` of t with x over `divisor` of t; its output is multiplied by `sign`.

    Both are formulas for arrays of any namespace. A run asks them once, for all its times, in double precision.
    """

    network: Network

    sign = 1.0

    def time(self, t: Array) -> Array:
        """Return the time that the network receives at ``t``."""
        return t

    def divisor(self, t: Array) -> Array | None:
        """Return the divisor of states at ``t``, None for 1."""
        del t
        return None

    def bound(self, schedule: NoiseSchedule) -> Self:
        """Return the network with what is left open settled by the ``schedule``."""
        inner = bound(self.network, schedule)
        return self if inner is self.network else replace(self, network=inner)

    def __call__(self, x: Array, t: Array, **condition: Any) -> Array:
        """Return the output at the states ``x`` (B, …) and the times ``t`` (B,)."""
        t = at_least_single(t)
        divisor = self.divisor(t)
        if divisor is not None:
            xp = array_namespace(divisor)
            x = x / xp.astype(xp.reshape(divisor, (-1, *[1] * (x.ndim - 1))), x.dtype)
        return self._signed(untouching(self.network)(x, self.time(t), **condition))

    def ready(self, told: Mapping[float, float], like: Array) -> Callable[..., Array]:
        """Return the network as the function `ready` does."""
        host = np.array(list(told.values()), dtype=np.float64)
        network = ready(self.network, dict(zip(told, np.asarray(self.time(host)).tolist())), like)
        divisor = self.divisor(host)
        divisors = dict(zip(told, np.ones_like(host).tolist() if divisor is None else divisor.tolist()))

        def call(x: Array, t: float, **condition: Any) -> Array:
            by = divisors[t]
            return self._signed(network(x if by == 1.0 else x / by, t, **condition))

        return call

    def _signed(self, output: Array) -> Array:
        return output if self.sign == 1.0 else self.sign * output


def _arrays(told: Mapping[float, float], like: Array) -> dict[float, Array]:
    """Return for each key an array of the times there, one for each of the states ``like``."""
    unique = list(dict.fromkeys(told.values()))
    host = np.repeat(np.array(unique)[:, None], like.shape[0], axis=1)
    xp = array_namespace(like)
    dtype = xp.int64 if host.dtype.kind == "i" else xp.float64 if like.dtype == xp.float64 else xp.float32
    rows = dict(zip(unique, xp.unstack(xp.asarray(host, dtype=dtype, device=device(like))), strict=True))
    return {t: rows[value] for t, value in told.items()}
