"""Guests: loops that take a plan and run it by other means than ``over_plan``, with the same result."""

from expint.run.compiled.adjoint import Marks, Tape, marked_states, unrecorded
from expint.run.compiled.frozen import Freezing, can_freeze
from expint.run.compiled.inside_out import Pushed, pushed
from expint.run.compiled.tensors import can_scatter, scatter, scattered_states

__all__ = [
    "Freezing",
    "Marks",
    "Pushed",
    "Tape",
    "can_freeze",
    "can_scatter",
    "marked_states",
    "pushed",
    "scatter",
    "scattered_states",
    "unrecorded",
]
