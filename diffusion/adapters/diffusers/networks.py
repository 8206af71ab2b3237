"""Networks of diffusers as ours: what they are told, what they are given, and what they return."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from diffusion.adapted import Adapted
from diffusion.adapters.diffusers.grids import shift_of
from diffusion.adapters.diffusers.options import plain_options
from diffusion.adapters.diffusers.process import Process, process_of
from diffusion.process.prediction import Kind
from diffusion.process.schedule import NoiseSchedule
from expint.arguments import number, seen
from expint.backend import Array, array_namespace, is_array

__all__ = ["from_diffusers"]


def from_diffusers(
    model: Callable[..., Any],
    scheduler: Any,
    *,
    unconditional: Mapping[str, Any] | None = None,
    guidance_scale: float | None = None,
    mu: float | None = None,
) -> tuple[Callable[..., Array], Kind, NoiseSchedule]:
    """Return network, prediction and schedule of a ``model`` of diffusers; see ``Denoiser.from_diffusers``."""
    if not callable(model):
        raise TypeError(
            f"expected a model of diffusers, called as model(sample, timestep, …); received {seen(model)}; pass "
            "pipe.unet or pipe.transformer"
        )
    config = getattr(scheduler, "config", scheduler)
    if not isinstance(config, Mapping):
        raise TypeError(
            f"expected a scheduler of diffusers or its config, a mapping; received {seen(scheduler)}; pass "
            "pipe.scheduler"
        )
    if config is not scheduler:
        own = inspect.signature(type(scheduler).__init__).parameters  # others it only hands on
        config = {key: config[key] for key in own if key in config} | {"_class_name": type(scheduler).__name__}
    if (unconditional is None) != (guidance_scale is None):
        raise ValueError(
            "expected unconditional and guidance_scale both or neither; received one of them; guidance needs what the "
            "model is given without a condition, and how far to go from it"
        )
    config = {**config, **plain_options(config)}
    process = process_of(config)
    if process.kind == "flow":
        shifted = process_of(config, shift_of(config, mu))
        process = shifted.between(0.9999)
    scale = None if guidance_scale is None else number("guidance_scale", guidance_scale)
    called = _Model(model, _name_of_time(model), unconditional, scale)
    return _Told(called, process), process.predicts, process.schedule


def _name_of_time(model: Any) -> str | None:
    """Return the name of the argument that takes the timestep; None for the second one, whatever its name."""
    try:
        names = inspect.signature(getattr(model, "forward", model)).parameters
    except (TypeError, ValueError):
        return None
    return "timestep" if "timestep" in names else None


@dataclass(frozen=True, eq=False)
class _Told(Adapted):
    """The model told timesteps, and for EDM given scaled states."""

    process: Process

    def time(self, t: Array) -> Array:
        process = self.process  # t is what the schedule tells networks: of flow matching the noise level
        if process.kind == "edm":
            return 0.25 * array_namespace(t).log(t)
        xp = array_namespace(t)
        reversed_or_not = 1.0 - t if process.reverses else t
        found = process.count * reversed_or_not - (0.0 if process.kind == "flow" else 1.0)
        whole = xp.round(found)
        return xp.where(xp.abs(found - whole) <= 4.0 * process.count * xp.finfo(t.dtype).eps, whole, found)

    def divisor(self, t: Array) -> Array | None:
        scale = self.process.scale
        return None if scale is None else array_namespace(t).hypot(t, array_namespace(t).zeros_like(t) + scale)


@dataclass(frozen=True, eq=False)
class _Model:
    """A model of diffusers called as network(x, t, **condition), with guidance in one call of twice the batch.

    Its output is the first of a tuple or the ``sample`` of an output object, without the half of the channels that
    holds a learned variance, and in the precision of x.
    """

    model: Callable[..., Any]
    name_of_time: str | None
    unconditional: Mapping[str, Any] | None
    scale: float | None

    def __call__(self, x: Array, t: Array, **condition: Any) -> Array:
        if self.unconditional is None or self.scale is None:
            return self._called(x, t, condition)
        xp = array_namespace(x)
        both = _joined(self.unconditional, condition, x.shape[0], xp)
        output = self._called(xp.concat([x, x]), xp.concat([t, t]), both)
        without, with_condition = output[: x.shape[0]], output[x.shape[0] :]
        return without + self.scale * (with_condition - without)

    def _called(self, x: Array, t: Array, condition: Mapping[str, Any]) -> Array:
        dtype = getattr(self.model, "dtype", x.dtype)
        same = dtype == x.dtype or not hasattr(x, "to")
        given = x if same else x.to(dtype)
        if self.name_of_time is None:
            output = self.model(given, t, **condition)
        else:
            output = self.model(given, **{self.name_of_time: t}, **condition)
        found = _array_of(output)
        if found.ndim == x.ndim > 1 and tuple(found.shape) == (x.shape[0], 2 * x.shape[1], *x.shape[2:]):
            found = found[:, : x.shape[1]]
        return found if same else found.to(x.dtype)


def _array_of(output: Any) -> Any:
    """Return the array in what a model of diffusers returns."""
    if isinstance(output, tuple) and output:
        return output[0]
    found = getattr(output, "sample", output)
    if is_array(found):
        return found
    raise TypeError(
        f"expected the model to return an array, a tuple or an object with sample; received {seen(output)}; wrap it so "
        "that it does"
    )


def _joined(without: Mapping[str, Any], condition: Mapping[str, Any], batch: int, xp: Any) -> dict[str, Any]:
    """Return the conditions for a batch of both: arrays one after the other, each repeated if it is for one sample."""
    if without.keys() != condition.keys():
        raise ValueError(
            f"expected the same keys in the condition and in unconditional; received {sorted(condition)} and "
            f"{sorted(without)}; give each a value in both"
        )
    return {key: _both(key, value, condition[key], batch, xp) for key, value in without.items()}


def _both(key: str, without: Any, value: Any, batch: int, xp: Any) -> Any:
    if isinstance(value, Mapping) and isinstance(without, Mapping):
        return _joined(without, value, batch, xp)
    if is_array(value) and is_array(without) and getattr(value, "ndim", 0) > 0:
        return xp.concat([_repeated(without, batch, xp), _repeated(value, batch, xp)])
    if is_array(value) or is_array(without) or value != without:
        raise ValueError(
            f"expected {key!r} in the condition and in unconditional to be arrays with a batch axis, or the same; "
            f"received {seen(value)} and {seen(without)}; guide by two calls: diffusion.guidance.classifier_free"
        )
    return value


def _repeated(value: Any, batch: int, xp: Any) -> Any:
    return xp.broadcast_to(value, (batch, *value.shape[1:])) if value.shape[0] == 1 else value
