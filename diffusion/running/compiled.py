"""A whole run of a sampler, network and rows, as one compiled function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any, Literal

import numpy as np

import expint
from diffusion.checks import check_start, check_state, lay_out
from diffusion.denoiser import Denoiser
from diffusion.noise.brownian import BrownianPath
from diffusion.noise.sources import columns_by_number, noise_for
from diffusion.planning.conversion import Predicted, fold
from diffusion.planning.increments import increments
from diffusion.samplers.catalogue import AnySampler
from expint.backend import Array, array_namespace, asarray_like, device, is_array, is_jax, stack

__all__ = ["CompiledSampler", "scan"]


def scan(
    denoiser: Denoiser,
    *,
    sampler: str | AnySampler = "auto",
    steps: int | None = None,
    grid: str | Sequence[float] | np.ndarray | None = None,
    checkpoint: bool = False,
    backend: Literal["auto", "xla", "inductor", "cuda-graph", "eager"] = "auto",
) -> CompiledSampler:
    """Return one compiled function of a run of a sampler, noise ↦ samples, for networks of JAX and torch.

    In JAX network and rows are one ``lax.scan``: the network is compiled once, whatever the number of steps, where
    `sample` under ``jax.jit`` compiles it once for every call. In torch a step with its network is compiled by
    ``torch.compile``, or captured as a CUDA graph. What comes out is what `sample` returns, to rounding.

    Parameters
    ----------
    denoiser, sampler, steps, grid
        As for `sample`. The network is a function of arrays: it is told times as an array made on the way.
    checkpoint, backend
        As for ``expint.scan``.

    Returns
    -------
    CompiledSampler
        The function. ``jax.jit``, ``grad`` and ``vmap`` apply to it.

    Raises
    ------
    ValueError, TypeError
        As `sample` does, and for guided denoisers, whose rules ask for times as numbers, samplers with bands or whose
        rows multiply other things than predictions, and processes with a mean.

    Notes
    -----
    Nothing looks at the states: samples of a network that goes wrong are inf or nan, and no scale is checked. Run
    `sample` once before.

    Examples
    --------
    >>> import diffusion, jax.numpy as jnp
    >>> net = diffusion.Denoiser(lambda x, t: x * t[:, None], predicts="noise")
    >>> draw = diffusion.scan(net, sampler="deis-tab3", steps=8)
    >>> draw(jnp.ones((2, 3))).shape
    (2, 3)
    """
    chosen, times, to_zero = lay_out(denoiser, sampler, steps, grid)
    if type(denoiser).at_times is not Denoiser.at_times:
        raise TypeError(
            f"expected a denoiser that is its network, received {denoiser!r:.120}, whose rule asks for each time as a "
            "number; let the network guide itself, with the scale as a condition, or take diffusion.sample"
        )
    plan = chosen.plan(denoiser.schedule, times, to_zero=to_zero, edges=denoiser.discontinuities)
    slope = chosen.slope(denoiser)
    if not isinstance(slope, Predicted) or not isinstance(plan.operator, expint.operators.Scalar):
        raise TypeError(
            "expected a sampler whose rows are numbers that multiply predictions of the network, received "
            f"{chosen.name!r}, with bands or by another function; take diffusion.sample for it"
        )
    folded, conversions = fold(plan, denoiser.schedule, denoiser.predicts, slope.kind)
    calls = [row.told(t) for t, row in folded.rows if row.evaluate]
    pairs = [(1.0, own.ratio) if own.from_state else (own.ratio, 1.0) for own in (conversions[t] for t in calls)]
    told = np.asarray(denoiser.schedule.network_time(np.array(calls)))
    evaluated = _Evaluated(denoiser, told, np.array(pairs))
    run = expint.scan(_numbered(folded), evaluated, args=({},), checkpoint=checkpoint, backend=backend)
    return CompiledSampler(denoiser, chosen, folded, run)


class CompiledSampler:
    """The compiled function of a run, noise ↦ samples; made by ``diffusion.scan``.

    Attributes
    ----------
    plan
        The plan, in units of what the network predicts.
    """

    def __init__(self, denoiser: Denoiser, sampler: Any, plan: expint.Plan, run: Any) -> None:
        self._denoiser, self._sampler, self.plan, self._run = denoiser, sampler, plan, run

    def __call__(
        self,
        noise: Array,
        *,
        start: Literal["noise", "state"] = "noise",
        rng: Any = None,
        condition: Mapping[str, Any] | None = None,
    ) -> Array:
        """Return samples.

        Parameters
        ----------
        noise, start, rng
            As for `sample`. Numbers of ``rng`` are drawn before the run.
        condition
            Further keyword arguments of the network, in place of those of the denoiser; nothing is compiled anew for
            other values.

        Returns
        -------
        array
            As `sample` returns them.

        Raises
        ------
        ValueError, TypeError
            As `sample` does, before any call of the network.
        """
        return self._by(self._run, noise, start, rng, condition)

    def states(self, noise: Array, **options: Any) -> Array:
        """Return the states at all times of the run, of shape (steps + 1, *noise.shape); options as in a call."""
        given = {"start": "noise", "rng": None, "condition": None} | options
        return self._by(self._run.states, noise, **given)

    @property
    def runner(self) -> str:
        """What runs it, in words."""
        return str(self._run.runner)

    def _by(
        self, run: Callable[..., Array], noise: Array, start: Any, rng: Any, condition: Mapping[str, Any] | None
    ) -> Array:
        check_state(noise)
        check_start(start)
        self._sampler.admit(self._denoiser, noise)
        first = float(self.plan.steps[0].times[0])
        x = noise * self._denoiser.schedule.noise_scale(first) if start == "noise" else noise
        given = dict(self._denoiser.condition if condition is None else condition)
        arrays = {name: own for name, own in given.items() if is_array(own)}
        if len(arrays) < len(given):
            others = sorted(given.keys() - arrays.keys())
            raise TypeError(
                f"expected arrays as conditions of a compiled run, received {', '.join(others)} of another kind; let "
                "the network hold them: functools.partial(network, …)"
            )
        return run(x, args=(arrays,), noise=self._drawn(rng, x))

    def _drawn(self, rng: Any, x: Array) -> Array | None:
        """Return the random columns of all steps, None for a plan without noise."""
        columns = self.plan.layout.noise
        if not columns or rng is None:
            if columns or rng is not None:
                wanted = "rng= for a sampler that draws noise" if columns else "no rng= for one that draws none"
                raise ValueError(f"expected {wanted}, received {self._sampler.name!r} and rng = {rng!r}; see sample")
            return None
        source = noise_for(rng, x)
        if isinstance(source, BrownianPath):
            source = source.along(*increments(self._sampler, self._denoiser.schedule, self.plan))
        draw = columns_by_number(self.plan, source, x)
        nothing = array_namespace(x).zeros_like(x)
        rows = [[nothing if own is None else own for own in draw(step)] for step in range(1, len(self.plan.steps))]
        return stack([stack(row) for row in rows])

    def __repr__(self) -> str:
        return f"CompiledSampler({self._sampler.name!r}, {len(self.plan.steps) - 1} steps, {self._denoiser!r})"


def _numbered(plan: expint.Plan) -> expint.Plan:
    """Return the plan whose evaluations are told their numbers, by which each finds what is known of it beforehand."""
    number = count()
    made = (
        own._replace(
            rows=tuple(row._replace(time=float(next(number))) if row.evaluate else row for row in own.rows),
        )
        for own in plan.steps
    )
    return replace(plan, steps=tuple(made))


class _Evaluated:
    """The prediction p x + q output of each call, by its number: what is known of it beforehand lies in arrays.

    States are lent to it, so that the network may be called as it is.
    """

    def __init__(self, denoiser: Denoiser, told: np.ndarray, pairs: np.ndarray) -> None:
        self._denoiser, self._told, self._pairs = denoiser, told, pairs
        self._there: dict[Any, tuple[Array, Array]] = {}

    def __call__(self, number: Array, x: Array, condition: Mapping[str, Any]) -> Array:
        """Return the prediction of call ``number`` at the state x."""
        xp = array_namespace(x)
        place = xp.reshape(xp.astype(number, xp.int32), (1,))
        times, pairs = self._beside(x)
        told, pair = xp.take(times, place, axis=0), xp.take(pairs, place, axis=0)
        output = self._denoiser.network(x, xp.broadcast_to(told, (x.shape[0],)), **condition)
        return pair[0, 0] * x + pair[0, 1] * output

    def _beside(self, x: Array) -> tuple[Array, Array]:
        """Return the times that the network is told, and the pairs, where the state is; tensors are kept there."""
        if is_jax(array_namespace(x)):
            return self._placed(x)
        key = (x.dtype, x.device)
        if key not in self._there:
            self._there[key] = self._placed(x)
        return self._there[key]

    def _placed(self, x: Array) -> tuple[Array, Array]:
        xp = array_namespace(x)
        whole = xp.int32 if is_jax(xp) else xp.int64  # JAX has longer ones in double precision alone
        dtype = whole if self._told.dtype.kind == "i" else xp.float64 if x.dtype == xp.float64 else xp.float32
        return xp.asarray(self._told, dtype=dtype, device=device(x)), asarray_like(self._pairs, x)
