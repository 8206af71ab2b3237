"""Dense output: the solution between the steps of a run."""

from expint.run.dense.collocated import DenseOutput
from expint.run.dense.continuous import Continuous, Counted, Interpolation, Reached

__all__ = ["Continuous", "Counted", "DenseOutput", "Interpolation", "Reached"]
