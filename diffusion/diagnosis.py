"""What is wrong with a run: where it became non-finite, and whether its samples are off any scale."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from math import prod
from typing import NamedTuple

import numpy as np

import expint
from diffusion.denoiser import Denoiser
from diffusion.process.keeping import kept_of_values
from diffusion.process.prediction import Kind, coefficients
from diffusion.process.schedule import NoiseSchedule
from expint.backend import Array, array_namespace, is_jax, to_numpy
from expint.run import over_plan, run_states

__all__ = ["FirstData", "OffScaleWarning", "diagnosed", "first_data", "look_at", "warn_of_calls", "warn_off_scale"]

_SHOWN = 8  # samples that a message lists
_SUSPICIOUS = 0.5  # times ρ: a network whose noise prediction is zero implies data of size ρ
_LARGER = 5.0  # times the scale of the samples; guidance makes the first prediction larger than they are
_DEVIATIONS = 6.0  # of a mean over the elements of all samples
_ALIGNED = 0.4  # cosine of state and noise: 1/√(1 + s²/ρ²) at least for data of scale s
_MOST_NOISE = 400.0  # mean square of E[ε|x], which is 1 at most; guidance and long steps make it larger
_NOISY = 5.0  # ρ from which on that is said
_CLEAN = 0.2  # ρ below which states tell nothing of the noise: what a long step does wrong is larger than it
_LOOKED_AT = (1.0, 0.1, 0.03, 0.01)  # ρ at which calls are remembered, beside the first
_TURNS = 5.7  # times the scale of the data: ρ below which states tell of them, the noise being 97 % of the mean square
_FINE = 0.85  # the longest step in λ below that, of a run whose states are right but for a few percent
_TELLING = (1e-4, 0.1)  # the part of the noise in the mean square of a state, between which it is judged by that
_OFF = 0.8  # how far x·E[ε|x]/σ may be from 1, times the root of that part; see _off_noise
_AGAINST = 0.1  # of the mean square of predicted data, which strong guidance turns against the state in long steps
_GUIDED = 40.0  # how far guidance may move it, which adds a gradient of log p(c|x) whatever the noise
_INEXACT = 0.05  # of the output of a network that has learnt but roughly, and all samples in one direction
_OFF_SCALE = 20.0  # root mean square of samples; a prediction taken for another kind usually gives some 50 or more


class OffScaleWarning(UserWarning):
    """The first prediction of the network implies data of a scale that the samples do not have.

    Usually the kind of prediction is wrong.
    """


class FirstData(NamedTuple):
    """The first state x, of n elements, and the data x₀ that the first call implies: mean products, where they are.

    They are read when the run has ended, so that nothing waits for them. Others are kept at some smaller ρ.
    ``from_noise`` says whether the state was made of noise alone; ``of_state`` is A in x₀ = A x + B output.
    """

    t: float
    alpha: float
    sigma: float
    of_state: float
    elements: int
    from_noise: bool
    state: Array
    both: Array
    data: Array


class Look(NamedTuple):
    """What a look at a call needs to know of its time: α, σ, A in x₀ = A x + B output, and whether each call counts."""

    alpha: float
    sigma: float
    of_state: float
    every: bool


def first_data(look: Look, t: float, x: Array, data: Array, from_noise: bool) -> FirstData:
    """Return the statistics of a state ``x`` at ``t`` and of the ``data`` that it implies."""
    products = (_mean_product(x, x), _mean_product(x, data), _mean_product(data, data))
    return FirstData(t, look.alpha, look.sigma, look.of_state, prod(x.shape), from_noise, *products)


@kept_of_values(maxsize=128)
def looks(plan: expint.Plan, schedule: NoiseSchedule, predicts: Kind) -> dict[float, Look]:
    """Return by their times the calls that are looked at: the first, and those nearest to some ρ from 1 on.

    There state and data tell of each other.
    """
    times = np.array([row.told(t) for t, row in plan.rows if row.evaluate])
    if not times.size:
        return {}
    lam = schedule.half_log_snr(times)
    nearest = {float(times[np.argmin(np.abs(lam + np.log(rho)))]) for rho in _LOOKED_AT}
    return {t: look_at(schedule, predicts, t, t in nearest) for t in [float(times[0]), *nearest]}


def look_at(schedule: NoiseSchedule, predicts: Kind, t: float, every: bool = False) -> Look:
    """Return what a look at a call at ``t`` needs to know."""
    alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
    known = schedule.sigma_data
    return Look(alpha, sigma, coefficients(predicts, "data", alpha, sigma, known)[0] if alpha * sigma else 0.0, every)


def _mean_product(a: Array, b: Array) -> Array:
    """Return the mean of ``a b`` in single precision, where they are."""
    xp = array_namespace(a)
    return xp.mean(xp.astype(a, xp.float32) * xp.astype(b, xp.float32))


def warn_off_scale(
    run: expint.Solution, denoiser: Denoiser, first: Sequence[FirstData], plan: expint.Plan
) -> expint.Solution:
    """Return the run of a ``plan``, with a warning if its ``first`` calls fit no data, or none like its samples.

    Nothing is taken for granted about the scale of data. For data x₀ and noise ε a denoiser that is right obeys, in the
    mean, x · E[x₀|x] = α x₀², x · E[ε|x] = σ and E[x₀|x]² ≤ x₀². Values that JAX traces are not known, and pass.
    """
    if not run.success:
        return run
    try:
        last = run.y[-1, ...]
        samples = _number(_mean_product(last, last))
        called = [
            call._replace(state=_number(call.state), both=_number(call.both), data=_number(call.data)) for call in first
        ]
        complaints = [_complaint(call, samples, first=call is called[0]) for call in called[:2]]
        ends, steps = _steps(denoiser.schedule, plan)
        complaints += [_off_noise(call, samples, steps[: int(np.sum(ends >= call.t))]) for call in called[1:]]
    except TypeError:
        if not is_jax(array_namespace(run.y)):
            raise
        return run
    _warn(complaints, denoiser, 4)
    return run


def warn_of_calls(called: Sequence[FirstData], samples: Array, denoiser: Denoiser, stacklevel: int) -> None:
    """Warn if the first two calls of samples that each had steps of their own fit no data, or none like the samples."""
    square = _number(_mean_product(samples, samples))
    known = [
        call._replace(state=_number(call.state), both=_number(call.both), data=_number(call.data)) for call in called
    ]
    _warn([_complaint(call, square, first=call is known[0]) for call in known], denoiser, stacklevel + 1)


def _warn(complaints: Sequence[str], denoiser: Denoiser, stacklevel: int) -> None:
    for complaint in filter(None, complaints):
        warnings.warn(
            f"expected {complaint}: the network may predict something else than {denoiser.predicts!r}, or take another "
            "time; check predicts= and the network's convention of time",
            OffScaleWarning,
            stacklevel=stacklevel,
        )
        break


def _number(value: Array) -> float:
    return float(to_numpy(value))


def _complaint(call: FirstData, samples: float, first: bool) -> str:
    """Return what is wrong with the first call or another one, given the mean square of the ``samples``.

    Guidance makes later predictions of data larger than the samples.
    """
    state, both, data = call.state, call.both, call.data
    if call.alpha == 0.0 or call.sigma == 0.0:
        return ""
    rho, at = call.sigma / call.alpha, f"at t = {call.t:.6g}"
    noise = (state - 2.0 * call.alpha * both + call.alpha**2 * data) / call.sigma**2
    aligned = (state - call.alpha * both) / call.sigma / max(state * noise, 1e-30) ** 0.5
    if first and data > samples * _LARGER**2 and data**0.5 > _SUSPICIOUS * rho and data > 1.0:
        return (
            f"data, as the first call, {at}, implies them, of about the scale of the samples, {samples**0.5:.3g}, "
            f"received a root mean square of {data**0.5:.3g}"
        )
    if call.from_noise and rho > _NOISY and aligned < _ALIGNED:
        return f"the noise that the first call, {at}, implies to be the state, received a cosine of {aligned:.2g}"
    of_output = max(data - 2.0 * call.of_state * both + call.of_state**2 * state, 0.0)  # the mean square of B output
    implied, uncertain = both / call.alpha, _DEVIATIONS * rho * (data / call.elements) ** 0.5
    uncertain += _INEXACT * (state * of_output) ** 0.5 / call.alpha
    if not call.from_noise and rho > _CLEAN and noise > _MOST_NOISE:
        return f"noise of mean square 1 at most, as the call {at} implies it, received {noise:.3g}"
    if implied < -uncertain - samples - _AGAINST * data or implied > _LARGER**2 * samples + uncertain:
        return (
            f"data whose mean square, as the call {at} implies it, is about that of the samples, {samples:.3g}, "
            f"received {implied:.3g}"
        )
    if samples > max(_OFF_SCALE**2, _LARGER**2 * (max(implied, data) + uncertain)):
        return (
            f"samples of about the scale that the first call, {at}, implies, received a root mean square of "
            f"{samples**0.5:.3g}"
        )
    return ""


@kept_of_values(maxsize=128)
def _steps(schedule: NoiseSchedule, plan: expint.Plan) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """Return the times at which the steps of a plan end, and log ρ at the end of each and by how much it falls."""
    times = plan.times
    with np.errstate(divide="ignore"):
        logs = (-np.asarray(schedule.half_log_snr(times))).tolist()
    return times[1:], [(end, start - end) for start, end in pairwise(logs)]


def _off_noise(call: FirstData, samples: float, steps: Sequence[tuple[float, float]]) -> str:
    """Return what is wrong with a later call, whose state is made of data and noise.

    In the mean, x · E[ε|x] = σ. A state that is wrong by a part of itself changes x · E[ε|x]/σ by that part times
    x²/σ² at most, and by the root of x²/σ² mostly: so much is allowed on runs whose steps are short.
    """
    if call.alpha == 0.0 or call.sigma == 0.0 or samples <= 0.0:
        return ""
    part = call.sigma**2 / max(call.state, 1e-300)
    longest = max((fall for end, fall in steps if end < np.log(_TURNS * samples**0.5)), default=np.inf)
    if not _TELLING[0] < part < _TELLING[1] or not longest < _FINE:
        return ""
    of_output = max(call.data - 2.0 * call.of_state * call.both + call.of_state**2 * call.state, 0.0)
    uncertain = _INEXACT * call.alpha * (call.state * of_output) ** 0.5 / call.sigma**2
    uncertain += _DEVIATIONS * (2.0 / call.elements) ** 0.5
    off = (call.state - call.alpha * call.both) / call.sigma**2 - 1.0
    if abs(off) <= uncertain + _GUIDED + _OFF * part**-0.5:
        return ""
    return (
        f"noise of which the state holds as much as σ = {call.sigma:.3g}, as the call at t = {call.t:.6g} implies it, "
        f"received {1.0 + off:.3g} times as much"
    )


class _NonFiniteOutput(FloatingPointError):
    """The first network output with inf or nan."""


def diagnosed(
    run: expint.Solution,
    plan: expint.Plan,
    predict: Callable[[float, Array], Array],
    x: Array,
    noise: Callable[[float], Sequence[Array | None]] | None = None,
    earlier: tuple[Array, ...] = (),
) -> expint.Solution:
    """Return a non-finite run with the states before it failed, and a message that says which call failed.

    Looking at every output would cost a synchronisation per call, so that it is done only now, in a second run from
    the same state ``x`` and those ``earlier`` than it, with the same ``noise``.
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
        again = over_plan(plan, checked, x, earlier=earlier, noise=noise)
        run_states(again, x, len(plan.steps) - 1, name=run.method)
    except _NonFiniteOutput as found:
        before: expint.Solution = found.solution  # type: ignore[attr-defined]  # set by the run that failed
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
