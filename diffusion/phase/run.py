r"""Runs of critically damped Langevin dynamics from noise to data, its linear part and its noise exact.

Towards the data, in r = β (1 − t), the equations of every strength τ ≥ 0 have the laws of the process:

.. math:: du = -A u\, dr + (1 + τ^2)\, Γ\, (0, s_v)\, dr + τ \sqrt{2Γ}\, (0, dW), \qquad s_v = ∂ \log p / ∂v.

With s_v = −v/M + r_v, −v/M the score of the end of the process, this is du = (L u + N) dr + noise with

.. math:: L = \begin{pmatrix} 0 & -1/M \\ 1 & -τ^2 Γ/M \end{pmatrix}, \qquad N = (0, (1 + τ^2)\, Γ\, r_v),

for τ = 0 a rotation and for τ = 1 critically damped. The noise of a step has the covariance of what e^{Lr} makes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from math import ceil, sqrt
from typing import Any

import numpy as np

import expint
from diffusion.adapted import ready
from diffusion.checks import check_start, check_state, check_watchers
from diffusion.denoiser import like_input
from diffusion.names import resolve
from diffusion.noise.sources import columns_asked
from diffusion.phase.process import CriticallyDamped
from diffusion.planning.noise import with_columns
from diffusion.sample import SamplingError
from diffusion.samplers.sampler import check_method
from expint.arguments import function, instance, integer, number, numbers
from expint.arrays import affordable
from expint.backend import Array, array_namespace
from expint.derive import Method
from expint.phi import phi_matrices

__all__ = ["sample_with_velocity"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_WIDEST = 1.0  # panel in units of 1/|L|
_STRONGEST = 30.0  # the state is forgotten at every step long before


def sample_with_velocity(
    process: CriticallyDamped,
    network: Callable[..., Any],
    noise: Array,
    *,
    predicts: str = "score",
    steps: int | None = None,
    grid: Sequence[float] | np.ndarray | None = None,
    method: str | Method | None = None,
    stochasticity: float = 0.0,
    rng: Any = None,
    start: str = "noise",
    condition: Mapping[str, Any] | None = None,
    callback: Callable[[float, Array], None] | None = None,
    progress: bool = False,
) -> Array:
    """Return samples of data and their velocities, by the flow or an equation with noise of a damped process.

    Parameters
    ----------
    process
        The process.
    network
        Called as network(u, t, **condition) with states u (B, …, 2), position and velocity, and t (B,); it returns an
        array (B, …).
    noise
        Standard normal noise, (B, …, 2).
    predicts
        "score": s_v = ∂ log p/∂v; or "noise": −ℓ(t) s_v, the mean of what `CriticallyDamped.state` calls ε.
    steps
        The number of steps; their ends are t = (1 − n/N)², as the score changes fastest at the data.
    grid
        Instead of ``steps``: the times of the steps, decreasing, in [0, 1].
    method
        A method of ``expint``, whose order is that of the run, with noise 2 at most for the law. None is "adams3", and
        with noise "adams2".
    stochasticity
        τ from 0, the flow, to 30; 1 is the reverse of the process.
    rng
        With noise: a seed, one for each sample, or a generator, as of `sample`.
    start
        "noise": the velocities of the input are multiplied by √M, which is the law of the process at t = 1 but for
        what is left of the data. "state": it is u at the first time as it is.
    condition
        Further arguments of the network.
    callback, progress
        As in `sample`.

    Returns
    -------
    array
        The states u at the last time, (B, …, 2), in the dtype and device of ``noise``: samples are ``[..., 0]``.

    Raises
    ------
    TypeError, ValueError
        For arguments that make no sense, before any call: among them a network of the noise asked at t = 0, where its
        score is not finite; noise without ``rng``, or ``rng`` without noise.
    SamplingError
        If a state becomes non-finite.

    Notes
    -----
    Dockhorn, Vahdat & Kreis, *Score-based generative modeling with critically-damped Langevin diffusion*, 2022. The
    part that is solved exactly is that of their symmetric splitting, whose step is of second order, too.

    Examples
    --------
    >>> import numpy as np
    >>> process = CriticallyDamped()
    >>> exact, rng = process.gaussian([3.0], [[0.25]]), np.random.default_rng(0)
    >>> u = sample_with_velocity(process, exact, rng.standard_normal((1000, 1, 2)), steps=40, stochasticity=1.0, rng=7)
    >>> bool(abs(u[..., 0].mean() - 3.0) < 0.1), bool(abs(u[..., 0].std() - 0.5) < 0.05)
    (True, True)
    """
    instance("process", process, CriticallyDamped, "a CriticallyDamped", "pass diffusion.CriticallyDamped()")
    function("network", network, "(u, t, **condition)", "pass a function or a torch module")
    check_state(noise)
    if noise.ndim < 2 or noise.shape[-1] != 2:
        raise ValueError(
            f"expected noise of shape (batch, …, 2), for positions and velocities, received {tuple(noise.shape)}; draw "
            "both"
        )
    predicts = resolve(predicts, dict.fromkeys(("score", "noise")), {}, "prediction")
    check_start(start)
    check_watchers(callback, progress=progress)
    condition = {} if condition is None else condition
    instance("condition", condition, Mapping, "a mapping of arguments", "such as {'label': labels}")
    tau = number("stochasticity, the strength τ,", stochasticity, least=0.0, most=_STRONGEST)
    method = ("adams2" if tau else "adams3") if method is None else method
    chosen = expint.method(method) if isinstance(method, str) else method
    check_method("sample_with_velocity", chosen)
    plan = _plan(process, chosen, _times(steps, grid), tau, noise)
    columns = columns_asked(plan, rng, noise, "stochasticity")
    slope = _slope(process, plan, network, predicts, tau, noise, condition)
    scale = sqrt(process.mass) if start == "noise" else 1.0
    xp = array_namespace(noise)
    first = xp.stack([noise[..., 0], scale * noise[..., 1]], axis=-1)
    shown: dict[str, Any] = {"name": "sample_with_velocity", "callback": callback, "progress": progress}
    run = expint.run_plan(plan, slope, first, keep=[len(plan.steps) - 1], noise=columns, **shown)
    if not run.success:
        raise SamplingError(run)
    return run.y[-1, ...]


def _times(steps: int | None, grid: Sequence[float] | np.ndarray | None) -> np.ndarray:
    """Return the decreasing times of the ends of the steps."""
    if (steps is None) == (grid is None):
        received = "neither" if steps is None else "both"
        raise ValueError(f"expected either steps= (their number) or grid= (their times), received {received}")
    if grid is None:
        count = integer("steps", steps, most=10**9)
        affordable("the times of a run", 64.0 * count)
        return np.linspace(1.0, 0.0, count + 1) ** 2
    times = np.array(numbers("grid", np.asarray(grid).tolist() if isinstance(grid, np.ndarray) else grid, least=2))
    if np.any(np.diff(times) >= 0.0) or times[0] > 1.0 or times[-1] < 0.0:
        raise ValueError(
            f"expected decreasing times in [0, 1], received {times[0]:g} … {times[-1]:g}; sort them, the data last"
        )
    return times


def _plan(process: CriticallyDamped, method: Method, times: np.ndarray, tau: float, like: Array) -> expint.Plan:
    """Return the plan for u, told t, with a column of noise for each place in a step where τ > 0."""
    linear = np.array([[0.0, -1.0 / process.mass], [1.0, -(tau**2) * process.friction / process.mass]])
    operator = expint.operators.BlockDiagonal(linear)
    r = process.beta * (1.0 - times)
    plan = expint.lower(method, operator, r, like=like)
    if tau:
        own = _Gathered(linear, 2.0 * tau**2 * process.friction, partial(operator.cast, like=like))
        plan = with_columns(plan, r, [method.name] * (len(r) - 1), [own] * (len(r) - 1))
    ends = dict(zip(r.tolist(), times.tolist()))

    def told(at: float) -> float:
        return ends.get(at, min(max(1.0 - at / process.beta, 0.0), 1.0))

    return replace(plan, steps=tuple(step._replace(times=tuple(map(told, step.times))) for step in plan.steps))


@dataclass(frozen=True, eq=False)
class _Gathered:
    """The weights of the noise of a step: small matrices, as the ``linear`` part mixes what comes to the velocities."""

    linear: np.ndarray
    intensity: float
    cast: Callable[[np.ndarray], Any]

    def __call__(self, start: float, places: Sequence[float]) -> list[tuple[Any, ...]]:
        """Return for each place the weights of the columns up to it."""
        roots = [np.linalg.cholesky(self._covariance(b - a)) for a, b in pairwise([start, *places])]
        return [
            tuple(self.cast(self._carried(at - since) @ root) for root, since in zip(roots, places[: k + 1]))
            for k, at in enumerate(places)
        ]

    def _carried(self, r: Any) -> np.ndarray:
        """Return e^{Lr}."""
        return np.asarray(phi_matrices(np.multiply.outer(r, self.linear), 0)[0])

    def _covariance(self, h: float) -> np.ndarray:
        """Return ∫ e^{Lr} diag(0, q) e^{Lr}ᵀ dr from 0 to h, by quadrature."""
        panels = max(1, ceil(h * float(np.abs(self.linear).max()) / _WIDEST))
        width = h / panels
        r = (width * (np.arange(panels)[:, None] + (1.0 + _NODES) / 2)).ravel()
        moved = self._carried(r)[..., 1]
        weights = np.tile(_WEIGHTS, panels) * width / 2
        return np.asarray(self.intensity * np.einsum("n,ni,nj->ij", weights, moved, moved))


def _slope(
    process: CriticallyDamped,
    plan: expint.Plan,
    network: Callable[..., Any],
    predicts: str,
    tau: float,
    like: Array,
    condition: Mapping[str, Any],
) -> Callable[[float, Array], Array]:
    """Return N at a time and a state."""
    times = list(dict.fromkeys(row.told(t) for t, row in plan.rows if row.evaluate))
    scales = dict.fromkeys(times, 1.0)
    if predicts == "noise":
        found = process.velocity_scale(np.array(times)).tolist()
        if min(found) == 0.0:
            raise ValueError(
                "expected evaluations at t > 0 for a network that predicts the noise, whose score is not finite at the "
                "data, received one at t = 0; let grid= end before, or the network predict the score"
            )
        scales = {t: -1.0 / size for t, size in zip(times, found)}
    call, xp = ready(network, {t: t for t in times}, like[..., 0]), array_namespace(like)
    factor = (1.0 + tau**2) * process.friction

    def slope(t: float, u: Array) -> Array:
        score = scales[t] * like_input(call(u, t, **condition), u[..., 0])
        gained = factor * (score + u[..., 1] / process.mass)
        return xp.stack([xp.zeros_like(gained), gained], axis=-1)

    return slope
