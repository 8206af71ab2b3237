"""The schedules and models of DPM-Solver's code: ``NoiseScheduleVP`` and ``model_wrapper``; see ``dpm_solver``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffusion import guidance
from diffusion.adapted import Adapted
from diffusion.denoiser import Denoiser
from diffusion.optional import require
from diffusion.process.prediction import Kind
from diffusion.process.schedule import NoiseSchedule
from diffusion.process.vp import VP
from expint.arguments import choice, function, instance, number
from expint.arrays import real_values
from expint.backend import Array

__all__ = ["ModelFunction", "NoiseScheduleVP", "model_wrapper"]

_KINDS: dict[str, Kind] = {"noise": "noise", "x_start": "data", "v": "velocity", "score": "score"}
_LEAST_LAMBDA = -5.1  # below which tables are cut off


class NoiseScheduleVP:
    """The noise schedule of DPM-Solver's code: a table, log α linear between t_i = (i + 1)/N, or β linear in t.

    Parameters
    ----------
    schedule
        "discrete" or "linear".
    betas, alphas_cumprod
        The table of "discrete": one of them. Times with λ < −5.1 are cut off, as there.
    continuous_beta_0, continuous_beta_1
        β(0) and β(1) of "linear".

    Attributes
    ----------
    process
        The same as ``diffusion.sample`` takes it.
    T, total_N
        The last time, and the number of times of the table.

    Raises
    ------
    ValueError
        If the name is another, or a table is missing, or given twice, or is none.
    """

    def __init__(
        self,
        schedule: str = "discrete",
        betas: Any = None,
        alphas_cumprod: Any = None,
        continuous_beta_0: float = 0.1,
        continuous_beta_1: float = 20.0,
    ) -> None:
        self.schedule = choice("schedule", schedule, ("discrete", "linear"))
        self.T, self.total_N = 1.0, 1000
        if schedule == "linear":
            if betas is not None or alphas_cumprod is not None:
                raise ValueError("expected no table with schedule='linear', received one; take schedule='discrete'")
            self.process: NoiseSchedule = VP.linear(continuous_beta_0, continuous_beta_1)
            return
        if (betas is None) == (alphas_cumprod is None):
            raise ValueError(
                f"expected either betas or alphas_cumprod, received {'neither' if betas is None else 'both'}"
            )
        if betas is None:
            table = np.log(real_values("alphas_cumprod", alphas_cumprod, ndim=1))
        else:
            table = np.cumsum(np.log1p(-real_values("betas", betas, ndim=1)))
        kept = table - np.log(-np.expm1(table)) >= 2.0 * _LEAST_LAMBDA
        self.total_N = int(np.count_nonzero(kept))
        self.process = VP.from_alphas_cumprod(np.exp(table[kept]).tolist())

    def marginal_log_mean_coeff(self, t: Array) -> Array:
        """Return log α(t)."""
        xp: Any = np if isinstance(t, float | np.ndarray) else require("torch", "torch>=2.4,<3")
        return xp.log(self.process.alpha(t))

    def marginal_alpha(self, t: Array) -> Array:
        """Return α(t)."""
        return self.process.alpha(t)

    def marginal_std(self, t: Array) -> Array:
        """Return σ(t)."""
        return self.process.sigma(t)

    def marginal_lambda(self, t: Array) -> Array:
        """Return λ(t) = log(α/σ)."""
        return self.process.half_log_snr(t)

    def inverse_lambda(self, lamb: Array) -> Array:
        """Return the time at which λ is ``lamb``."""
        return self.process.time(lamb)


@dataclass(frozen=True, eq=False)
class ModelFunction:
    """What `model_wrapper` returns: the noise as a function of (x, t), and the `Denoiser` that it is made of."""

    denoiser: Denoiser

    def __call__(self, x: Array, t_continuous: Array) -> Array:
        """Return the noise at ``x`` and one time for all of the batch."""
        return self.denoiser.predict(x, float(t_continuous.reshape(-1)[0]), "noise")


def model_wrapper(
    model: Callable[..., Array],
    noise_schedule: NoiseScheduleVP,
    model_type: str = "noise",
    model_kwargs: Mapping[str, Any] | None = None,
    guidance_type: str = "uncond",
    condition: Any = None,
    unconditional_condition: Any = None,
    guidance_scale: float = 1.0,
    classifier_fn: Callable[..., Array] | None = None,
    classifier_kwargs: Mapping[str, Any] | None = None,
) -> ModelFunction:
    r"""Return a model of any of DPM-Solver's conventions as the noise that it predicts at (x, t).

    Parameters
    ----------
    model
        Called as model(x, t_input, \*\*model_kwargs), or model(x, t_input, cond, \*\*model_kwargs) with a condition.
        t_input is t, of a table 1000 (t − 1/N), whatever N is: the index where N = 1000.
    noise_schedule
        The schedule.
    model_type
        What it predicts: "noise", "x_start", "v" or "score".
    guidance_type
        "uncond", "classifier" or "classifier-free", whose two predictions are made by one call of twice the batch.
    condition, unconditional_condition, guidance_scale
        Of the guidance.
    classifier_fn, classifier_kwargs
        log p(c | x) as classifier_fn(x, t_input, condition, \*\*classifier_kwargs), differentiable by torch.

    Raises
    ------
    TypeError, ValueError
        If a name is unknown, or something is no function.
    """
    function("model", model, "(x, t_input, …)")
    instance("noise_schedule", noise_schedule, NoiseScheduleVP, "a NoiseScheduleVP of this module")
    predicts = _KINDS[choice("model_type", model_type, _KINDS)]
    choice("guidance_type", guidance_type, ("uncond", "classifier", "classifier-free"))
    scale, process = number("guidance_scale", guidance_scale), noise_schedule.process
    count = noise_schedule.total_N if noise_schedule.schedule == "discrete" else None
    both = guidance_type == "classifier-free" and scale != 1.0 and unconditional_condition is not None
    conditions = (condition if guidance_type == "classifier-free" else None, unconditional_condition if both else None)
    network: Any = _Model(model, _mapping("model_kwargs", model_kwargs), *conditions, scale)
    denoiser = Denoiser(network if count is None else _Label(network, count), predicts, process)
    if guidance_type == "classifier":
        function("classifier_fn", classifier_fn, "(x, t_input, condition)", "pass log p(c | x)")
        gradient = _Gradient(classifier_fn, condition, _mapping("classifier_kwargs", classifier_kwargs), count)
        denoiser = guidance.classifier_guided(denoiser, gradient, scale)
    return ModelFunction(denoiser)


def _mapping(name: str, value: Any) -> dict[str, Any]:
    return {} if value is None else dict(instance(name, value, Mapping, "a mapping"))


@dataclass(frozen=True, eq=False)
class _Label(Adapted):
    """A network that is told 1000 (t − 1/N)."""

    count: int

    def time(self, t: Array) -> Array:
        """Return the label."""
        return (t - 1.0 / self.count) * 1000.0


@dataclass(frozen=True, eq=False)
class _Model:
    """The model with its condition, and guided by the unconditional one if there is one."""

    model: Callable[..., Array]
    kwargs: Mapping[str, Any]
    condition: Any
    unconditional: Any
    scale: float

    def __call__(self, x: Array, t: Array) -> Array:
        """Return its output."""
        if self.condition is None:
            return self.model(x, t, **self.kwargs)
        if self.unconditional is None:
            return self.model(x, t, self.condition, **self.kwargs)
        torch = require("torch", "torch>=2.4,<3")
        pairs = (torch.cat(pair) for pair in ((x, x), (t, t), (self.unconditional, self.condition)))
        without, output = self.model(*pairs, **self.kwargs).chunk(2)
        guided: Array = without + self.scale * (output - without)
        return guided


@dataclass(frozen=True, eq=False)
class _Gradient:
    """∇ₓ log p(c | x) of a classifier."""

    classifier: Any
    condition: Any
    kwargs: Mapping[str, Any]
    count: int | None

    def __call__(self, x: Array, t: float) -> Array:
        """Return the gradient."""
        torch = require("torch", "torch>=2.4,<3")
        label = t if self.count is None else (t - 1.0 / self.count) * 1000.0
        told = torch.full((x.shape[0],), label, dtype=x.dtype, device=x.device)
        with torch.enable_grad():
            at = x.detach().requires_grad_()
            log_probability = self.classifier(at, told, self.condition, **self.kwargs)
            (found,) = torch.autograd.grad(log_probability.sum(), at)
        return found
