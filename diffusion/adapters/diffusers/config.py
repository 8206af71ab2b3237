"""From the configuration of a scheduler of diffusers to one of ours: what is kept, and what is said of the rest."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from diffusion.adapters.diffusers.process import kind_of_process

__all__ = ["defaults", "translated"]

_PROCESS = (
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "rescale_betas_zero_snr",
    "snr_shift_scale",
    "prediction_type",
    "timestep_type",
    "lambda_min_clipped",
    "use_flow_sigmas",
    "flow_shift",
    "shift",
    "use_dynamic_shifting",
    "time_shift_type",
    "base_shift",
    "max_shift",
    "base_image_seq_len",
    "max_image_seq_len",
    "shift_terminal",
    "invert_sigmas",
    "sigma_min",
    "sigma_max",
    "sigma_data",
    "rho",
    "dynamic_thresholding_ratio",
    "sample_max_value",
    "clip_sample_range",
    "set_alpha_to_one",
)
"""Kept whatever they are: the defaults of two schedulers differ."""

_ASKED = (
    "timestep_spacing",
    "steps_offset",
    "use_karras_sigmas",
    "use_exponential_sigmas",
    "use_beta_sigmas",
    "use_lu_lambdas",
    "final_sigmas_type",
    "lower_order_final",
    "thresholding",
    "clip_sample",
)
"""Kept where they are no defaults of their scheduler: someone asked for it."""

_STEP = "how a step is made is said by sampler="
_REASONS = {
    **dict.fromkeys(
        (
            "algorithm_type",
            "solver_type",
            "solver_order",
            "predictor_order",
            "corrector_order",
            "predict_x0",
            "disable_corrector",
            "solver_p",
            "euler_at_final",
        ),
        _STEP,
    ),
    **dict.fromkeys(
        ("stochastic_sampling", "tau_func", "noise_sampler_seed", "eta"),
        "how much noise is drawn is said by sampler=, such as 'dpmpp-2m-sde' or 'ddim-eta0.5'",
    ),
    "interpolation_type": "noise levels between two timesteps are said by interpolation=",
    "skip_prk_steps": "",
    "variance_type": "",  # of outputs with twice the channels the first half is taken
    "sigma_schedule": "",
}
_MULTISTEP = ("DPMSolver", "UniPC", "DEIS", "SASolver")


def translated(
    config: Mapping[str, Any], changes: Mapping[str, Any], origin: type | None, known: Iterable[str]
) -> tuple[dict[str, Any], list[str]]:
    """Return the arguments of our scheduler for a ``config``, and what to say of what it does not follow.

    Parameters
    ----------
    config
        That of a scheduler.
    changes
        What the caller says instead.
    origin
        The class of the scheduler, whose defaults nobody asked for; None where it is unknown.
    known
        The names of our arguments.

    Raises
    ------
    TypeError
        If a change is none that our scheduler or any scheduler of diffusers knows.
    """
    known = set(known)
    unknown = [key for key in changes if key not in known and key not in _REASONS]
    if unknown:
        raise TypeError(
            f"expected options of the scheduler: {', '.join(sorted(known))}; received {', '.join(unknown)}; correct it"
        )
    usual, untouched = defaults(origin), set(config.get("_use_default_values") or ())
    asked = {
        key: value
        for key, value in config.items()
        if not (key.startswith("_") or key in untouched or (key in usual and _same(usual[key], value)))
    }
    if {"sampler", "grid", "spare_timesteps"} <= config.keys():  # one of ours
        arguments, asked = {key: value for key, value in config.items() if key in known}, {}
    else:
        arguments = {key: config[key] for key in _PROCESS if config.get(key) is not None}
        arguments |= {key: value for key, value in asked.items() if key in known and value is not None}
        arguments |= _of_origin(config, asked)
    arguments |= {key: value for key, value in changes.items() if key in known}
    said = [
        f"{key}={value!r} ({_REASONS[key]})"
        for key, value in {**asked, **changes}.items()
        if _REASONS.get(key) and key not in known and value not in (None, False, "linear")
    ]
    foreign = sorted(key for key in asked if key not in known and key not in _REASONS and key not in usual)
    return arguments, said + [f"{key} (no scheduler of diffusers has it)" for key in foreign if origin is not None]


def _of_origin(config: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is implied by the class of a scheduler, and by keys that have another name here."""
    name = str(config.get("_class_name") or "")
    implied: dict[str, Any] = {"process": kind_of_process(config)}
    if name and not name.startswith(_MULTISTEP):
        implied["spare_timesteps"] = 0
    if config.get("use_flow_sigmas") and name.startswith(("DPMSolver", "DEIS", "SASolver")):
        implied["flow_levels"] = "from-below"
    if asked.get("sigma_schedule") == "exponential":
        implied["use_exponential_sigmas"] = True
    return implied


def defaults(origin: type | None) -> dict[str, Any]:
    """Return the arguments of a class that have a default, and their defaults."""
    if origin is None:
        return {}
    parameters = inspect.signature(origin.__init__).parameters.values()  # type: ignore[misc]  # read, not called
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}


def _same(usual: Any, value: Any) -> bool:
    return type(usual) is type(value) and bool(usual == value)
