"""What a file says of a fitted sampler, and what a sampler is made of that was read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from diffusion.samplers.bands import Bands
from diffusion.samplers.fitted.fingerprint import Fingerprint
from diffusion.samplers.fitted.number_file import refused
from diffusion.samplers.fitted.report import Report
from expint.arguments import seen

__all__ = ["arrays_of", "facts_of", "parts_of"]

_OF_SAMPLER = ("nodes", "c", "D", "times")
_OF_SCHEDULE = ("alpha", "sigma", "told")
_WORDS = ("words", "noise_scale", "ends_clean", "sigma_data")


def arrays_of(sampler: Any) -> dict[str, np.ndarray]:
    """Return the arrays of a fitted sampler and of the fingerprint of its schedule, by name."""
    arrays = {
        **{name: getattr(sampler, name) for name in _OF_SAMPLER},
        **{f"schedule.{name}": getattr(sampler.schedule, name) for name in _OF_SCHEDULE},
        "accepted": sampler.accepted.astype(np.uint8),
    }
    if sampler.A is not None:
        arrays["A"] = sampler.A
    if sampler.bands is not None:
        arrays["bands.numbers"] = sampler.bands.numbers
    return arrays


def facts_of(sampler: Any) -> dict[str, Any]:
    """Return everything else.

    Raises
    ------
    ValueError
        If the kind of prediction is a formula.
    """
    bands, report = sampler.bands, sampler.report
    if not (sampler.predicts is None or isinstance(sampler.predicts, str)):
        raise ValueError(
            f"{sampler.name}: expected a kind of prediction that has a name, received a formula; make the sampler "
            "without predicts"
        )
    return {
        "name": sampler.name,
        "gauge": sampler.gauge.predicts,
        "predicts": sampler.predicts,
        "shape": sampler.shape,
        "bands": None if bands is None else {"shape": bands.shape, "axes": bands.axes},
        "schedule": {name: getattr(sampler.schedule, name) for name in _WORDS},
        "report": None if report is None else asdict(report),
        "reference": sampler.reference,
    }


def parts_of(
    place: str | os.PathLike[str], facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Return the arguments of a fitted sampler.

    Raises
    ------
    ValueError
        If something is missing, or is no part of one.
    """
    try:
        return _parts(facts, arrays)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise refused(
            place, "the parts of a sampler", f"others: {type(error).__name__} {error}", "save it again"
        ) from None


def _parts(facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    nodes, times, of, report = arrays["nodes"], arrays["times"], facts["bands"], facts["report"]
    alpha, sigma, told = (arrays[f"schedule.{name}"] for name in _OF_SCHEDULE)
    t = np.concatenate([nodes, times])
    of_schedule = (("α", alpha, t.size), ("σ", sigma, t.size), ("what networks are told", told, times.size))
    for name, array, size in of_schedule:
        if array.shape != (size,) or not np.all(np.isfinite(array)):
            raise ValueError(f"expected {name} of the schedule as {size} finite numbers, received {seen(array)}")
    schedule = Fingerprint(t=t, times=times, alpha=alpha, sigma=sigma, told=told, **facts["schedule"])
    return {
        **{name: arrays[name] for name in _OF_SAMPLER},
        **{name: facts[name] for name in ("name", "gauge", "predicts", "reference")},
        "schedule": schedule,
        "A": arrays.get("A"),
        "accepted": arrays["accepted"].astype(bool),
        "bands": None if of is None else Bands(tuple(of["shape"]), arrays["bands.numbers"], of["axes"]),
        "shape": None if facts["shape"] is None else tuple(facts["shape"]),
        "report": None if report is None else Report(**{**report, "starts": tuple(report["starts"])}),
    }
