"""Between the steps of a run: its states at any time, and its predictions of the data, without further calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

import expint
from expint.backend import Array, array_namespace
from expint.operators import Scalar
from expint.run.dense.collocated import DenseOutput

from .gauge import DATA, Gauge
from .schedule import NoiseSchedule
from .tabulated import TabulatedGauge

__all__ = ["DensePath", "with_dense_output"]

_HIGHEST = 4  # more slopes interpolate no better at the few steps of a sampler


class DensePath:
    """The continuous solution of a run: called with times of the schedule it returns the states there.

    On each step the outputs at the nearest times are interpolated in the clock of the gauge, as the sampler does, and
    the equation dy/ds = L y + N is solved exactly; at the times of the run the states are those of the run.

    Attributes
    ----------
    t
        The times of the run at which the network was called, decreasing.
    previews
        What the network predicted the data to be at these times, (len(t), *shape).
    """

    def __init__(
        self,
        schedule: NoiseSchedule,
        gauge: Gauge,
        times: Sequence[float],
        states: Sequence[Array],
        outputs: Mapping[float, Array],
        order: int,
    ) -> None:
        self.schedule, self.gauge = schedule, gauge
        self.t = np.array([t for t in times if t in outputs])
        self._span = times[0], times[-1]
        scales = [float(self._scale(t)) for t in times]
        linear, nonlinear = gauge.constants
        self._dense = DenseOutput(
            Scalar(linear),
            [float(gauge.clock.value(schedule, t)) for t in times],
            [x / scale for x, scale in zip(states, scales)],
            [nonlinear * outputs[t] for t in times if t in outputs],
            order,
        )
        data = [gauge.data(schedule, t, x, outputs[t]) for t, x in zip(times, states) if t in outputs]
        self.previews = array_namespace(data[0]).stack(data)

    def __call__(self, t: float | Sequence[float] | np.ndarray) -> Array:
        """Return the state at the time ``t``, or the states at several times along a new first axis.

        Raises
        ------
        ValueError
            If a time lies outside the run, as far as σ > 0 there.
        """
        times = np.asarray(t, dtype=float)
        outside = times[~((times >= self._span[1]) & (times <= self._span[0]))]
        if outside.size:
            raise ValueError(
                f"expected a time between {self._span[0]:.6g} and {self._span[1]:.6g}, from where to where the run has "
                f"σ > 0; received {outside[0]:.6g}"
            )
        states = [self._scale(at) * self._dense(float(self.gauge.clock.value(self.schedule, at))) for at in times.flat]
        return array_namespace(states[0]).stack(states) if times.ndim else states[0]

    def _scale(self, t: float) -> float:
        return float(self.gauge.scale(float(self.schedule.alpha(t)), float(self.schedule.sigma(t))))


def with_dense_output(
    run: expint.Solution,
    outputs: Mapping[float, Array],
    gauge: Gauge | TabulatedGauge,
    schedule: NoiseSchedule,
    order: int,
) -> expint.Solution:
    """Return the run with its continuous solution in ``sol``, as far as σ > 0 and the states are finite.

    A run in a `TabulatedGauge` is continued in the data gauge.
    """
    if isinstance(gauge, TabulatedGauge):
        reached = [(t, run.y[i, ...]) for i, t in enumerate(run.t.tolist()) if t in outputs]
        outputs = {t: gauge.data(schedule, t, x, outputs[t]) for t, x in reached}
        gauge = DATA
    with np.errstate(divide="ignore", invalid="ignore"):  # the last time may be that of σ = 0, or lie beyond it
        clock = gauge.clock.value(schedule, np.maximum(run.t, 0.0))
    noisy = [i for i, (t, s) in enumerate(zip(run.t.tolist(), clock)) if np.isfinite(s) and (t in outputs or t > 0.0)]
    times, states = [float(run.t[i]) for i in noisy], [run.y[i, ...] for i in noisy]
    return replace(run, sol=DensePath(schedule, gauge, times, states, outputs, min(order, _HIGHEST)))
