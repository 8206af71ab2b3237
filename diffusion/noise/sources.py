"""Where the random columns of a run come from."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, Protocol, runtime_checkable

import numpy as np

import expint
from expint.arguments import integer, seen
from expint.backend import Array, asarray_like, is_array, to_numpy

__all__ = ["Noise", "Recorded", "Seeded", "columns_asked", "columns_by_number", "in_order", "noise_for"]

_WAYS = "give a seed (rng=7), one for each sample (rng=[3, 1, 4]), or a generator of NumPy or torch"


class _Philox(threading.local):
    """One generator for each thread, whose state is set anew for each sample: that costs less than another one."""

    def __init__(self) -> None:
        self.philox = np.random.Philox(key=0)
        self.state: Any = self.philox.state
        self.normals = np.random.Generator(self.philox)


_OWN = _Philox()


@runtime_checkable
class Noise(Protocol):
    """Standard normal noise for the random columns of a run: a pure function of the step and the column.

    Examples
    --------
    >>> import numpy as np
    >>> import diffusion
    >>> source: diffusion.noise.Noise = diffusion.noise.Seeded([(7, n) for n in range(4)])
    >>> drawn = source.draw(1, 0, np.zeros((4, 3)))
    >>> drawn.shape, bool((drawn == source.draw(1, 0, np.zeros((4, 3)))).all())
    ((4, 3), True)
    """

    def draw(self, step: int, column: int, like: Array) -> Array:
        """Return an array of the shape, dtype, device and library of the batch ``like``.

        ``step`` counts the steps of the run from 1 on, ``column`` the random columns of a step from 0 on.
        """


@dataclass(frozen=True)
class Seeded:
    """Noise made by counting: a function of the seed of the sample, the step and the column, and of nothing else.

    Each sample has a key of its own for the counter-based generator Philox, and each step and column of it a block of
    counters. So a sample does not depend on its batch, on the order of samples, on the device, nor on how a batch is
    split: eight runs of one sample are one run of eight, to the last bit where the network's outputs are. Normal
    numbers are made in double precision on the host, and rounded to that of the state.

    Parameters
    ----------
    seeds
        A pair (seed, number) for each sample. The seed 7 of a batch stands for (7, 0), (7, 1), …; a seed s of a sample
        for (s, 0).

    Raises
    ------
    ValueError
        By `draw`, if there are not as many seeds as samples.

    Notes
    -----
    Salmon, Moraes, Dror and Shaw, *Parallel random numbers: as easy as 1, 2, 3*, 2011.

    Examples
    --------
    >>> import numpy as np
    >>> batch = Seeded(((7, 0), (7, 1))).draw(1, 0, np.empty((2, 3)))
    >>> alone = Seeded(((7, 1),)).draw(1, 0, np.empty((1, 3)))
    >>> bool(np.all(batch[1] == alone[0]))
    True
    """

    seeds: tuple[tuple[int, int], ...]

    def draw(self, step: int, column: int, like: Array) -> Array:
        """Return the noise of one column of one step."""
        shape = tuple(like.shape)
        if len(self.seeds) != shape[0]:
            raise ValueError(
                f"expected one seed for each of the {shape[0]} samples, received {len(self.seeds)}; give as many, or "
                "one seed for all"
            )
        drawn = np.empty((shape[0], prod(shape[1:])))
        philox, state, normals = _OWN.philox, _OWN.state, _OWN.normals
        counter = np.array([0, 0, column, step], dtype=np.uint64)
        for own, key in zip(drawn, self._keys):
            state["state"] = {"key": key, "counter": counter}
            philox.state = state
            normals.standard_normal(out=own)
        return asarray_like(drawn.reshape(shape), like)

    @cached_property
    def _keys(self) -> list[np.ndarray]:
        return [np.random.SeedSequence(seed, spawn_key=(n,)).generate_state(2, np.uint64) for seed, n in self.seeds]


@dataclass(frozen=True)
class Recorded:
    """Noise that is known: what another program drew, or what is to be drawn again.

    Parameters
    ----------
    draws
        One array for each step, or one for each column of it, of the shape of the states: (steps, [columns,] batch, …)
        as nested lists. None stands for a step without noise.

    Raises
    ------
    ValueError, TypeError
        By `draw`, if nothing is recorded for a step, or of another shape, or if it asks for a gradient.

    Examples
    --------
    >>> import numpy as np
    >>> Recorded([np.ones((2, 3))]).draw(1, 0, np.empty((2, 3))).sum()
    np.float64(6.0)
    """

    draws: Sequence[Any]

    def draw(self, step: int, column: int, like: Array) -> Array:
        """Return the recorded noise of one column of one step."""
        own = self.draws[step - 1] if 0 < step <= len(self.draws) else None
        columns: list[Any] = [own] if own is None or (is_array(own) and own.ndim == like.ndim) else list(own)
        if column >= len(columns) or columns[column] is None:
            raise ValueError(
                f"expected recorded noise for column {column} of step {step}, received {len(self.draws)} steps, "
                f"of which this has {sum(entry is not None for entry in columns)} columns; record one array for each"
            )
        found = columns[column]
        if getattr(found, "requires_grad", False):
            raise TypeError(
                "expected recorded noise without a gradient, received a tensor that requires one, which would be lost; "
                "detach it, or let the first noise ask for it"
            )
        if tuple(found.shape) != tuple(like.shape):
            raise ValueError(
                f"expected noise of the shape {tuple(like.shape)} of the states, received {tuple(found.shape)} in step "
                f"{step}; record it from a run of the same batch"
            )
        return asarray_like(to_numpy(found), like)


def noise_for(rng: Any, like: Array) -> Noise:
    """Return the noise that ``rng`` stands for, for a batch of samples ``like`` one.

    Parameters
    ----------
    rng
        A seed for the batch, one for each sample, a generator of NumPy or torch, from which a seed for each sample is
        drawn, or an object with a method ``draw``; see `Noise`.
    like
        The first states, (batch, …).

    Raises
    ------
    TypeError
        If it is none of these.
    ValueError
        If a seed is negative, or there are not as many as samples.

    Examples
    --------
    >>> import numpy as np
    >>> noise_for(7, np.empty((2, 3)))
    Seeded(seeds=((7, 0), (7, 1)))
    """
    if not (hasattr(like, "shape") and hasattr(like, "dtype") and len(like.shape)):
        raise TypeError(f"expected like as an array of samples, (batch, …), received {seen(like)}")
    count = int(like.shape[0])
    if isinstance(rng, np.random.Generator):
        return Seeded(tuple((int(seed), 0) for seed in rng.integers(2**63, size=count)))
    if hasattr(rng, "initial_seed") and hasattr(rng, "manual_seed"):
        return _seeded_by_torch(rng, count)
    if isinstance(rng, Noise):
        return rng
    several = (isinstance(rng, Sequence) and not isinstance(rng, str)) or (is_array(rng) and rng.ndim > 0)
    if not several:
        if isinstance(rng, bool) or not hasattr(rng, "__index__"):
            raise TypeError(f"expected rng= a seed, seeds or a generator, received {seen(rng)}; {_WAYS}")
        seed = integer("the seed of rng=", rng, least=0)
        return Seeded(tuple((seed, n) for n in range(count)))
    try:
        listed = to_numpy(rng).tolist() if is_array(rng) else rng
    except RuntimeError:
        raise TypeError(f"expected rng= seeds that are there, received {seen(rng)}; {_WAYS}") from None
    seeds = [integer("every seed of rng=", seed, least=0) for seed in listed]
    if len(seeds) != count:
        raise ValueError(
            f"expected one seed for each of the {count} samples, received {len(seeds)} in rng=; give as many, or one "
            "seed for all"
        )
    return Seeded(tuple((seed, 0) for seed in seeds))


def _seeded_by_torch(generator: Any, count: int) -> Seeded:
    import torch

    seeds = torch.randint(2**62, (count,), generator=generator, device=generator.device)
    return Seeded(tuple((int(seed), 0) for seed in seeds.tolist()))


def in_order(
    columns: Callable[[int], Sequence[Array | None]] | None,
) -> Callable[[float], Sequence[Array | None]] | None:
    """Return what a loop asks for the columns of its steps, one after the other, where they are drawn by number."""
    numbers = itertools.count(1)
    return None if columns is None else lambda _: columns(next(numbers))


def columns_by_number(plan: expint.Plan, noise: Noise, like: Array) -> Callable[[int], Sequence[Array | None]]:
    """Return what draws the columns of a step by its number, in any order; None where no row uses one."""
    used = plan.drawn

    def of_step(number: int) -> list[Array | None]:
        return [noise.draw(number, column, like) if wanted else None for column, wanted in enumerate(used[number])]

    return of_step


def columns_asked(
    plan: expint.Plan, rng: Any, states: Array, strength: str
) -> Callable[[float], Sequence[Array | None]] | None:
    """Return what draws the noise of the steps of a plan in their order, None for one without.

    Raises
    ------
    ValueError
        If ``rng`` is missing for a plan that draws noise, or given for one that does not; ``strength`` is the name of
        the option that says so.
    """
    if (rng is None) == bool(plan.layout.noise):
        received = "none" if rng is None else f"one beside {strength}=0, which draws no noise"
        raise ValueError(
            f"expected rng= where {strength} > 0, and only there, received {received}; give a seed (rng=7), one for "
            "each sample, or a generator: the same seed gives the same samples"
        )
    return in_order(columns_by_number(plan, noise_for(rng, states), states)) if plan.layout.noise else None
