"""Denoiser: a network with the kind of its output and the schedule on which it was trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from diffusion.adapted import at_least_single, bound, ready, untouching
from diffusion.process.prediction import Kind, coefficients, conversion, prediction_name
from diffusion.process.schedule import NoiseSchedule
from diffusion.process.vp import VP
from expint.arguments import function, instance, number, numbers
from expint.backend import Array, array_namespace, asarray_like, device, is_array
from expint.exchange import ask
from expint.operators import Scalar

__all__ = ["Denoiser", "beside_states", "like_input", "rows_of"]


@dataclass(frozen=True, eq=False)
class Denoiser:
    """A network with the kind of its output and the schedule on which it was trained.

    Parameters
    ----------
    network
        Called as ``network(x, t, **condition)`` with x of shape (B, …) and t of shape (B,), on x's device and of its
        dtype, but single precision at least. t is ``schedule.network_time``: the schedule's own
        time, for flow matching the time after the shift. The network returns an array of x's shape and dtype (single
        precision is rounded to a half), and leaves x and t as they are.
    predicts
        The kind of its output: ``"noise"``, ``"data"``, ``"score"``, ``"velocity"``, ``"flow"``, ``"edm"``.
    schedule
        The process x = α(t) x₀ + σ(t) ε.
    condition
        Further keyword arguments of the network, such as class labels.
    discontinuities
        Breakpoints in time of the network, where guidance is switched off or another expert takes over. At such a time
        the network acts as at earlier times. Multistep samplers drop their history there.

    Raises
    ------
    TypeError
        If the network is not callable, the schedule not a `NoiseSchedule` or the condition not a mapping.
    ValueError
        If the kind of prediction is unknown.

    Notes
    -----
    Whether a call records gradients is the caller's choice: ``torch.no_grad`` around it works as usual. The
    network may reuse the memory of its output, as compiled networks do.

    Examples
    --------
    >>> Denoiser(lambda x, t: 0 * x, predicts="noise")
    Denoiser(<lambda> predicts noise, VPLinear)
    """

    network: Callable[..., Array]
    predicts: Kind = "noise"
    schedule: NoiseSchedule = field(default_factory=VP.linear)
    condition: Mapping[str, Any] = field(default_factory=dict)
    discontinuities: tuple[float, ...] = ()

    def __repr__(self) -> str:
        network = getattr(self.network, "__name__", type(self.network).__name__)
        predicts = self.predicts if isinstance(self.predicts, str) else "a formula"
        return f"{type(self).__name__}({network:.30} predicts {predicts}, {type(self.schedule).__name__})"

    def __post_init__(self) -> None:
        function("network", self.network, "(x, t, **condition)", "pass a function or a torch module")
        instance("schedule", self.schedule, NoiseSchedule, "a NoiseSchedule", "pass VP.linear() or another")
        _mapping(self.condition)
        object.__setattr__(self, "network", bound(self.network, self.schedule))
        object.__setattr__(self, "predicts", prediction_name(self.predicts))
        object.__setattr__(self, "discontinuities", tuple(numbers("discontinuities", self.discontinuities)))

    @classmethod
    def from_diffusers(
        cls,
        model: Callable[..., Any],
        scheduler: Any,
        *,
        condition: Mapping[str, Any] | None = None,
        unconditional: Mapping[str, Any] | None = None,
        guidance_scale: float | None = None,
        mu: float | None = None,
    ) -> Denoiser:
        """Return the denoiser of a ``model`` of diffusers, its schedule and prediction those of a ``scheduler``.

        The model is told timesteps, i for the time (i + 1)/N of a table, and given scaled states if it is one of EDM's.
        Output objects and tuples are unpacked, a learned variance is left out, and states are cast to the precision of
        the model and back.

        Parameters
        ----------
        model
            Called as model(sample, timestep, **condition), such as ``pipe.unet``.
        scheduler
            A scheduler of diffusers, its config, or a ``diffusion.adapters.diffusers.Scheduler``.
        condition
            Further arguments of the model, such as {"encoder_hidden_states": embeddings} or {"class_labels": labels}.
        unconditional
            The same without a condition, for guidance.
        guidance_scale
            w of the output u + w (c − u), made in one call with twice the batch.
        mu
            By what the times of flow matching are shifted where the config says ``use_dynamic_shifting``.

        Raises
        ------
        TypeError
            If the model is not callable, or the scheduler has no config.
        ValueError
            If the process of the config is unknown, or one of ``unconditional`` and ``guidance_scale`` is missing.

        Examples
        --------
        >>> net = Denoiser.from_diffusers(pipe.unet, pipe.scheduler)  # doctest: +SKIP
        >>> images = diffusion.sample(net, noise, steps=8)  # doctest: +SKIP
        """
        from diffusion.adapters.diffusers.networks import from_diffusers

        network, predicts, schedule = from_diffusers(
            model, scheduler, unconditional=unconditional, guidance_scale=guidance_scale, mu=mu
        )
        return cls(network, predicts, schedule, dict(condition or {}))

    def __call__(self, x: Array, t: Array) -> Array:
        """Return the raw output of the network at the state ``x`` and the time ``t``.

        Parameters
        ----------
        x
            States, (B, …), of real floating dtype.
        t
            One time of the schedule for all, a number, or times of shape (B,), an array like ``x``. In a float64 array
            or as a number it is reckoned with in double precision; the network has it in single precision at least.

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
            t = number("t", t, finite=False)
            output = ask(ready(self.network, self._told([t]), x), x, t, **self.condition)
        else:
            told = self.schedule.network_time(at_least_single(t))
            output = ask(untouching(self.network), x, told, **self.condition)
        return _like_state(output, x)

    def at_each(self, x: Array, t: np.ndarray) -> Array:
        """Return the output at the states ``x`` (b, …), each at a time of its own: (b,), in double on the host."""
        xp = array_namespace(x)
        single = x.dtype if x.dtype in (xp.float32, xp.float64) else xp.float32
        host = np.asarray(self.schedule.network_time(t))
        told = xp.asarray(host, dtype=xp.int64 if host.dtype.kind == "i" else single, device=device(x))
        return _like_state(ask(untouching(self.network), x, told, **self.condition), x)

    def of_samples(self, which: np.ndarray, count: int) -> Denoiser:
        """Return the denoiser of some samples of a batch of ``count``: with their rows of the condition."""
        return self.with_condition(rows_of(self.condition, which, count)) if self.condition else self

    def predict_each(self, x: Array, t: np.ndarray, kind: Kind) -> Array:
        """Return a prediction of the ``kind`` as `at_each` does."""
        return self.convert_each(self.at_each(x, t), x, t, kind)

    def convert_each(self, output: Array, x: Array, t: np.ndarray, kind: Kind) -> Array:
        """Return what `at_each` returned as a prediction of the ``kind``."""
        schedule = self.schedule
        alpha, sigma = np.asarray(schedule.alpha(t)), np.asarray(schedule.sigma(t))
        found = coefficients(self.predicts, prediction_name(kind), alpha, sigma, schedule.sigma_data)
        of_state, of_output = (own if isinstance(own, float) else beside_states(own, x) for own in found)
        return of_output * output + of_state * x

    def at_times(self, times: Iterable[float], like: Array) -> Callable[[float, Array], Array]:
        """Return the denoiser as a function of (t, x) for these ``times`` and for states ``like`` one.

        The arrays of times that the network is given are made here, all at once, from times in double precision.
        """
        network, shape, dtype = ready(self.network, self._told(times), like), like.shape, like.dtype
        if self.condition:
            network = partial(network, **self.condition)

        def call(t: float, x: Array) -> Array:
            output = network(x, t)
            if getattr(output, "shape", None) == shape and output.dtype == dtype:  # looked at here: a call less
                return output
            return _like_state(output, x)

        return call

    def _told(self, times: Iterable[float]) -> dict[float, float]:
        """Return by time of the schedule the time that the network receives."""
        unique = list(dict.fromkeys(times))
        return dict(zip(unique, np.asarray(self.schedule.network_time(np.array(unique))).tolist(), strict=True))

    def with_condition(self, condition: Mapping[str, Any]) -> Denoiser:
        """Return the denoiser with another condition."""
        return replace(self, condition=dict(_mapping(condition)))

    def predict(self, x: Array, t: float, kind: Kind) -> Array:
        """Return the network's output at ``x`` and the time ``t``, converted to another ``kind`` of prediction.

        Raises
        ------
        TypeError, ValueError
            As a call does; also if the kind is unknown or x and the output do not determine it at ``t``.
        """
        t, kind = number("t", t, finite=False), prediction_name(kind)
        if kind == self.predicts:
            return self(x, t)
        of_state, of_output = conversion(self.schedule, self.predicts, kind, t)
        output = self(x, t)
        if self.schedule.centred is not self.schedule:  # x₀ and ε make up what is left of x without the mean
            x = x - self.schedule.offset(t, x)  # type: ignore[attr-defined]  # schedules with a mean have it
        return _COMBINE((of_output, of_state or None), (output, x))


def beside_states(values: np.ndarray, x: Array) -> Array:
    """Return one number for each sample, as an array that multiplies the states ``x``."""
    each = np.array(np.broadcast_to(values, x.shape[:1]))  # torch warns of memory that cannot be written
    return asarray_like(each.reshape(-1, *(1,) * (x.ndim - 1)), x)


def rows_of(value: Any, which: np.ndarray, count: int) -> Any:
    """Return what belongs to some samples of a batch of ``count``.

    Rows of arrays and lists of that length, also inside mappings; anything else belongs to all.
    """
    if isinstance(value, Mapping):
        return {name: rows_of(own, which, count) for name, own in value.items()}
    if isinstance(value, list | tuple) and len(value) == count:
        return [value[i] for i in which.tolist()]
    if is_array(value) and value.ndim and value.shape[0] == count:
        xp = array_namespace(value)
        return xp.take(value, xp.asarray(np.array(which), device=device(value)), axis=0)
    return value


def _mapping(condition: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = instance(
        "condition", condition, Mapping, "a mapping of arguments, such as {'label': labels}"
    )
    return found


_COMBINE = Scalar(0.0).combine  # one operation for each array where the library has one


def _like_state(output: Array, x: Array) -> Array:
    """Return the output of a network as it is like its state, one that times in single precision widened rounded."""
    if is_array(output) and x.dtype.itemsize == 2 and output.shape == x.shape:
        xp = array_namespace(x)
        if output.dtype == xp.float32:
            return xp.astype(output, x.dtype)
    return like_input(output, x)


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
    return f"shape {tuple(output.shape)} and dtype {output.dtype}"  # type: ignore[attr-defined]  # arrays have both
