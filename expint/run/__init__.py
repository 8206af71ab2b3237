"""The loops: the only ones over steps in the library."""

from expint.run.fixed import Accepted, accepted_states
from expint.run.record import run_plan

__all__ = ["Accepted", "accepted_states", "run_plan"]
