"""The loops: the only ones over steps in the library."""

from expint.run.control import Controller
from expint.run.fixed import Accepted, accepted_states
from expint.run.record import run_adaptive, run_plan
from expint.run.tolerance import ErrorNorm, StepControl

__all__ = ["Accepted", "Controller", "ErrorNorm", "StepControl", "accepted_states", "run_adaptive", "run_plan"]
