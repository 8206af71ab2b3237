"""Guests: loops that take a plan and run it by other means than ``over_plan``, with the same result."""

from expint.run.compiled.inside_out import Pushed, pushed
from expint.run.compiled.tensors import can_scatter, scatter, scattered_states

__all__ = ["Pushed", "can_scatter", "pushed", "scatter", "scattered_states"]
