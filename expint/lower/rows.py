"""Rows and steps: how points are combined, and which of them are evaluated and accepted."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Row", "Step"]


class Row(NamedTuple):
    """How one new point is combined from the columns in memory.

    Attributes
    ----------
    weights
        One weight for each column, in the order of ``Layout``: for most methods the state y_n, then values of N,
        newest first. None stands for exactly zero.
    evaluate
        Whether N is evaluated at the point and pushed in front of the values of N.
    accept
        Whether the point becomes the state.
    time
        The time that N is told at the point; None is the time at which the point lies.
    """

    weights: tuple[Any, ...]
    evaluate: bool
    accept: bool
    time: float | None = None

    def told(self, t: float) -> float:
        """Return the time that N is told at the point, which lies at ``t``."""
        return t if self.time is None else self.time

    def __repr__(self) -> str:
        return f"Row({len(self.weights)} weights, evaluate={self.evaluate}, accept={self.accept})"


class Step(NamedTuple):
    """One step: its rows, and the time at which the point of each row lies. Steps of equal length share their rows."""

    times: tuple[float, ...]
    rows: tuple[Row, ...]

    def __repr__(self) -> str:
        return f"Step({len(self.rows)} rows, to t = {self.times[-1]:g})"
