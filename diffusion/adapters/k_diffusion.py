"""Our samplers as functions of k-diffusion and ComfyUI: ``sample_<name>(model, x, sigmas, …)``.

.. code-block:: python

    from diffusion.adapters import k_diffusion

    x = k_diffusion.sample_unipc3(model, x, sigmas, extra_args={"cond": c})

``model(x, sigma, **extra_args)`` returns the data x₀ that it predicts at x = x₀ + σ ε, sigma being of shape (batch,).
Models of flow matching are those of x = (1 − σ) x₀ + σ ε. There is a function for every sampler by its name, "-"
written "_" and "@" written "_at_", and for every name that k-diffusion itself has; `sampler_function` makes one of any
sampler, and `sigmas` the list of noise levels of any grid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from importlib.util import find_spec
from typing import Any

import numpy as np

from diffusion.adapters.host_schedules import schedule_of, sigmas
from diffusion.adapters.k_diffusion_adaptive import sample_dpm_adaptive
from diffusion.adapters.k_diffusion_names import ANSWERS, ITS_NAMES
from diffusion.adapters.k_diffusion_noise import Options, noise_of
from diffusion.adapters.k_diffusion_runs import laid_out_on, watched_model
from diffusion.samplers.catalogue import AnySampler, sampler_names
from diffusion.samplers.catalogue import sampler as find_sampler
from diffusion.samplers.ends import End
from diffusion.tuning.values import without_gradients
from expint.arguments import flag, function, instance, integer, number
from expint.arrays import real_values
from expint.backend import Array, asarray_like

__all__ = [
    "SamplerFunction",
    "is_flow",
    "sample_dpm_adaptive",
    "sample_dpm_fast",
    "sampler_function",
    "schedule_of",
    "sigmas",
]  # and sample_* of __dir__

_PREFIX = "sample_"


def sampler_function(sampler: str | AnySampler, *, flow: bool | None = None) -> SamplerFunction:
    """Return the function (model, x, sigmas, extra_args, callback, disable) ↦ x that runs a sampler.

    Parameters
    ----------
    sampler
        A name, a ``Sampler``, or a ``FittedSampler`` such as ``diffusion.load_sampler`` returns.
    flow
        Whether models are those of flow matching; None asks each model, see `is_flow`.

    Raises
    ------
    ValueError
        If no sampler has this name.
    TypeError
        If ``flow`` is no truth value.
    """
    return SamplerFunction(find_sampler(sampler), None if flow is None else flag("flow", flow))


@dataclass(frozen=True, eq=False)
class SamplerFunction:
    """A sampler as a function of k-diffusion; `sampler_function` makes it.

    Attributes
    ----------
    sampler
        The sampler.
    flow
        Whether models are those of flow matching; None asks each model.
    """

    sampler: AnySampler
    flow: bool | None = None

    @property
    def __name__(self) -> str:
        """The name of the function."""
        return _PREFIX + _spelt(self.sampler.name)

    def __repr__(self) -> str:
        return f"<{self.__name__}(model, x, sigmas, extra_args=None, callback=None, disable=None)>"

    def __call__(
        self,
        model: Callable[..., Array],
        x: Array,
        sigmas: Any,
        extra_args: Mapping[str, Any] | None = None,
        callback: Callable[[dict[str, Any]], Any] | None = None,
        disable: bool | None = None,
        *,
        flow: bool | None = None,
        **options: Any,
    ) -> Array:
        r"""Return the state at the last of the noise levels, from the state ``x`` at the first.

        The equation is :math:`dx/dσ = (x - x_0(x, σ))/σ`, for flow matching too.

        Parameters
        ----------
        model
            Called as model(x, sigma, \*\*extra_args) with sigma of shape (batch,), in single precision at least. It
            returns the data that it predicts, like x.
        x
            The state at ``sigmas[0]``, (batch, …): noise times that, and the data of image-to-image if there are.
        sigmas
            Noise levels that decrease to a positive one or 0; of flow matching from 1 at most. A repeated level is a
            step of length 0 and left out. Levels that increase from a positive one run from data to noise.
        extra_args
            Further arguments of the model.
        callback
            Called at each step, once its first call of the model is made, with a dictionary: ``i`` its number, ``x``
            the point at which the model was called, ``sigma`` and ``sigma_hat`` its level, as in ``sigmas``, and
            ``denoised`` what was predicted. What it returns is not looked at. What it raises, as to interrupt a run,
            is passed on, with the states reached so far in its attribute ``solution``.
        disable
            True for no progress bar; None for one where tqdm is installed.
        flow
            Whether the model is one of flow matching, whatever was said before.
        **options
            Those of k-diffusion: ``eta``, ``s_noise`` and ``noise_sampler`` of samplers that draw noise; ``s_churn``,
            ``s_tmin``, ``s_tmax`` and ``s_noise`` of those whose steps remember nothing; ``order`` of LMS,
            ``solver_type`` of "dpmpp-2m-sde".

        Raises
        ------
        TypeError, ValueError
            For arguments that make no sense, before any call of the model; for levels that are not those of a fitted
            sampler, and for options that mean nothing for this sampler, too.
        diffusion.SamplingError
            If the state becomes non-finite.

        Notes
        -----
        Without ``noise_sampler`` noise is made by counting (``diffusion.noise.Seeded``) from the seed of ComfyUI in
        ``extra_args["seed"]``, or else from seeds that torch's generator draws, so that ``torch.manual_seed`` fixes it.
        No gradients are recorded, as in k-diffusion. A sampler whose history lies in t has it in σ here. Runs of flow
        matching from σ = 1 begin at 0.9999 with samplers that need the data at the start.
        """
        function("model", model, "(x, sigma, **extra_args)")
        extra = {} if extra_args is None else dict(instance("extra_args", extra_args, Mapping, "a mapping"))
        if callback is not None:
            function("callback", callback, "(dictionary)")
        said = _options(options)
        sampler = said.applied(self.sampler)
        wanted = self.flow if flow is None else flag("flow", flow)
        wanted = is_flow(model) if wanted is None else wanted
        levels = real_values("sigmas", sigmas, ndim=1)
        kept = np.flatnonzero(np.append(True, np.diff(levels) != 0.0)) if levels.size else np.empty(0, int)
        if kept.size < 2:  # no step
            return x
        run, own = laid_out_on(sampler, levels[kept], flow=wanted), [sigmas[i] for i in kept.tolist()]
        rng = noise_of(run.plan, sampler, said, own, extra, x)
        watched = model if callback is None else watched_model(model, callback, run.plan, own)
        shown = find_spec("tqdm") is not None if disable is None else not flag("disable", disable)
        with without_gradients():
            return run.make(watched, x, extra, shown, rng)


def is_flow(model: Any) -> bool:
    """Whether the data are those of flow matching: ComfyUI says so in a ``model_sampling`` of its class CONST.

    It is looked for in the model, and in its ``inner_model``, and in that of this one.
    """
    for _ in range(4):
        sampling = getattr(model, "model_sampling", None)
        if sampling is not None:
            return "CONST" in {base.__name__ for base in type(sampling).__mro__}
        model = getattr(model, "inner_model", None)
    return False


def __getattr__(name: str) -> SamplerFunction:
    """Return the function of a sampler by its name.

    Raises
    ------
    AttributeError
        If there is none; for what else k-diffusion has it says what to take.
    """
    if name in ANSWERS:
        raise AttributeError(f"expected a sampler that is here, received {name!r}; {ANSWERS[name]}")
    if not name.startswith(_PREFIX):
        raise AttributeError(
            f"expected a name of {__name__} such as 'sample_unipc3', received {name!r}; dir() lists them"
        )
    asked = name.removeprefix(_PREFIX)
    known = {_spelt(own): own for own in [*sampler_names(), *sampler_names(stochastic=True)]} | ITS_NAMES
    try:
        return sampler_function(known.get(asked, asked.replace("_at_", "@").replace("_", "-")))
    except ValueError as unknown:
        raise AttributeError(f"expected {_PREFIX} and the name of a sampler, received {name!r}: {unknown}") from None


def sample_dpm_fast(
    model: Callable[..., Array],
    x: Array,
    sigma_min: float,
    sigma_max: float,
    n: int,
    extra_args: Mapping[str, Any] | None = None,
    callback: Callable[[dict[str, Any]], Any] | None = None,
    disable: bool | None = None,
    *,
    flow: bool | None = None,
    **options: Any,
) -> Array:
    """Return the state at ``sigma_min`` from that at ``sigma_max``, with ``n`` calls: k-diffusion's DPM-Solver-fast.

    Its steps are even in log σ, each of three calls, with fewer in the last ones; see `SamplerFunction` for the rest.

    Raises
    ------
    TypeError, ValueError
        If the levels are not 0 < sigma_min < sigma_max, or as functions of other samplers do; for an ``eta`` above 0.

    Notes
    -----
    Lu et al., *DPM-Solver: A fast ODE solver for diffusion probabilistic model sampling*, 2022.
    """
    calls, high = integer("n", n), number("sigma_max", sigma_max, above=0.0)
    low = number("sigma_min", sigma_min, above=0.0, most=high)
    steps, methods = calls // 3 + 1, {3: "dpm3", 2: "dpm2", 1: "dpm1"}
    orders = (2, 1) if calls % 3 == 0 else (calls % 3,)
    last = tuple(getattr(find_sampler(methods[order]), "method") for order in orders)  # noqa: B009  # mypy knows no method there
    rule: Any = find_sampler("dpm3")
    sampler = replace(rule, name="dpm-fast", end=End(methods=last))
    levels = np.exp(np.linspace(np.log(high), np.log(low), steps + 1))
    levels[[0, -1]] = high, low
    given = asarray_like(levels, x)
    return SamplerFunction(sampler)(model, x, given, extra_args, callback, disable, flow=flow, **options)


def __dir__() -> list[str]:
    names = [*map(_spelt, [*sampler_names(), *sampler_names(stochastic=True)]), *ITS_NAMES]
    return sorted({*globals(), *(_PREFIX + name for name in names)})


def _spelt(name: str) -> str:
    """Return the name of a sampler as one of Python."""
    return name.replace("@", "_at_").replace("-", "_")


def _options(given: Mapping[str, Any]) -> Options:
    known = [field.name for field in fields(Options)]
    unknown = [name for name in given if name not in known]
    if unknown:
        raise TypeError(
            f"expected options of k-diffusion, {', '.join(known)}, received {', '.join(unknown)}; correct or drop it"
        )
    return Options(**given)
