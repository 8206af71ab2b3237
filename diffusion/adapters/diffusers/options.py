"""What the options of a configuration may be: one table, looked at where a configuration comes in."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch

from expint.arguments import choice, flag, integer, number, numbers, seen, text
from expint.arrays import real_values
from expint.backend import is_array

__all__ = ["device_of", "list_of_numbers", "plain_options"]

_MANY = 1_000_000
_POSITIVE, _COUNT = partial(number, above=0.0), partial(integer, least=1, most=_MANY)


def list_of_numbers(name: str, value: Any) -> list[float]:
    """Return finite numbers as a list, of an array of any library or of any sequence.

    Raises
    ------
    TypeError, ValueError
        If they are none.
    """
    return numbers(name, real_values(name, value, ndim=1).tolist() if is_array(value) else value)


def device_of(device: Any) -> Any:
    """Return a device of torch; None is where tensors are by default.

    Raises
    ------
    ValueError
        If there is no such device.
    """
    try:
        return None if device is None else torch.device(device)
    except (RuntimeError, TypeError, ValueError):
        raise ValueError(
            f"expected device to be one that torch has, such as 'cuda:0'; received {seen(device)}; pass pipe.device"
        ) from None


def _ratio(name: str, value: Any) -> float:
    return number(name, value, above=0.0, most=1.0)


def _part(name: str, value: Any) -> float:
    return number(name, value, least=0.0, below=1.0)


def _level(name: str, value: Any) -> float:
    return number(name, value, least=0.0)


def _clip(name: str, value: Any) -> float:
    """Return the least λ: −∞ for no bound, which is the default of some schedulers."""
    return -math.inf if isinstance(value, float) and value == -math.inf else number(name, value)


def _lower(name: str, value: Any) -> bool | str:
    return choice(name, value, ("auto",)) if isinstance(value, str) else flag(name, value)


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    **dict.fromkeys(
        (
            *("rescale_betas_zero_snr", "set_alpha_to_one", "use_karras_sigmas", "use_exponential_sigmas"),
            *("use_beta_sigmas", "use_lu_lambdas", "use_flow_sigmas", "use_dynamic_shifting", "invert_sigmas"),
            *("thresholding", "clip_sample"),
        ),
        flag,
    ),
    **dict.fromkeys(("num_train_timesteps", "base_image_seq_len", "max_image_seq_len"), _COUNT),
    **dict.fromkeys(("steps_offset",), partial(integer, least=0, most=_MANY)),
    **dict.fromkeys(("spare_timesteps",), partial(integer, least=0, most=1)),
    **dict.fromkeys(("beta_start", "beta_end"), partial(number, above=0.0, below=1.0)),
    **dict.fromkeys(
        ("snr_shift_scale", "flow_shift", "shift", "sigma_data", "rho", "sample_max_value", "clip_sample_range"),
        _POSITIVE,
    ),
    **dict.fromkeys(("base_shift", "max_shift"), number),
    **dict.fromkeys(("sigma_min", "sigma_max"), _level),
    "dynamic_thresholding_ratio": _ratio,
    "shift_terminal": _part,
    "lambda_min_clipped": _clip,
    "lower_order_final": _lower,
    "trained_betas": list_of_numbers,
    **dict.fromkeys(("beta_schedule", "prediction_type", "final_sigmas_type", "process", "interpolation"), text),
    "timestep_spacing": partial(choice, options=("linspace", "leading", "trailing")),
    "timestep_type": partial(choice, options=("discrete", "continuous")),
    "time_shift_type": partial(choice, options=("exponential", "linear")),
    "flow_levels": partial(choice, options=("from-below",)),
}
"""By name what makes an option plain, or says what is wrong; of texts without a list another door knows the choices."""

_NEEDED = (
    *("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "steps_offset", "dynamic_thresholding_ratio"),
    *("sample_max_value", "clip_sample_range", "interpolation"),
)
"""Ours that have a value always; foreign configurations may say None for any."""


def plain_options(config: Mapping[str, Any], *, whole: bool = False) -> dict[str, Any]:
    """Return the options of ``config`` that are known here and not None, made plain.

    Parameters
    ----------
    config
        A configuration.
    whole
        Whether it is one of ours, in which some are never None.

    Raises
    ------
    TypeError, ValueError
        If one is not what it is to be.
    """
    needed = _NEEDED if whole else ()
    return {
        name: check(name, config[name])
        for name, check in _CHECKS.items()
        if name in config and (config[name] is not None or name in needed)
    }
