"""The loops: the only ones over steps in the library."""

from expint.run.fixed import Accepted, run_plan

__all__ = ["Accepted", "run_plan"]
