"""From one data set to another, along a stochastic interpolant: its probability flow, or an equation with noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import expint
from diffusion.adapted import ready
from diffusion.bridges.stochastic import Damped, noise_rate
from diffusion.checks import check_state, check_watchers
from diffusion.denoiser import like_input
from diffusion.noise.sources import columns_asked
from diffusion.process.interpolant import Combination, Interpolant
from diffusion.sample import SamplingError
from diffusion.samplers.sampler import check_method
from expint.arguments import function, instance, integer, listed, number, numbers, text
from expint.arrays import affordable
from expint.backend import Array
from expint.derive import Method

__all__ = ["transport"]


def transport(
    process: Interpolant,
    network: Callable[..., Any],
    states: Array,
    *,
    predicts: str | Sequence[str] = "velocity",
    steps: int | None = None,
    grid: Sequence[float] | np.ndarray | None = None,
    towards: int = 1,
    method: str | Method | None = None,
    epsilon: float | Callable[[float], float] = 0.0,
    rng: Any = None,
    detail: float = 0.3,
    condition: Mapping[str, Any] | None = None,
    callback: Callable[[float, Array], None] | None = None,
    progress: bool = False,
) -> Array:
    """Return samples of the other data set, by a flow or a stochastic equation of an interpolant, either way.

    The flow is ẋ = b(t, x); its solutions have the law of x_t at every time. So have those of the stochastic equation
    dx = (b + ε s) dt + √(2ε) dW, s = ∇ log p_t, for every ε ≥ 0; backwards it is b − ε s, in −dt. Where the network
    predicts two of the means of x₀, x₁ and z, the third is eliminated by x, and the flow ẋ = L(t) x + N is
    solved as y′ = N/s for y = x/s, s the coefficient of the third: the linear part exactly.

    Parameters
    ----------
    process
        The interpolant.
    network
        Called as network(x, t, **condition) with x (B, …) and t (B,); it returns an array like x, or a tuple of such
        where it predicts several kinds.
    states
        Samples of the first data set, or of the second with ``towards=0``, (B, …).
    predicts
        The kind or kinds of output: "velocity" b, "drift" E[ȧ x₀ + ċ x₁|x], "score" ∇ log p, "denoiser" E[z|x], "data0"
        E[x₀|x], "data1" E[x₁|x]. With x they have to determine b.
    steps
        The number of equal steps from end to end.
    grid
        Instead of ``steps``: the times of the steps, increasing, in [0, 1]; with ``towards=0`` they are gone through
        backwards.
    towards
        1 for the second data set, 0 for the first.
    method
        A method of ``expint`` for y′ = N, such as "adams3" or "krogstad4"; its order is that of the run, with noise
        2 at most for the law. None is "adams3", and with noise "adams2".
    epsilon
        ε, a number or a function of t: 0 is the flow. With noise the outputs have to determine the score, too.
    rng
        With noise: a seed, one for each sample, or a generator, as of `sample`.
    detail
        With noise: the size of the finest details of both data sets. A pull of the rate 1 + ε/(γ² + detail²) is
        integrated exactly. It changes no limit, only errors: too large, long steps are unstable with a large ε; too
        small, they take more noise away than they should.
    condition
        Further arguments of the network.
    callback, progress
        As in `sample`.

    Returns
    -------
    array
        The states at the other end, in the shape, dtype and device of ``states``.

    Raises
    ------
    TypeError, ValueError
        For arguments that make no sense, before any call: among them outputs that do not determine b at a time of the
        run, as E[z|x] does not where γ = 0; noise without ``rng``, or ``rng`` without noise.
    SamplingError
        If a state becomes non-finite.

    Notes
    -----
    Albergo, Boffi & Vanden-Eijnden, *Stochastic interpolants*, 2023, §2; its rows with noise are those of
    ``diffusion.bridges.stochastic``. A one-sided process is a noise schedule,
    `Interpolant.schedule`, and every sampler of `sample` runs that.

    Examples
    --------
    From N(0, 1) to N(4, 1), where b = 4 + (…) and the flow is known: the distance to the mean stays.

    >>> import numpy as np
    >>> def velocity(x, t):  # of x_t ~ N(4t, (1−t)² + t² + t(1−t))
    ...     t = t[:, None]
    ...     variance = 1 - t + t**2
    ...     return 4 + (t - 0.5) / variance * (x - 4 * t)
    >>> there = transport(Interpolant("linear"), velocity, np.array([[0.0], [1.0]]), steps=50)
    >>> bool(np.allclose(there, [[4.0], [5.0]], atol=1e-3))
    True
    """
    instance("process", process, Interpolant, "an Interpolant", 'pass diffusion.Interpolant("linear")')
    function("network", network, "(x, t, **condition)", "pass a function or a torch module")
    check_state(states)
    check_watchers(callback, progress=progress)
    condition = {} if condition is None else condition
    instance("condition", condition, Mapping, "a mapping of arguments", "such as {'label': labels}")
    kinds = tuple(text("predicts", kind) for kind in _listed(predicts))
    towards = integer("towards, 1 for the second data set or 0 for the first,", towards, least=0, most=1)
    times = _times(steps, grid)[:: 1 if towards else -1]
    rate = noise_rate(epsilon)
    method = ("adams3" if rate is None else "adams2") if method is None else method
    chosen = expint.method(method) if isinstance(method, str) else method
    check_method("transport", chosen)
    detail = number("detail", detail, above=0.0)
    if rate is None:
        plan, slopes = _in_states(expint.lower(chosen, expint.operators.Scalar(0.0), times), process, kinds)
    else:
        equation = Damped(process, rate, detail, times)
        plan = equation.plan(chosen)
        slopes = {t: equation.slope(kinds, t) for t in _called(plan)}
    noise = columns_asked(plan, rng, states, "epsilon")
    call = ready(network, {t: t for t in slopes}, states)
    several = not isinstance(predicts, str)

    def slope(t: float, x: Array) -> Array:
        of_state, of_outputs = slopes[t]
        output = call(x, t, **condition)
        outputs = _several(output, len(kinds)) if several else (output,)
        total: Any = None if of_state == 0.0 else of_state * x
        for weight, part in zip(of_outputs, outputs):
            term = weight * like_input(part, x)
            total = term if total is None else total + term
        return total

    last = len(times) - 1
    shown: dict[str, Any] = {"name": "transport", "callback": callback, "progress": progress}
    run = expint.run_plan(plan, slope, states, keep=[last], noise=noise, **shown)
    if not run.success:
        raise SamplingError(run)
    return run.y[-1, ...]


def _listed(predicts: Any) -> list[Any]:
    """Return the kinds of output, one or several."""
    return [predicts] if isinstance(predicts, str) else listed("predicts", predicts, "kinds of prediction")


def _times(steps: int | None, grid: Sequence[float] | np.ndarray | None) -> list[float]:
    """Return the increasing times of the ends of the steps."""
    if (steps is None) == (grid is None):
        received = "neither" if steps is None else "both"
        raise ValueError(f"expected either steps= (their number) or grid= (their times), received {received}")
    if grid is None:
        count = integer("steps", steps, most=10**9)
        affordable("the times of a run", 64.0 * count)
        return np.linspace(0.0, 1.0, count + 1).tolist()
    times = numbers("grid", np.asarray(grid).tolist() if isinstance(grid, np.ndarray) else grid, least=2)
    if np.any(np.diff(times) <= 0.0) or times[0] < 0.0 or times[-1] > 1.0:
        raise ValueError(
            f"expected increasing times in [0, 1], received {times[0]:g} … {times[-1]:g}; sort them, and give the "
            "direction by towards="
        )
    return times


def _called(plan: expint.Plan) -> list[float]:
    """Return the times at which a run calls the network."""
    return list(dict.fromkeys(row.told(t) for t, row in plan.rows if row.evaluate))


def _in_states(
    plan: expint.Plan, process: Interpolant, kinds: tuple[str, ...]
) -> tuple[expint.Plan, dict[float, Combination]]:
    """Return the ``plan`` for y′ = N/s as one for x = s y, and how N/s follows from x and the outputs by time.

    Raises
    ------
    ValueError
        If the outputs do not determine the velocity at an evaluation, or s = 0 at a time of the run.
    """
    slopes = {t: process.combination(kinds, "velocity", t) for t in _called(plan)}
    third = process.eliminated(kinds)
    if third is None:
        return plan, slopes
    times = [list(step.times) for step in plan.steps]
    scale = [process.coefficients(np.array(of_step))[third].tolist() for of_step in times]
    sizes = {t: size for step in zip(times, scale) for t, size in zip(*step)}
    vanishing = [t for t, size in sizes.items() if abs(size) < 1e-12]
    if vanishing:
        raise ValueError(
            f"expected x to tell of the mean that {', '.join(kinds)} leave out at all times of the run, received "
            f"t = {vanishing[0]:g}, where its coefficient vanishes; keep away from that time (grid=), or let the "
            "network predict the velocity"
        )
    without = {t: Combination(0.0, tuple(w / sizes[t] for w in found.of_outputs)) for t, found in slopes.items()}
    return plan.in_coordinates(scale, times), without


def _several(output: Any, count: int) -> tuple[Array, ...]:
    """Return the outputs of a network that predicts several kinds."""
    if not isinstance(output, (tuple, list)) or len(output) != count:
        raise ValueError(
            f"expected a tuple of {count} outputs, one for each kind in predicts=, received {type(output).__name__}"
        )
    return tuple(output)
