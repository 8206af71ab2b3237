"""The times of a run: where its steps end, and where a run that chooses them has to land."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from expint.derive.kinds.stage import Method
from expint.lower.lower import check_grid

__all__ = ["MOST_STEPS", "StepLimits", "check_history", "lay_out_stops", "lay_out_times"]

MOST_STEPS = 1_000_000
"""The most steps of a run that chooses them, if nothing else is said."""


class StepLimits(NamedTuple):
    """Bounds on the steps of an adaptive run, as the user gave them: a negative sign asks for a run backwards."""

    first: float | None
    largest: float
    most: float

    def sizes(self) -> tuple[float | None, float, int]:
        """Return the bounds without signs."""
        return None if self.first is None else abs(self.first), abs(self.largest), int(self.most)

    def given(self) -> dict[str, float | None]:
        """Return the bounds by their names, None for those that were left as they are."""
        return {
            "first_step": self.first,
            "max_step": None if self.largest == math.inf else self.largest,
            "max_steps": None if self.most == MOST_STEPS else self.most,
        }


def lay_out_times(
    t_span: tuple[float, float],
    step: float | None,
    grid: Sequence[float] | np.ndarray | None,
    t_eval: Sequence[float] | np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the step boundaries, and the indices among them that are wanted (None: all)."""
    start, end = _check_span(t_span)
    if (step is None) == (grid is None):
        raise ValueError(
            "expected either step= (the step size) or grid= (the step boundaries), received "
            + ("neither" if step is None else "both")
        )
    if grid is not None:
        return _on_grid(start, end, grid, t_eval)
    assert step is not None
    _check_step(step, start, end)
    asked = [] if t_eval is None else _check_t_eval(t_eval, start, end).tolist()
    inner = [t for t in asked if t not in (start, end)]
    times, ends = _pieces([start, *inner, end], step)
    kept = ([0] if start in asked else []) + ends[: len(inner)] + (ends[-1:] if end in asked else [])
    return times, None if t_eval is None else np.array(kept)


def lay_out_stops(
    t_span: tuple[float, float], t_eval: Sequence[float] | np.ndarray | None, limits: StepLimits
) -> list[float]:
    """Return the times on which an adaptive run lands, the end of ``t_span`` last."""
    start, end = _check_span(t_span)
    for label, bound in (("first_step", limits.first), ("max_step", limits.largest)):
        if bound is not None and (math.isnan(bound) or bound == 0):
            raise ValueError(f"expected {label} to be a positive number, received {bound}")
    if limits.most < 1:
        raise ValueError(f"expected max_steps to be at least 1, received {limits.most}")
    backwards = limits.largest < 0 or (limits.first is not None and limits.first < 0)
    if backwards != (end < start):
        raise ValueError(
            f"expected first_step and max_step of the sign in which t_span = ({start}, {end}) runs, received "
            f"{limits.first} and {limits.largest}; exchange the ends of t_span, or change the sign"
        )
    if abs(limits.largest) < 16 * math.ulp(max(abs(start), abs(end))):
        raise ValueError(f"expected max_step above the rounding of the times, received {limits.largest}")
    if limits.first is not None and abs(limits.first) > min(abs(end - start), abs(limits.largest)):
        raise ValueError(
            f"expected first_step of at most the length of t_span, {abs(end - start):.6g}, and max_step, received "
            f"{limits.first}; shorten it, or leave it out to have it chosen"
        )
    wanted = [] if t_eval is None else _check_t_eval(t_eval, start, end).tolist()
    return [t for t in wanted if t not in (start, end)] + [end]


def check_history(method: Method, steps: int) -> None:
    """Refuse a multistep method that looks further back than the grid has steps."""
    if steps < method.history:
        raise ValueError(
            f"expected at least {method.history} steps for {method.name}, which looks at {method.history} values of N, "
            f"received {steps}; take a smaller step or a method of lower order"
        )


def _on_grid(
    start: float, end: float, grid: Sequence[float] | np.ndarray, t_eval: Sequence[float] | np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the grid and the indices of ``t_eval`` on it, or say what does not fit."""
    boundaries = check_grid(grid)
    if boundaries[0] != start or boundaries[-1] != end:
        raise ValueError(
            f"expected a grid from {start} to {end} as t_span says, received one from {boundaries[0]} to "
            f"{boundaries[-1]}"
        )
    if t_eval is None:
        return boundaries, None
    wanted = _check_t_eval(t_eval, start, end)
    missing = wanted[~np.isin(wanted, boundaries)]
    if len(missing):
        raise ValueError(
            f"expected the times of t_eval among those of grid, received {missing[0]} which is no step boundary; "
            "add it to grid"
        )
    return boundaries, np.flatnonzero(np.isin(boundaries, wanted))


def _check_span(t_span: tuple[float, float]) -> tuple[float, float]:
    try:
        start, end = (float(t) for t in t_span)
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected t_span = (start, end), received {t_span!r}") from error
    if not (math.isfinite(start) and math.isfinite(end)) or start == end:
        raise ValueError(f"expected t_span to be two different finite times, received ({start}, {end})")
    return start, end


def _check_step(step: float, start: float, end: float) -> None:
    if not math.isfinite(step) or step == 0:
        raise ValueError(f"expected a finite step size other than 0, received {step}")
    if (step > 0) != (end > start):
        direction = "forwards" if end > start else "backwards"
        raise ValueError(
            f"expected a step that runs {direction}, as t_span = ({start}, {end}) does, received step = {step}; pass "
            f"step={-step}, or exchange the ends of t_span"
        )


def _check_t_eval(t_eval: Sequence[float] | np.ndarray, start: float, end: float) -> np.ndarray:
    try:
        wanted = np.asarray(t_eval, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"expected t_eval to be a sequence of times, received {t_eval!r}") from error
    low, high = min(start, end), max(start, end)
    if wanted.ndim != 1 or len(wanted) == 0:
        raise ValueError(f"expected t_eval to be a sequence of times, received an array of shape {wanted.shape}")
    if not np.all((wanted >= low) & (wanted <= high)):
        raise ValueError(
            f"expected t_eval within [{low}, {high}], received times from {wanted.min()} to {wanted.max()}"
        )
    if not np.all(np.diff(wanted)):
        raise ValueError("expected different times in t_eval, received one of them twice; leave it out")
    if len(wanted) > 1:
        wanted = check_grid(wanted)
        if (wanted[1] > wanted[0]) != (end > start):
            raise ValueError("expected t_eval in the direction of integration, received it reversed; pass t_eval[::-1]")
    return wanted


def _pieces(stops: list[float], step: float) -> tuple[np.ndarray, list[int]]:
    """Return times that divide pieces between ``stops`` into equal steps of at most |step|, and where pieces end."""
    times, ends, index = [np.array(stops[:1])], [], 0
    for start, end in pairwise(stops):
        count = max(1, math.ceil((end - start) / step * (1 - 1e-12)))  # 150 / 0.25 is 600 steps whatever its last bit
        times += [start + (end - start) * np.arange(1, count) / count, np.array([end])]  # end itself, to the last bit
        index += count
        ends.append(index)
    return np.concatenate(times), ends
