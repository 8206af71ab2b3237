r"""One Brownian path for runs of any steps: finer steps refine the path that coarser ones saw.

The noise of a step from s to s′ is e^{L s′} (B(u′) − B(u)) with a Brownian motion B in the clock u,
du = e^{-2 L s} g² ds. So steps ask for increments of B, and a tree of bridges over λ gives them: the middle of an
interval, given its ends, is Gaussian, and each middle has a draw of its own, by counting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Any, NamedTuple

from diffusion.noise.sources import Noise, noise_for
from expint.arguments import integer
from expint.backend import Array, array_namespace, device

__all__ = ["BrownianPath", "Increments"]

_SAME = 1e-9  # of the run in λ: nearer places are one


@dataclass(frozen=True)
class BrownianPath:
    """The noise of one Brownian path for each sample, whatever the steps of the run.

    Runs over the same interval with the same strength see the same path: with twice the steps it is refined. So runs
    of different steps come to the same samples as the steps become short, and their difference is the error of these.

    Parameters
    ----------
    rng
        A seed, one for each sample, or a generator, as of ``diffusion.sample``.
    depth
        How often the run is halved in λ at most. Ends of steps that are no ends of halves lie between such at a
        distance of 2^{-depth} of the run, and are interpolated.

    Raises
    ------
    ValueError
        When it is run: if the sampler has no constant finite strength, rises, or starts from pure noise.

    Notes
    -----
    A place costs up to ``depth`` draws, and about two where the places come in order. The tree is that of Li et al.,
    *Scalable gradients for stochastic differential equations*, 2020, in the clock in which the noise of a step is an
    increment.

    Examples
    --------
    >>> import numpy as np
    >>> import diffusion
    >>> net = diffusion.models.gaussian_mixture([1.0], [[0.5]], [[[0.1]]])
    >>> path = diffusion.noise.BrownianPath(7)
    >>> x = np.array([[0.3]])
    >>> runs = [diffusion.sample(net, x, sampler="dpmpp-2m-sde", steps=n, rng=path)[0, 0] for n in (128, 256)]
    >>> bool(abs(runs[0] - runs[1]) < 0.01)
    True
    """

    rng: Any
    depth: int = 20

    def __post_init__(self) -> None:
        integer("depth", self.depth, most=50)

    def draw(self, step: int, column: int, like: Array) -> Array:
        """Refuse: without a run it is not known where a step lies."""
        raise ValueError(
            f"expected a run of a sampler for a Brownian path, received step {step}, column {column} alone, for "
            f"shape {tuple(like.shape)}; give it as rng= of diffusion.sample, or take diffusion.noise.Seeded"
        )

    def along(
        self, places: Sequence[Sequence[tuple[float, float]]], variance: Callable[[float, float], float]
    ) -> Increments:
        """Return the noise of a run whose columns lie at ``places`` in λ, with u′ − u by ``variance``."""
        return Increments(self, tuple(map(tuple, places)), variance)


class _Part(NamedTuple):
    """A part of the path between two places in λ: B at both, and its number among those of its length."""

    start: float
    end: float
    before: Array
    after: Array
    number: int


@dataclass(frozen=True)
class Increments:
    """The increments of a path for the columns of one run.

    Parameters
    ----------
    path
        The path.
    places
        For each step the intervals in λ of its columns.
    variance
        The variance of an increment between two values of λ.
    """

    path: BrownianPath
    places: tuple[tuple[tuple[float, float], ...], ...]
    variance: Callable[[float, float], float]
    _ways: dict[Any, tuple[Noise, list[_Part]]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def draw(self, step: int, column: int, like: Array) -> Array:
        """Return the increment of one column, of variance 1."""
        start, end = self.places[step - 1][column]
        return (self._value(end, like) - self._value(start, like)) * (1.0 / sqrt(self.variance(start, end)))

    def _value(self, at: float, like: Array) -> Array:
        """Return B at a place, on from the way to the place before as far as it is the same."""
        u, (noise, way) = self.variance, self._begun(like)
        near = _SAME * (way[0].end - way[0].start)
        while len(way) > 1 and not way[-1].start <= at <= way[-1].end:
            way.pop()
        while len(way) <= self.path.depth:
            start, end, before, after, number = way[-1]
            if abs(at - start) <= near or abs(at - end) <= near:
                return before if abs(at - start) <= near else after
            middle = (start + end) / 2
            left, right, whole = u(start, middle), u(middle, end), u(start, end)
            spread = sqrt(left * right / whole) * noise.draw(number, len(way), like)
            value = before + (left / whole) * (after - before) + spread
            upper, lower = (
                _Part(middle, end, value, after, 2 * number + 1),
                _Part(start, middle, before, value, 2 * number),
            )
            way.append(upper if at > middle else lower)
        start, end, before, after, _ = way[-1]
        return before + (u(start, at) / u(start, end)) * (after - before)

    def _begun(self, like: Array) -> tuple[Noise, list[_Part]]:
        """Return the noise for states ``like`` one, and the way that was gone last; at first the whole path."""
        key = (type(like), tuple(like.shape), like.dtype, device(like))
        if key not in self._ways:
            noise = noise_for(self.path.rng, like)
            start, end = self.places[0][0][0], max(own[-1][1] for own in self.places if own)
            last = sqrt(self.variance(start, end)) * noise.draw(0, 0, like)
            self._ways[key] = noise, [_Part(start, end, array_namespace(like).zeros_like(like), last, 0)]
        return self._ways[key]
