"""What a network is to us: a function of state and time, the kind of its output, and the schedule it was trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from expint.backend import Array, array_namespace, device, is_array
from expint.exchange import ask, noticing
from expint.given import refuse_gradients
from expint.operators import Scalar

from .prediction import Kind, coefficients, prediction_name
from .schedule import NoiseSchedule
from .variance_preserving import VP

__all__ = ["Denoiser", "like_input"]


@dataclass(frozen=True, eq=False)
class Denoiser:
    """A network together with what it predicts and the schedule of its training.

    Parameters
    ----------
    network
        Called as ``network(x, t, **condition)`` with x of shape (B, …) and t of shape (B,), of x's dtype and device.
        Returns an array of x's shape and dtype, and leaves x and t as they are.
    predicts
        The kind of its output: ``"noise"``, ``"data"``, ``"score"``, ``"velocity"``, ``"flow"``, ``"edm"``.
    schedule
        The process x = α(t) x₀ + σ(t) ε.
    condition
        Further keyword arguments of the network, such as class labels.
    discontinuities
        Times at which the network changes abruptly (guidance switched off, another expert), its output at such a time
        being that of earlier times. No multistep sampler remembers slopes across them.

    Raises
    ------
    TypeError
        If the network is not callable, the schedule not a `NoiseSchedule` or the condition not a mapping.
    ValueError
        If the kind of prediction is unknown.

    Notes
    -----
    Whether a call records gradients is the caller's choice: ``torch.no_grad`` around it works as usual. Outputs may lie
    in the same memory again and again, as those of compiled networks do.
    """

    network: Callable[..., Array]
    predicts: Kind = "noise"
    schedule: NoiseSchedule = field(default_factory=VP.linear)
    condition: Mapping[str, Any] = field(default_factory=dict)
    discontinuities: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not callable(self.network):
            raise TypeError(
                f"expected a callable network(x, t, **condition); received {type(self.network).__name__}; "
                "pass a function or a torch module"
            )
        if not isinstance(self.schedule, NoiseSchedule):
            raise TypeError(
                f"expected a NoiseSchedule; received {type(self.schedule).__name__}; pass VP.linear() or another"
            )
        if not isinstance(self.condition, Mapping):
            raise TypeError(
                f"expected the condition as a mapping of keyword arguments; received {type(self.condition).__name__}; "
                "pass a dict such as {'label': labels}"
            )
        object.__setattr__(self, "predicts", prediction_name(self.predicts))
        object.__setattr__(self, "discontinuities", tuple(float(t) for t in self.discontinuities))

    def __call__(self, x: Array, t: Array) -> Array:
        """Return the raw output of the network at the state ``x`` and the time ``t``.

        Parameters
        ----------
        x
            States, (B, …), of real floating dtype.
        t
            One time for all, a number, or times of shape (B,), an array like ``x``.

        Raises
        ------
        TypeError
            If ``x`` is not an array.
        ValueError
            If ``x`` has no batch axis, or the output is not an array of the shape and dtype of ``x``.
        """
        if not is_array(x):
            raise TypeError(f"expected the state as an array; received {type(x).__name__}; pass an array or tensor")
        if x.ndim == 0:
            raise ValueError("expected a state of shape (B, …); received a scalar; add a batch axis")
        if isinstance(t, (int, float)) or not is_array(t) or t.ndim == 0:
            refuse_gradients("t", t)
            t = array_namespace(x).full((x.shape[0],), float(t), dtype=x.dtype, device=device(x))
        return like_input(ask(noticing(self.network, "the network"), x, t, **self.condition), x)

    def at_times(self, times: Iterable[float], like: Array) -> Callable[[float, Array], Array]:
        """Return the denoiser as a function of (t, x) for these ``times`` and for states ``like`` one.

        The arrays of times that the network is given are made here, all at once.
        """
        network, condition = noticing(self.network, "the network"), self.condition
        unique = list(dict.fromkeys(times))
        host = np.repeat(np.array(unique)[:, None], like.shape[0], axis=1)
        xp = array_namespace(like)
        rows = xp.unstack(xp.asarray(host, dtype=like.dtype, device=device(like)))
        at, shape, dtype = dict(zip(unique, rows, strict=True)), like.shape, like.dtype

        def call(t: float, x: Array) -> Array:
            output = network(x, at[t], **condition)
            if getattr(output, "shape", None) == shape and output.dtype == dtype:  # looked at here: a call less
                return output
            return like_input(output, x)

        return call

    def with_condition(self, condition: Mapping[str, Any]) -> Denoiser:
        """Return the denoiser with another condition."""
        return replace(self, condition=dict(condition))

    def predict(self, x: Array, t: float, kind: Kind) -> Array:
        """Return the network's output at ``x`` and the time ``t``, converted to another ``kind`` of prediction.

        Raises
        ------
        TypeError, ValueError
            As a call does; also if the kind is unknown or x and the output do not determine it at ``t``.
        """
        t = float(t)
        if kind == self.predicts:
            return self(x, t)
        of_state, of_output = _conversion(self.schedule, self.predicts, kind, t)
        return _COMBINE((of_output, of_state or None), (self(x, t), x))


_COMBINE = Scalar(0.0).combine  # one operation for each array where the library has one


@lru_cache(maxsize=4096)
def _conversion(schedule: NoiseSchedule, source: Kind, target: Kind, t: float) -> tuple[float, float]:
    """Return (A, B) with target = A x + B output at ``t``; kept, since a run visits the same times again and again."""
    return coefficients(source, target, schedule.alpha(t), schedule.sigma(t), schedule.sigma_data)


def like_input(output: Array, x: Array, what: str = "the network") -> Array:
    """Return the ``output`` of ``what``, which has the shape and dtype of its input ``x``.

    Raises
    ------
    ValueError
        If it has not.
    """
    if getattr(output, "shape", None) == x.shape and output.dtype == x.dtype:
        return output
    raise ValueError(
        f"expected {what} to return an array of shape {tuple(x.shape)} and dtype {x.dtype}; "
        f"received {_describe(output)}; wrap it so that its output is like its input"
    )


def _describe(output: object) -> str:
    if not is_array(output):
        return type(output).__name__
    return f"shape {tuple(output.shape)} and dtype {output.dtype}"  # type: ignore[attr-defined]
