"""Guests: loops that take a plan and run it by other means than ``over_plan``, with the same result."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from expint.run.compiled.adjoint import Marks, Tape, marked_states
from expint.run.compiled.by_waves import by_waves
from expint.run.compiled.frozen import Freezing, can_freeze
from expint.run.compiled.inside_out import Pushed, pushed
from expint.run.compiled.picard import Asked, Told, agreement, picard, requests
from expint.run.compiled.tensors import can_scatter, scatter, scattered_states

__all__ = [
    "Asked",
    "Freezing",
    "Marks",
    "Pushed",
    "Tape",
    "Told",
    "agreement",
    "by_waves",
    "can_freeze",
    "can_scatter",
    "differentiable",
    "held",
    "marked_states",
    "picard",
    "pushed",
    "requests",
    "scatter",
    "scattered_states",
    "unrecorded",
]

_OF_TORCH = ("differentiable", "held", "unrecorded")
"""What is imported when it is asked for, with torch."""


def __getattr__(name: str) -> Any:
    if name not in _OF_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.adjoint_torch"), name)
