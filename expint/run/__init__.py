"""The loops: the only ones over steps in the library."""

from expint.run.adaptive import ErrorNorm, StepControl
from expint.run.control import Controller
from expint.run.fixed import Accepted, accepted_states
from expint.run.record import run_adaptive, run_plan

__all__ = ["Accepted", "Controller", "ErrorNorm", "StepControl", "accepted_states", "run_adaptive", "run_plan"]
