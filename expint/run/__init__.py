"""The loops over steps, what they are made of, and what becomes of their states."""

from expint.run.batch.norm import EachNorm
from expint.run.batch.trees import sum_of_each
from expint.run.control import Controller
from expint.run.control.many import EachPolicy, EachSteps
from expint.run.loops import Accepted, over_plan
from expint.run.record import run_adaptive, run_plan, run_states
from expint.run.steppers.batched import is_batched
from expint.run.tolerance import ErrorNorm, StepControl

__all__ = [
    "Accepted",
    "Controller",
    "EachNorm",
    "EachPolicy",
    "EachSteps",
    "ErrorNorm",
    "StepControl",
    "accepted_states",
    "is_batched",
    "over_plan",
    "run_adaptive",
    "run_plan",
    "run_states",
    "sum_of_each",
]

accepted_states = over_plan
"""The name that ``over_plan`` had."""
