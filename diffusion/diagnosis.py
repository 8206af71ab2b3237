"""What is wrong with a run: where it became non-finite, and whether its samples are off any scale."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace

import expint
from expint.backend import Array, array_namespace, to_numpy

from .denoiser import Denoiser

__all__ = ["OffScaleWarning", "diagnosed", "warn_off_scale"]

_SHOWN = 8  # samples that a message lists
_OFF_SCALE = 20.0  # root mean square of samples; a prediction taken for another kind usually gives some 50 or more


class OffScaleWarning(UserWarning):
    """Samples are far larger than normalised data; usually the kind of prediction is wrong."""


def warn_off_scale(run: expint.Solution, denoiser: Denoiser) -> expint.Solution:
    """Return the run, with a warning if it ends far outside the scale of any normalised data."""
    if run.success:
        xp = array_namespace(run.y)
        scale = float(to_numpy(xp.mean(xp.astype(run.y[-1, ...], xp.float32) ** 2))) ** 0.5
        if scale > _OFF_SCALE:
            warnings.warn(
                f"expected samples of about unit scale, received a root mean square of {scale:.3g}: the network may "
                f"predict something else than {denoiser.predicts!r}, or take another time; check predicts= and the "
                "network's convention of time",
                OffScaleWarning,
                stacklevel=3,
            )
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
