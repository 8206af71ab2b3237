r"""A bound of the log-likelihood by importance weights: a stochastic sampler as a chain of Gaussian transitions.

With the states x_0 … x_N of a run, x_N the data, a sampler that draws noise once a step is the chain

.. math:: p(x_0, …, x_N) = p(x_0) \prod_i N(x_{i+1};\; m_i(x_i, x_{i-1}, …),\; s_i^2),

its means m_i and deviations s_i the rows of its plan. Paths from x_N to noise are drawn from another chain, q, the same
step turned round: with κ = s_i²/σ_{i+1}², the part of the noise at the end of a step that is new,

.. math:: q(x_i | x_{i+1}) = N(α_i x̂_0 + σ_i \sqrt{1 - κ}\, ε̂,\; κ σ_i^2),

x̂₀ and ε̂ being predicted at x_{i+1}. For the reverse of the process itself, 1 − κ = (ρ_{i+1}/ρ_i)², and this is the
process: the predictions cancel. For other strengths it is the SDE of that strength, run from data to noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log, prod, sqrt
from typing import Any, NamedTuple

import numpy as np

import expint
from diffusion.checks import check_denoiser, check_state, lay_out
from diffusion.denoiser import Denoiser
from diffusion.likelihood.along_plan import check_first_time, check_plain, log_density_of
from diffusion.noise.brownian import BrownianPath
from diffusion.noise.sources import Noise, noise_for
from diffusion.samplers.catalogue import AnySampler
from expint.arguments import flag, function, integer, number
from expint.backend import Array, array_namespace, stack
from expint.run import sum_of_each

__all__ = ["LikelihoodBound", "likelihood_bound"]


@dataclass(frozen=True, eq=False)
class LikelihoodBound:
    """The importance weights of samples, and the bound that follows from them.

    Attributes
    ----------
    log_weights
        log w of each path of each sample in nats, (k, B). The mean of w over paths is the density of the chain.
    elements
        The number d of elements of a sample.
    calls
        Evaluations of the network for each sample: N + 1 for each path of N steps.

    Examples
    --------
    >>> import numpy as np
    >>> import diffusion
    >>> net = diffusion.models.gaussian_mixture([1.0], [[0.0]], [[[1.0]]])
    >>> found = diffusion.likelihood_bound(net, np.zeros((2, 1)), steps=20, paths=3, details=True)
    >>> found.log_weights.shape, bool((found.one_path <= found.log_density).all())
    ((3, 2), True)
    """

    log_weights: Array
    elements: int
    calls: int

    @property
    def log_density(self) -> Array:
        """Log (1/k) Σ w, (B,): in the mean at most the log-density of the chain, and more the larger k is."""
        xp = array_namespace(self.log_weights)
        largest = xp.max(self.log_weights, axis=0)
        return largest + xp.log(xp.mean(xp.exp(self.log_weights - largest), axis=0))

    @property
    def one_path(self) -> Array:
        """(1/k) Σ log w, (B,): the evidence lower bound, that for k = 1, by the mean of k paths."""
        return array_namespace(self.log_weights).mean(self.log_weights, axis=0)

    @property
    def effective_paths(self) -> Array:
        """(Σ w)²/Σ w², (B,): how many paths carry the mean; near 1 of many, the bound is far from tight."""
        xp = array_namespace(self.log_weights)
        weights = xp.exp(self.log_weights - xp.max(self.log_weights, axis=0))
        return xp.sum(weights, axis=0) ** 2 / xp.sum(weights**2, axis=0)

    def bits_per_dim(self, bin_width: float = 1.0) -> Array:
        """Return −(bound)/(d log 2) − log₂ of the ``bin_width``, (B,); see `Likelihood.bits_per_dim`."""
        width = number("bin_width", bin_width, above=0.0)
        return -self.log_density / (self.elements * log(2.0)) - log(width) / log(2.0)

    def __repr__(self) -> str:
        paths, count = self.log_weights.shape
        return f"LikelihoodBound({count} samples, {paths} paths, {self.calls} calls)"


class _Transition(NamedTuple):
    """One step of the chain: its mean by states and values, newest first, and its deviation; and κ of q."""

    states: tuple[float, ...]
    values: tuple[float, ...]
    deviation: float
    fresh: float

    @property
    def oldest(self) -> int:
        """How many steps before its own the mean looks at."""
        return max(len(self.states), len(self.values)) - 1

    def mean(self, states: Sequence[Array], values: Sequence[Array]) -> Array:
        total: Any = 0.0
        for weight, column in zip((*self.states, *self.values), (*states, *values), strict=True):
            total = total + weight * column if weight else total
        return total


def likelihood_bound(
    denoiser: Denoiser,
    data: Array,
    *,
    sampler: str | AnySampler = "dpmpp-sde",
    steps: int | None = None,
    grid: str | Sequence[float] | np.ndarray | None = None,
    paths: int = 1,
    rng: Any = 0,
    bits_per_dim: bool = False,
    bin_width: float = 1.0,
    prior: Callable[[Array], Array] | None = None,
    details: bool = False,
) -> Any:
    r"""Return a lower bound of log p(x) of each sample in nats, p the density of what a stochastic sampler makes.

    A sampler that draws noise once a step is a chain of Gaussian transitions, p(x_0) Π p(x_{i+1} | x_i, …), whose last
    state x_N is the data. With k paths from x_N to noise, drawn from q,

    .. math:: \log p(x_N) \ge E \log \frac{1}{k} \sum_k w_k, \qquad
        w = p(x_0) \prod_i \frac{p(x_{i+1} | x_i, …)}{q(x_i | x_{i+1})}.

    E w = p(x_N) exactly, for any network. So the bound holds in the mean over ``rng``, grows with k, and tends to the
    log-density of the chain. For one path it is the evidence lower bound (ELBO) of DDPM, without its decoder. q is the
    step turned round: of the reverse SDE the process itself, of another strength the SDE of this strength; for a
    network that is exact all w tend to p(x_N) as steps become short.

    Parameters
    ----------
    denoiser
        The network with what it predicts and its schedule.
    data
        Samples (B, …), NumPy, torch or JAX: states at the last time of the grid with σ > 0, as for `log_likelihood`.
    sampler
        A stochastic one that calls the network once a step, at its state: "ddpm", "ddim-eta0.5", "euler-ancestral",
        "dpmpp-2m-sde", ``diffusion.sampler("dpmpp-2m", stochasticity=0.5)``. A mean may look at earlier states. The
        default has the transitions of DDPM, and steps even in λ.
    steps, grid
        As of `sample`; the grid has to begin at ``t_start``, or a ``prior`` be given.
    paths
        k. The first paths are the same for any k.
    rng
        A seed, one seed per sample, a generator or noise itself, as of `sample`. A sample depends on its own alone.
    bits_per_dim, bin_width, prior
        As of `log_likelihood`.
    details
        Whether to return a `LikelihoodBound`, which has all weights, their effective number and the calls.

    Returns
    -------
    array or LikelihoodBound
        Of shape (B,), like the data.

    Raises
    ------
    TypeError
        If the data ask for a gradient, or the sampler has no gauge.
    ValueError
        If the sampler draws no noise in some step, or more rows or draws make a step than one, so that the transition
        is not Gaussian; if the grid does not begin at ``t_start`` and no ``prior`` is given; or as `sample` does.
    FloatingPointError
        If the network returns inf or nan on a path.

    Notes
    -----
    Burda, Grosse and Salakhutdinov, *Importance weighted autoencoders*, 2016, for the bound; Ho, Jain and Abbeel,
    *Denoising diffusion probabilistic models*, 2020, for k = 1.

    Examples
    --------
    >>> import numpy as np
    >>> import diffusion
    >>> net = diffusion.models.gaussian_mixture([1.0], [[0.0]], [[[1.0]]])
    >>> data = np.array([[0.0], [1.0]])
    >>> bound = diffusion.likelihood_bound(net, data, steps=200, paths=20)
    >>> bool(np.all(abs(bound - [-0.92, -1.42]) < 0.3))  # the exact densities
    True
    """
    in_bits, count = flag("bits_per_dim", bits_per_dim), integer("paths", paths, least=1)
    if number("bin_width", bin_width, above=0.0) != 1.0 and not in_bits:
        raise ValueError(
            f"expected bits_per_dim=True beside a bin_width, received bin_width={float(bin_width):g} alone"
        )
    if prior is not None:
        function("prior", prior, "(x)")
    check_denoiser(denoiser)
    check_state(data)
    check_plain(data)
    chosen, times, _ = lay_out(denoiser, sampler, steps, grid)
    check_first_time(times, denoiser.schedule, prior is not None)
    plan = chosen.plan(denoiser.schedule, times, edges=denoiser.discontinuities)
    chain = _Chain(denoiser, chosen, plan, _transitions(plan, chosen.name, denoiser.schedule))
    noise = _noise(rng, data)
    first = float(plan.times[0])
    weights = []
    for k in range(count):
        state, gained = chain.weight(data, noise, k)
        weights.append(log_density_of(state, data, denoiser.schedule, first, prior) + gained)
    found = LikelihoodBound(stack(weights), prod(data.shape[1:]), count * len(plan.steps))
    if flag("details", details):
        return found
    return found.bits_per_dim(bin_width) if in_bits else found.log_density


@dataclass(frozen=True)
class _Chain:
    """A sampler's plan as a chain, and the network at its states."""

    denoiser: Denoiser
    sampler: Any
    plan: expint.Plan
    transitions: tuple[_Transition, ...]

    def weight(self, data: Array, noise: Noise, k: int) -> tuple[Array, Array]:
        """Return where the path ``k`` from ``data`` ends, and log w without the density there, (B,).

        States and values are kept as long as a transition that is still to be weighed looks at them.
        """
        predict, schedule = self.sampler.slope(self.denoiser), self.denoiser.schedule
        told = [step.rows[-1].told(step.times[-1]) for step in self.plan.steps]
        nodes, last = self.plan.times, len(self.transitions)
        alphas, sigmas = schedule.alpha(nodes), schedule.sigma(nodes)
        states, values, drawn = {last: data}, dict[int, Array](), dict[int, Array]()
        total: Any = 0.0
        pending, size = list(range(last - 1, -1, -1)), prod(data.shape[1:])
        for i in range(last, -1, -1):
            values[i] = _finite(predict(told[i], states[i]), told[i])
            while pending and i <= pending[0] - self.transitions[pending[0]].oldest:
                j = pending.pop(0)
                total = total + self._weighed(j, states, values, drawn.pop(j), size, float(sigmas[j]))
                del states[j + 1], values[j + 1]
            if i:
                fresh = self.transitions[i - 1].fresh
                clean = self.sampler.gauge.data(schedule, told[i], states[i], values[i])
                old = (states[i] - float(alphas[i]) * clean) / float(sigmas[i])
                drawn[i - 1] = noise.draw(i, k, data)
                new = sqrt(1.0 - fresh) * old + sqrt(fresh) * drawn[i - 1]
                states[i - 1] = float(alphas[i - 1]) * clean + float(sigmas[i - 1]) * new
        return states[0], total

    def _weighed(
        self, j: int, states: dict[int, Array], values: dict[int, Array], drawn: Array, size: int, sigma: float
    ) -> Array:
        """Return log p(x_{j+1} | x_j, …) − log q(x_j | x_{j+1}), (B,), whose squares nearly cancel element by element.

        ``drawn`` is the noise of q, ``sigma`` that of the state x_j.
        """
        own = self.transitions[j]
        mean = own.mean(
            [states[j - n] for n in range(len(own.states))], [values[j - n] for n in range(len(own.values))]
        )
        residual = (states[j + 1] - mean) / own.deviation
        squares = 0.5 * (drawn - residual) * (drawn + residual)
        flat = array_namespace(squares).reshape(squares, (squares.shape[0], -1))
        return sum_of_each(flat) + size * (0.5 * log(own.fresh) + log(sigma / own.deviation))


def _finite(value: Array, t: float) -> Array:
    xp = array_namespace(value)
    if not bool(xp.all(xp.isfinite(value))):
        raise FloatingPointError(
            f"expected finite outputs of the network, received inf or nan at t = {t:.6g}; check it there, in float32"
        )
    return value


def _noise(rng: Any, data: Array) -> Noise:
    noise = noise_for(rng, data)
    if isinstance(noise, BrownianPath):
        raise TypeError(
            "expected rng= a seed, seeds or a generator, received a Brownian path, which is one for all paths; give a "
            "seed (rng=7)"
        )
    return noise


def _transitions(plan: expint.Plan, name: str, schedule: Any) -> tuple[_Transition, ...]:
    """Return the transitions of a plan, each of which has to be Gaussian given the states before it."""
    if not plan.layout.noise:
        raise ValueError(
            f"expected a stochastic sampler, whose steps are transitions with a density, received {name!r}, which "
            "draws no noise; take 'ddpm' or 'dpmpp-2m-sde', or diffusion.log_likelihood for the flow"
        )
    plan.require_numbers(one_each=True)
    ends = np.asarray(schedule.sigma(plan.times)).tolist()
    return tuple(_transition(plan.layout, step, sigma, name) for step, sigma in zip(plan.steps[1:], ends[1:]))


def _transition(layout: Any, step: Any, sigma: float, name: str) -> _Transition:
    """Return the transition of a step to a state whose noise has the deviation ``sigma``."""
    parts = layout.parts(step.rows[-1].weights)
    if len(step.rows) != 1 or any(weight for weight in parts.constant):
        raise ValueError(
            f"expected a sampler of one row a step, received {name!r}, which makes the step to t = "
            f"{step.times[-1]:.6g} of {len(step.rows)}, so that it is not Gaussian; take 'ddpm', 'ddim-eta0.5', "
            "'euler-ancestral' or 'dpmpp-2m-sde'"
        )
    deviation = sqrt(sum(float(weight) ** 2 for weight in parts.noise if weight))
    if not deviation > 0.0:
        raise ValueError(
            f"expected noise in every step, received {name!r}, whose step to t = {step.times[-1]:.6g} draws none: "
            "the density of its states is not spread; take a grid that ends at σ > 0, or a larger stochasticity"
        )
    states, values = (tuple(float(own or 0.0) for own in part) for part in (parts.states, parts.values))
    return _Transition(states, values, deviation, min(deviation / sigma, 1.0) ** 2)
