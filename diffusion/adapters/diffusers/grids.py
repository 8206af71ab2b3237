"""Where the steps of a run lie that a pipeline of diffusers asks for: by number, by timesteps or by noise levels.

A grid is what the sampler lays out itself, unless the configuration asks for a spacing of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from diffusion.adapters.diffusers.options import list_of_numbers
from diffusion.adapters.diffusers.process import Process
from diffusion.grids import timesteps as spaced_timesteps
from expint.arguments import integer, number

__all__ = ["asked_for", "flow_levels", "grid_of_config", "is_even", "shift_of", "spacing_of"]

_FLAGS = {
    "use_karras_sigmas": "karras",
    "use_exponential_sigmas": "exponential",
    "use_beta_sigmas": "beta",
    "use_lu_lambdas": "exponential",
}


def spacing_of(config: Mapping[str, Any]) -> str | None:
    """Return the spacing that a configuration asks for: "karras", "exponential", "beta", "timesteps", "flow" or None.

    Raises
    ------
    ValueError
        If it asks for several.
    """
    asked = [key for key in _FLAGS if config.get(key)]
    if len(asked) > 1:
        raise ValueError(f"expected one of {', '.join(_FLAGS)} at most; received {', '.join(asked)}; keep one of them")
    if asked:
        return _FLAGS[asked[0]]
    return "timesteps" if config.get("timestep_spacing") else None


def shift_of(config: Mapping[str, Any], mu: float | None) -> float:
    """Return the shift m of times of flow matching, τ ↦ m τ / (1 + (m − 1) τ).

    Raises
    ------
    ValueError
        If it depends on the resolution, and μ is not given.
    """
    if not config.get("use_dynamic_shifting"):
        given = config.get("flow_shift") if config.get("use_flow_sigmas") else config.get("shift")
        return 1.0 if given is None else float(given)
    if mu is None:
        raise ValueError(
            "expected mu, by which use_dynamic_shifting shifts times; received none; give mu=, as pipelines do, or a "
            "config with use_dynamic_shifting=False and a shift"
        )
    linear = config.get("time_shift_type") == "linear"
    return number("mu", mu, above=0.0) if linear else math.exp(number("mu", mu, least=-50.0, most=50.0))


def asked_for(steps: Any, timesteps: Any, sigmas: Any) -> tuple[int, np.ndarray | None, np.ndarray | None]:
    """Return the number of steps, the timesteps and the noise levels that are asked for, one of the two at most.

    Raises
    ------
    TypeError, ValueError
        If nothing or both are given, if they are no numbers, or their number is another than ``steps``.
    """
    if timesteps is not None and sigmas is not None:
        raise ValueError("expected timesteps or sigmas; received both; each says what the other does: give one of them")
    listed = timesteps if sigmas is None else sigmas
    if listed is None:
        if steps is None:
            raise ValueError(
                "expected a number of steps, timesteps or sigmas; received none; call set_timesteps(steps)"
            )
        return integer("num_inference_steps", steps), None, None
    name = "timesteps" if sigmas is None else "sigmas"
    values = np.array(list_of_numbers(name, listed))
    if not values.size:
        raise ValueError(f"expected at least one of {name}; received none; give the number of steps instead")
    calls = values.size - (name == "sigmas" and values.size > 1 and values[-1] == 0.0)
    if steps is not None and integer("num_inference_steps", steps) not in (values.size, calls):
        raise ValueError(f"expected as many {name} as steps; received {calls} for {steps} steps; leave steps out")
    return int(calls), *((values, None) if sigmas is None else (None, values))


def grid_of_config(
    config: Mapping[str, Any], process: Process, spacing: str, steps: int, *, to_zero: bool
) -> np.ndarray:
    """Return the times of ``steps`` steps in the ``spacing`` of a configuration, the last 0 for a step to σ = 0."""
    schedule = process.schedule
    if spacing == "timesteps" and process.kind == "betas":
        spare = config.get("spare_timesteps")
        lone = steps == 1 and spare == 0  # one timestep of the others would be the cleanest: there is no step from it
        named: Any = "trailing" if lone else config.get("timestep_spacing") or "linspace"
        return spaced_timesteps(
            steps,
            named,
            schedule=schedule,
            offset=int(config.get("steps_offset") or 0),
            final="zero" if to_zero else "sigma_min",
            spare=1 if spare is None else int(spare),
            whole=named != "linspace" or bool(config.get("whole", True)),
        )
    low, high = (float(schedule.rho(t)) for t in (schedule.t_end, schedule.t_start))
    low, high = (float(config.get(key) or usual) for key, usual in (("sigma_min", low), ("sigma_max", high)))
    levels = _spread(spacing, high, low, steps if to_zero else steps + 1, float(config.get("rho") or 7.0))
    times = np.asarray(schedule.time(-np.log(levels)))
    return np.append(times, 0.0) if to_zero else times


def flow_levels(config: Mapping[str, Any], steps: int, sigmas: np.ndarray | None, shift: float) -> np.ndarray:
    """Return the noise levels of flow matching, without the last 0: those given, or even ones, shifted as it says."""
    count = int(config.get("num_train_timesteps") or 1000)
    level = _even(config, steps, count, shift) if sigmas is None else sigmas
    level = level[:-1] if level.size > 1 and level[-1] == 0.0 else level
    level = shift * level / (1.0 + (shift - 1.0) * level)
    terminal = config.get("shift_terminal")
    if terminal and level.size > 1 and level[-1] < 1.0:
        level = 1.0 - (1.0 - level) * (1.0 - terminal) / (1.0 - level[-1])
    spacing = spacing_of({**config, "timestep_spacing": None})
    if spacing is None:
        return level
    low, high = (float(config.get(key) or at) for key, at in (("sigma_min", level[-1]), ("sigma_max", level[0])))
    return _spread(spacing, high, low, level.size, 7.0)


def _even(config: Mapping[str, Any], steps: int, count: int, shift: float) -> np.ndarray:
    """Return even levels from 1 on, before the shift, as the schedulers with these keys have them."""
    if config.get("use_flow_sigmas"):
        if config.get("flow_levels") == "from-below":  # those of the DPM-Solvers
            return 1.0 - np.linspace(1.0, 1.0 / count, steps + 1)[:0:-1]
        return np.linspace(1.0, 1.0 / count, steps + 1)[:-1]
    least = 1.0 / count
    if not config.get("use_dynamic_shifting"):
        least = shift * least / (1.0 + (shift - 1.0) * least)  # the least of the levels of the training, shifted
    return np.linspace(1.0, least, steps)


def _spread(spacing: str, high: float, low: float, count: int, rho: float) -> np.ndarray:
    """Return ``count`` noise levels from ``high`` to ``low``."""
    if count == 1:
        return np.array([high])
    if spacing == "karras":
        return np.linspace(high ** (1.0 / rho), low ** (1.0 / rho), count) ** rho
    if spacing == "exponential":
        return np.exp(np.linspace(math.log(high), math.log(low), count))
    if spacing == "beta":
        from scipy.stats import beta

        return low + np.asarray(beta.ppf(1.0 - np.linspace(0.0, 1.0, count), 0.6, 0.6)) * (high - low)
    raise ValueError(f"expected the spacing 'karras', 'exponential', 'beta' or 'timesteps'; received {spacing!r}")


def is_even(sigmas: Sequence[float] | np.ndarray) -> bool:
    """Whether noise levels are 1, 1 − 1/n, …, 1/n: what pipelines pass whose users ask for a number of steps."""
    n = len(sigmas)
    return bool(np.allclose(np.asarray(sigmas, dtype=float), np.linspace(1.0, 1.0 / n, n), rtol=0, atol=1e-6))
