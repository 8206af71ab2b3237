"""What a run raises that does not come to its end."""

from __future__ import annotations

from typing import Any

import expint

__all__ = ["SamplingError", "final"]


class SamplingError(FloatingPointError):
    """A run met inf or nan; the message says which network call gave it first, at which t, for which samples.

    A second run with a check after every call locates it. Checking always would make the host wait for the device at
    every step.

    Attributes
    ----------
    solution
        The run up to there: ``expint.Solution`` with times and states.
    """

    def __init__(self, solution: expint.Solution) -> None:
        super().__init__(solution.message)
        self.solution = solution

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to make it again, as a pool of processes does with what its workers raise."""
        return type(self), (self.solution,), self.__dict__


def final(run: expint.Solution) -> expint.Solution:
    """Return a run that succeeded.

    Raises
    ------
    SamplingError
        If it did not.
    """
    if not run.success:
        raise SamplingError(run)
    return run
