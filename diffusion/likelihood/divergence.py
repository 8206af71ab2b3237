"""The divergence of a network's output: exact, by random probes, by differences, or as the network knows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from diffusion.denoiser import Denoiser
from expint.arguments import integer, seen
from expint.arrays import real_values
from expint.backend import Array, array_namespace, asarray_like, is_jax, is_torch
from expint.run import sum_of_each

__all__ = ["KINDS", "WAYS", "Divergence", "Probes", "divergence_of", "draw_probes"]

WAYS = ("auto", "exact", "probes", "differences", "known")
KINDS = ("rademacher", "gaussian")

Probes = np.ndarray
"""(K, B, …): the probes v of each sample, of mean zero and unit covariance."""

_FEW = 16  # elements of a sample up to which "auto" takes the exact divergence


def draw_probes(count: int, kind: str, rng: int | Sequence[int], shape: tuple[int, ...]) -> Probes:
    """Return ``count`` probes for each sample of a batch of this ``shape``, fixed by the seeds.

    Those of the sample i are drawn from the seed (rng, i), or where ``rng`` is one seed per sample from its own, so
    that they do not depend on how samples are split into batches.
    """
    if isinstance(rng, (int, np.integer)) and not isinstance(rng, bool):
        seeds: list[Any] = [(integer("rng", rng, least=0), i) for i in range(shape[0])]
    else:
        given = real_values("rng", rng)
        if given.shape != shape[:1] or np.any(given != np.floor(given)) or np.any(given < 0):
            raise ValueError(
                f"expected rng as a whole number ≥ 0, or one for each of {shape[0]} samples, received {seen(rng)}"
            )
        seeds = [int(seed) for seed in given]
    drawn = []
    for seed in seeds:
        generator = np.random.default_rng(seed)
        normal = generator.standard_normal((count, *shape[1:]))
        drawn.append(normal if kind == "gaussian" else np.where(normal < 0.0, -1.0, 1.0))
    return np.stack(drawn, axis=1)


@dataclass(frozen=True)
class Divergence:
    """What finds the output of a network and its divergences, (B, K): K = 1, or one for each probe.

    It is called with states and one time for all, a number, or a time for each, an array.
    """

    denoiser: Denoiser

    def of_samples(self, denoiser: Denoiser, which: np.ndarray) -> Divergence:
        """Return that of the samples ``which`` alone, whose ``denoiser`` is given."""
        del which
        return replace(self, denoiser=denoiser)

    def __call__(self, x: Array, t: float | np.ndarray) -> tuple[Array, Array]:
        """Return the output at ``x`` and its divergences."""
        raise NotImplementedError


def divergence_of(denoiser: Denoiser, x: Array, way: str, draw: Callable[[], Probes]) -> tuple[str, Divergence]:
    """Return the way that is taken, and what finds outputs and divergences for states like ``x``.

    Probes are drawn by ``draw`` where they are needed.

    Raises
    ------
    TypeError
        If derivatives are asked of a network in NumPy.
    ValueError
        If the network does not know its divergence.
    """
    xp, known = array_namespace(x), getattr(denoiser.network, "divergence", None)
    differentiable = is_torch(xp) or is_jax(xp)
    if way == "auto":
        small = int(np.prod(x.shape[1:])) <= _FEW
        way = "known" if known is not None and type(denoiser) is Denoiser else "exact" if small else "probes"
    if way == "known":
        if known is None or type(denoiser) is not Denoiser:
            raise ValueError(
                f"expected a network that knows its divergence, received {denoiser!r}; give it a method "
                "divergence(x, t, **condition) of shape (B,), or take another way"
            )
        return way, _Known(denoiser, known)
    if way == "differences":
        return way, _Differences(denoiser)
    if not differentiable:
        raise TypeError(
            f"expected data of torch or JAX for derivatives of a network, received {type(x).__name__}; convert data "
            "and network, or say divergence='differences', of a relative error of about 1e-9 in double precision"
        )
    backward = _by_torch if is_torch(xp) else _by_jax
    return way, _Exact(denoiser, backward) if way == "exact" else _Probed(denoiser, backward, draw())


@dataclass(frozen=True)
class _Known(Divergence):
    """As the network knows it."""

    known: Callable[..., Array]

    def __call__(self, x: Array, t: float | np.ndarray) -> tuple[Array, Array]:
        xp, denoiser = array_namespace(x), self.denoiser
        told = np.broadcast_to(np.asarray(denoiser.schedule.network_time(t)), x.shape[:1])
        times = asarray_like(np.array(told), x if x.dtype.itemsize >= 8 else xp.astype(x, xp.float64))
        found = self.known(x, times, **denoiser.condition)
        return _output(denoiser, x, t), xp.astype(xp.reshape(found, (-1, 1)), x.dtype)


@dataclass(frozen=True)
class _Exact(Divergence):
    """Σ_i ∂F_i/∂x_i: as many passes back through the network as a sample has elements."""

    backward: Any

    def __call__(self, x: Array, t: float | np.ndarray) -> tuple[Array, Array]:
        output, back = self.backward(self.denoiser, x, t)
        xp, total, size = array_namespace(output), 0.0, int(np.prod(x.shape[1:]))
        for i in range(size):
            unit = np.zeros(size)
            unit[i] = 1.0
            along = xp.broadcast_to(asarray_like(unit.reshape(x.shape[1:]), output), x.shape)
            total = total + xp.reshape(back(along), (x.shape[0], -1))[:, i : i + 1]
        return output, total


@dataclass(frozen=True)
class _Probed(Divergence):
    """vᵀ (∂F/∂x) v for each probe: one pass back for each."""

    backward: Any
    probes: Probes

    def of_samples(self, denoiser: Denoiser, which: np.ndarray) -> Divergence:
        return replace(self, denoiser=denoiser, probes=self.probes[:, which])

    def __call__(self, x: Array, t: float | np.ndarray) -> tuple[Array, Array]:
        output, back = self.backward(self.denoiser, x, t)
        xp, found = array_namespace(output), []
        for probe in self.probes:
            v = asarray_like(probe, output)
            found.append(sum_of_each(xp.reshape(v * back(v), (x.shape[0], -1))))
        return output, xp.stack(found, axis=1)


@dataclass(frozen=True)
class _Differences(Divergence):
    """Central differences along the axes, of step ε^{1/3}: two calls for each element of a sample."""

    def __call__(self, x: Array, t: float | np.ndarray) -> tuple[Array, Array]:
        xp, size, denoiser = array_namespace(x), int(np.prod(x.shape[1:])), self.denoiser
        step = (1e-16 if x.dtype.itemsize >= 8 else 1e-7) ** (1 / 3)
        total: Any = 0.0
        for i in range(size):
            unit = np.zeros(size)
            unit[i] = step
            h = asarray_like(unit.reshape(x.shape[1:]), x)
            change = _output(denoiser, x + h, t) - _output(denoiser, x - h, t)
            total = total + xp.reshape(change, (x.shape[0], -1))[:, i : i + 1] / (2 * step)
        return _output(denoiser, x, t), total


def _output(denoiser: Denoiser, x: Array, t: float | np.ndarray) -> Array:
    """Return the output at one time for all, or at a time for each."""
    return denoiser.at_each(x, t) if isinstance(t, np.ndarray) else denoiser(x, t)


def _by_torch(denoiser: Denoiser, x: Any, t: float | np.ndarray) -> tuple[Any, Callable[[Any], Any]]:
    """Return the output at ``x``, and v ↦ vᵀ ∂F/∂x."""
    import torch

    with torch.inference_mode(False), torch.enable_grad():
        at = x.detach().clone().requires_grad_(True)
        output = _output(denoiser, at, t)

    def back(v: Any) -> Any:
        found = (None,)
        if output.requires_grad:
            found = torch.autograd.grad(output, at, v, retain_graph=True, allow_unused=True)
        if found[0] is None:
            raise TypeError(
                f"expected a network whose output can be differentiated by its state, received {denoiser!r}, whose "
                f"output at t = {np.ravel(t)[0]:.6g} keeps no graph to it; take torch.no_grad() and detach() out of "
                "it, or say divergence='differences'"
            )
        return found[0]

    return output.detach(), back


def _by_jax(denoiser: Denoiser, x: Any, t: float | np.ndarray) -> tuple[Any, Callable[[Any], Any]]:
    """Return the output at ``x``, and v ↦ vᵀ ∂F/∂x."""
    import jax

    output, back = jax.vjp(lambda at: _output(denoiser, at, t), x)
    return output, lambda v: back(v)[0]
