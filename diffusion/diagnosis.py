"""What is wrong with a run: where it became non-finite, and whether its samples are off any scale."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import expint
from expint.backend import Array, array_namespace, to_numpy

from .denoiser import Denoiser

__all__ = ["FirstData", "OffScaleWarning", "diagnosed", "mean_square", "warn_off_scale"]

_SHOWN = 8  # samples that a message lists
_OF_NO_PREDICTION = 0.5  # of the data that a noise prediction of zero implies
_OFF_SCALE = 20.0  # root mean square of samples; a prediction taken for another kind usually gives some 50 or more


class OffScaleWarning(UserWarning):
    """Samples, or the data that the first call implies, are far larger than normalised data.

    Usually the kind of prediction is wrong.
    """


class FirstData(NamedTuple):
    """The data that the first call implies: their mean square, on the device of the states, where the run begins."""

    t: float
    rho: float
    mean_square: Array


def mean_square(data: Array) -> Array:
    """Return the mean square of ``data`` in single precision, where it is."""
    xp = array_namespace(data)
    return xp.mean(xp.astype(data, xp.float32) ** 2)


def warn_off_scale(run: expint.Solution, denoiser: Denoiser, first: Sequence[FirstData]) -> expint.Solution:
    """Return the run, with a warning if it ends, or its ``first`` call is, far outside the scale of normalised data.

    Of a noise prediction the data are ρ = σ/α times its error, or ρ times the state if it has nothing to do with noise.
    """
    if not run.success:
        return run
    checks = [
        (
            f"data, as the first call, at t = {call.t:.6g}, implies them,",
            call.mean_square,
            max(_OFF_SCALE, _OF_NO_PREDICTION * call.rho),
        )
        for call in first
    ]
    checks.append(("samples", mean_square(run.y[-1, ...]), _OFF_SCALE))
    for what, square, limit in checks:
        scale = float(to_numpy(square)) ** 0.5
        if scale > limit:
            warnings.warn(
                f"expected {what} of about unit scale, received a root mean square of {scale:.3g}: the network may "
                f"predict something else than {denoiser.predicts!r}, or take another time; check predicts= and the "
                "network's convention of time",
                OffScaleWarning,
                stacklevel=3,
            )
            return run
    return run


class _NonFiniteOutput(FloatingPointError):
    """The first network output with inf or nan."""


def diagnosed(
    run: expint.Solution, plan: expint.Plan, predict: Callable[[float, Array], Array], x: Array
) -> expint.Solution:
    """Return a non-finite run with the states before it failed, and a message that says which call failed.

    Looking at every output would cost a synchronisation per call, so that it is done only now, in a second run from
    the same state ``x``.
    """
    calls = 0

    def checked(t: float, x: Array) -> Array:
        nonlocal calls
        calls += 1
        output = predict(t, x)
        xp = array_namespace(output)
        good = xp.all(xp.isfinite(xp.reshape(output, (output.shape[0], -1))), axis=1)
        if not bool(xp.all(good)):
            raise _NonFiniteOutput(_message(calls, plan.evaluations, t, to_numpy(good), str(output.dtype)))
        return output

    try:
        expint.run_plan(plan, checked, x, name=run.method)
    except _NonFiniteOutput as found:
        before: expint.Solution = found.solution  # type: ignore[attr-defined]
        return replace(before, status=run.status, message=str(found))
    return run


def _message(call: int, calls: int, t: float, good: Array, dtype: str) -> str:
    bad = [i for i, fine in enumerate(good.tolist()) if not fine]
    listed = ", ".join(map(str, bad[:_SHOWN])) + (", …" if len(bad) > _SHOWN else "")
    which = "sample" if len(bad) == 1 else "samples"
    remedy = "check the network there (one in float16 overflows at 65504: take bfloat16), or start from other noise"
    if dtype.endswith("float16") and not dtype.endswith("bfloat16"):
        remedy = "half precision overflows at 65504: run the network in bfloat16 or float32"
    return (
        f"expected finite network outputs, received inf or nan in call {call} of {calls}, at t = {t:.6g}, for {which} "
        f"{listed} of {len(good)}; {remedy}"
    )
