"""Steppers: methods bound to problems, as the loops see them."""

from expint.run.steppers.protocol import Slope, Stepper, Trial

__all__ = ["Slope", "Stepper", "Trial"]
