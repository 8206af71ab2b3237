r"""Denoising Langevin–Gibbs: chains over (y, ρ), y = x/α = x₀ + ρ ε, and a short solve from each state that is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from scipy.special import log_ndtr

from diffusion.chains.diagnostics import autocorrelation, effective_sample_size
from diffusion.chains.levels import Logits, checked_levels, logits_of
from diffusion.chains.solves import APART, short_grid, solved
from diffusion.checks import check_denoiser, check_state, lay_out
from diffusion.denoiser import Denoiser
from diffusion.noise.sources import Noise, noise_for
from diffusion.process.prediction import coefficients
from diffusion.samplers.catalogue import AnySampler
from expint.arguments import function, integer, number
from expint.backend import Array, all_finite, array_namespace, asarray_like, stack, to_numpy

__all__ = ["ChainRun", "langevin_gibbs"]

_MANY = 1_000_000_000

_MOVE, _LEVEL = 0, 1
"""The random columns of a move: of the Langevin step and of the level; those of a solve come after them."""


@dataclass(frozen=True, eq=False)
class ChainRun:
    """What chains have made.

    Attributes
    ----------
    samples
        The samples, (samples, chains, …): neighbours along the first axis are correlated, chains are independent.
    visited
        The level after every move, burn-in included, as its number in ``times``, (moves, chains).
    solved_from
        The level from which each sample was solved, (samples, chains).
    times
        The noise levels, decreasing times of the schedule.
    calls_to_burn_in, calls_of_moves, calls_of_solves
        Network calls of each chain (chains,): every one, since a move makes one and a solve what its sampler makes.
    calls_of_levels
        Looks at the probabilities of the levels, one a move: calls of the classifier, no network calls.
    state, level
        Where the chains stand: y = x/α and its level. Give the run as ``start`` to go on.
    moves
        How many moves the chains have made in all, those of runs before included.
    """

    samples: Array
    visited: np.ndarray
    solved_from: np.ndarray
    times: np.ndarray
    calls_to_burn_in: np.ndarray
    calls_of_moves: np.ndarray
    calls_of_solves: np.ndarray
    calls_of_levels: int
    state: Array = field(repr=False)
    level: np.ndarray = field(repr=False)
    moves: int = 0

    @property
    def calls_per_sample(self) -> float:
        """The mean number of network calls for a sample, burn-in left aside: moves and solve."""
        return float(np.mean(self.calls_of_moves + self.calls_of_solves)) / self.samples.shape[0]

    def autocorrelation(self, of: Callable[[Array], Any] | None = None) -> np.ndarray:
        """Return the autocorrelations of a number that ``of`` makes of the samples; see `chains.autocorrelation`.

        ``of`` is given samples (samples, chains, …) and returns (samples, chains). None: the mean over all elements.
        """
        return np.mean([autocorrelation(series) for series in self._series(of)], axis=0)

    def effective_sample_size(self, of: Callable[[Array], Any] | None = None) -> float:
        """Return how many independent samples the run is worth for a number that ``of`` makes of the samples.

        None: the smallest over all elements of a sample; see `chains.effective_sample_size`.
        """
        return min(effective_sample_size(series) for series in self._series(of))

    def _series(self, of: Callable[[Array], Any] | None) -> list[np.ndarray]:
        if of is not None:
            found = function("of", of, "(samples)", "pass a function")(self.samples)
            return [np.asarray(to_numpy(found), dtype=float)]
        flat = to_numpy(self.samples).reshape(*self.samples.shape[:2], -1)
        return [flat[..., i] for i in range(flat.shape[-1])]

    def __repr__(self) -> str:
        count, chains = self.samples.shape[:2]
        return f"ChainRun({count} samples of {chains} chains, {self.calls_per_sample:.3g} calls a sample)"


def langevin_gibbs(
    denoiser: Denoiser,
    start: Array | ChainRun,
    *,
    levels: Sequence[float] | np.ndarray,
    step: float | Callable[[np.ndarray], Any],
    samples: int,
    skip: int = 2,
    burn_in: int | None = None,
    level_logits: Logits | None = None,
    sampler: str | AnySampler = "ddim",
    steps: int = 2,
    rng: Any,
) -> ChainRun:
    r"""Return samples of chains that move between noise levels, each solved from its own level in a few calls.

    A chain holds y = x/α = x₀ + ρ ε and its level ρ = σ/α. A move is a Langevin step at the level, one network call,
    and a draw of the level for the new state:

    .. math:: y ← y + \frac{η}{2} \frac{x_0(y, ρ) - y}{ρ^2} + \sqrt{η} z, \qquad ρ \sim p(ρ | y).

    At high levels it moves between modes, at low ones a solve is short. After every ``skip`` moves the state of least
    noise among them is solved to σ = 0, from its own level on a grid of its own.

    Parameters
    ----------
    denoiser
        The network with what it predicts and its schedule.
    start
        Data (chains, …) where the chains begin, noise of a drawn level being added: real ones, or samples, whose calls
        are to be counted with the burn-in. Or a `ChainRun` to go on from.
    levels
        The noise levels, decreasing times of the schedule; see `noise_levels`.
    step
        η, in squared units of the data, or a function of ρ (chains,) that returns it, such as ``lambda rho: 0.5 *
        rho**2``. The step is not corrected: the larger η, the more the chain is off its law, and the faster it mixes.
    samples, skip
        How many samples of each chain, and the moves from one to the next.
    burn_in
        Moves before the first of these, at least one; 20 by default. From a `ChainRun` none by default.
    level_logits
        A classifier: by states y (B, …) log-probabilities of the levels (B, K) up to a constant. None: the exact
        conditional of a network with a method ``log_density``, such as mixtures and `models.ideal`, for levels that
        are equally likely beforehand.
    sampler, steps
        How a state is solved: any sampler, in so many steps. The grid is that of Karras et al. from the level to the
        end of the schedule, its last step to σ = 0. States of one level share their calls.
    rng
        The noise, as of ``diffusion.sample``: a chain depends on its own seed only.

    Returns
    -------
    ChainRun
        The samples, with the levels visited, all calls, and diagnostics.

    Raises
    ------
    ValueError
        If a chain has no burn-in, levels have no noise or no data in them, η is not positive, the network does not know
        its density and no classifier is given, or as ``sample`` does for the sampler.
    TypeError
        As `sample` does.
    FloatingPointError
        If a state becomes non-finite, as it does where η is many times ρ².

    Notes
    -----
    Kim & Ye, *Denoising MCMC for accelerating diffusion-based generative models*,
    2022
    (arXiv 2209.14593), here on any schedule, and with a draw of the level where they take the likeliest.

    Examples
    --------
    >>> import numpy as np
    >>> import diffusion
    >>> net = diffusion.models.gaussian_mixture([0.5, 0.5], [[-1.0], [1.0]], [[[0.04]]] * 2)
    >>> levels = diffusion.chains.noise_levels(net.schedule, 20, 0.1, 2.0)
    >>> begin = np.array([[-1.0], [1.0]] * 20)
    >>> run = diffusion.chains.langevin_gibbs(net, begin, levels=levels, step=0.2, samples=25, rng=7)
    >>> run.samples.shape, run.calls_per_sample
    ((25, 40, 1), 4.0)
    """
    check_denoiser(denoiser)
    times = checked_levels(levels, denoiser.schedule)
    lay_out(denoiser, sampler, None, short_grid(denoiser.schedule, float(times[0]), integer("steps", steps)))
    samples, skip = integer("samples", samples, most=_MANY), integer("skip", skip, most=_MANY)
    logits = logits_of(denoiser, times, level_logits)
    begun = start if isinstance(start, ChainRun) else None
    burn_in = _burn_in(burn_in, begun, times)
    if begun is None:
        check_state(start)
    noise = noise_for(rng, start if begun is None else begun.state)
    chain = _Chain(denoiser, times, _step(step), logits, noise, 0 if begun is None else begun.moves)
    y, level = chain.begin(start) if begun is None else (begun.state, begun.level)
    solve = partial(solved, denoiser, times, sampler, steps, noise)
    visited, made, lowest, calls = list[np.ndarray](), list[Array](), list[np.ndarray](), np.zeros(len(level), int)
    for _ in range(burn_in):
        y, level = chain.move(y, level)
        visited.append(level)
    for _ in range(samples):
        least: tuple[Array, np.ndarray] | None = None
        for _ in range(skip):
            y, level = chain.move(y, level)
            visited.append(level)
            least = (y, level) if least is None else _less_noisy(least, (y, level))
        assert least is not None
        found, spent = solve(*least, chain.moves)
        made.append(found)
        lowest.append(least[1])
        calls = calls + spent
    moves = np.full(len(level), samples * skip)
    return ChainRun(
        stack(made),
        np.array(visited),
        np.array(lowest),
        times,
        np.full(len(level), burn_in),
        moves,
        calls,
        len(visited),
        y,
        level,
        chain.moves,
    )


def _burn_in(given: int | None, begun: ChainRun | None, times: np.ndarray) -> int:
    """Return the moves before the first sample."""
    if begun is None:
        if type(given) is int and given == 0:
            raise ValueError(
                "expected burn_in= of at least one move for chains that begin, received 0: the first samples would be "
                "those of the start; take 20 or more, or a ChainRun as start to go on from"
            )
        return 20 if given is None else integer("burn_in", given, least=1, most=_MANY)
    if not np.array_equal(begun.times, times):
        raise ValueError(
            f"expected the {len(begun.times)} levels of the chains to go on, received {len(times)} others; give "
            "levels=run.times"
        )
    return 0 if given is None else integer("burn_in", given, least=0, most=_MANY)


def _step(given: Any) -> Callable[[np.ndarray], np.ndarray]:
    """Return η as a function of ρ."""
    if not callable(given):
        eta = number("step", given, above=0.0)
        return lambda rho: np.full_like(rho, eta)

    def checked(rho: np.ndarray) -> np.ndarray:
        found = np.broadcast_to(np.asarray(given(rho), dtype=float), rho.shape)
        if not (np.all(found > 0.0) and np.all(np.isfinite(found))):
            raise ValueError(f"expected step(ρ) > 0 for every level, received {found.min()!r} at least; mend it")
        return found

    return checked


class _Chain:
    """The moves of chains over states and levels."""

    def __init__(
        self,
        denoiser: Denoiser,
        times: np.ndarray,
        step: Callable[[np.ndarray], np.ndarray],
        logits: Logits,
        noise: Noise,
        moves: int,
    ) -> None:
        schedule = denoiser.schedule
        self._denoiser, self._times, self._step, self._logits, self._noise = denoiser, times, step, logits, noise
        self._alpha = np.asarray(schedule.alpha(times), dtype=float)
        sigma = np.asarray(schedule.sigma(times), dtype=float)
        self._rho = sigma / self._alpha
        kinds = denoiser.predicts, "data"
        self._to_data = np.array([coefficients(*kinds, a, s, schedule.sigma_data) for a, s in zip(self._alpha, sigma)])
        self.moves = moves

    def begin(self, data: Array) -> tuple[Array, np.ndarray]:
        """Return states of levels drawn from all of them: the data with their noise."""
        level = self._drawn(np.zeros((data.shape[0], len(self._times))), data, 0)
        z = self._noise.draw(0, _MOVE, data)
        return data + _column(self._rho[level], data) * z, level

    def move(self, y: Array, level: np.ndarray) -> tuple[Array, np.ndarray]:
        """Return the states and levels after one move: a call of the network, and one of the levels."""
        self.moves += 1
        rho, number = self._rho[level], self.moves * APART
        eta = self._step(rho)
        told = asarray_like(self._times[level], y)
        x, (of_state, of_output) = _column(self._alpha[level], y) * y, self._to_data[level].T
        data = _column(of_state, y) * x + _column(of_output, y) * self._denoiser(x, told)
        z = self._noise.draw(number, _MOVE, y)
        y = y + _column(0.5 * eta / rho**2, y) * (data - y) + _column(np.sqrt(eta), y) * z
        if not all_finite(y):
            raise FloatingPointError(
                f"expected finite states, received inf or nan after move {self.moves} of the chain; take a smaller "
                "step=, or one that falls with ρ, such as step=lambda rho: 0.5 * rho**2"
            )
        logits = np.asarray(to_numpy(self._logits(y)), dtype=float)
        if logits.shape != (y.shape[0], len(self._times)) or np.any(np.isnan(logits)):
            raise ValueError(
                f"expected log-probabilities of shape {(y.shape[0], len(self._times))} of the levels, none of them "
                f"nan, received shape {logits.shape}; return one for each state and level"
            )
        return y, self._drawn(logits, y, number)

    def _drawn(self, logits: np.ndarray, like: Array, number: int) -> np.ndarray:
        """Return a level for each state, drawn by its probabilities: the largest of logits with Gumbel noise."""
        z = self._noise.draw(number, _LEVEL, asarray_like(logits, like))
        return np.argmax(logits - np.log(-log_ndtr(to_numpy(z).astype(float))), axis=1)


def _less_noisy(one: tuple[Array, np.ndarray], other: tuple[Array, np.ndarray]) -> tuple[Array, np.ndarray]:
    """Return for each chain that of two states whose level has less noise; levels are numbered from noise to data."""
    (y, level), (new, newer) = one, other
    less = newer > level
    mask = _column(less.astype(float), y) > 0.5
    return array_namespace(y).where(mask, new, y), np.where(less, newer, level)


def _column(values: np.ndarray, like: Array) -> Array:
    """Return a number for each sample, to multiply states by."""
    return asarray_like(values.reshape(-1, *[1] * (like.ndim - 1)), like)
