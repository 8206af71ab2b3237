"""Steppers: methods bound to problems, as the loops see them."""

from expint.run.steppers.protocol import Attempt, Slope, Stepper, Trial

__all__ = ["Attempt", "Slope", "Stepper", "Trial"]
