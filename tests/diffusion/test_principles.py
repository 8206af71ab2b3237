"""What holds of every diffusion model, as checks; after Lai et al., The principles of diffusion models, 2025.

That the first step of the reverse equation is ancestral sampling is checked with the stochastic samplers.
"""

from itertools import pairwise

import numpy as np
import pytest

import diffusion
from diffusion.process.prediction import PREDICTIONS, convert
from tests.diffusion.bridges import Bridge, sliced
from tests.diffusion.test_interpolant import FIRST, PROCESSES, SECOND, said

WEIGHTS, MEANS = [1, 2, 1], np.array([[-1.5, 0.0], [1.0, 0.5], [0.0, -1.5]])
COVARIANCES = [0.1 * np.eye(2), np.array([[0.2, 0.1], [0.1, 0.3]]), 0.2 * np.eye(2)]
SCHEDULES = [
    diffusion.VP.linear(),
    diffusion.VP.cosine(),
    diffusion.SubVP(),
    diffusion.VE(),
    diffusion.VEPower(),
    diffusion.FlowMatching(),
    diffusion.MeanReverting("cosine", 0.7),
]


def kind(schedule):
    return type(schedule).__name__


def model(schedule, predicts="data"):
    return diffusion.models.gaussian_mixture(WEIGHTS, MEANS, COVARIANCES, schedule, predicts)


@pytest.mark.parametrize(("alpha", "sigma"), [(0.999, 0.03), (0.6, 0.8), (0.05, 3.0)])
def test_every_prediction_is_every_other(alpha, sigma):
    x, data = np.random.default_rng(0).normal(size=(2, 8))
    for first in PREDICTIONS:
        output = convert(data, x, alpha, sigma, "data", first)
        for second in PREDICTIONS:
            there = convert(output, x, alpha, sigma, first, second)
            np.testing.assert_allclose(convert(there, x, alpha, sigma, second, first), output, rtol=1e-11, atol=1e-11)


def slope(function, at, h):
    """A derivative by differences of fourth order."""
    return (8 * (function(at + h) - function(at - h)) - (function(at + 2 * h) - function(at - 2 * h))) / (12 * h)


def residual(velocity, log_density, x, t, h=1e-3):
    """∂ log p/∂t + div v + v · ∇ log p at the points x."""
    axes = np.eye(x.shape[1])
    divergence = sum(slope(lambda e, d=d: velocity(x + e * d, t)[:, d.argmax()], 0.0, h) for d in axes)
    score = np.stack([slope(lambda e, d=d: log_density(x + e * d, t), 0.0, h) for d in axes], axis=1)
    of_time = slope(lambda at: log_density(x, at), t, 1e-4)
    return of_time + divergence + (velocity(x, t) * score).sum(axis=1)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=kind)
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_densities_and_velocities_fulfil_the_continuity_equation(schedule, share):
    exact, x = model(schedule), np.random.default_rng(1).normal(size=(20, 2))

    def velocity(x, t):
        data = exact.predict(x, t, "data")
        noise = exact.predict(x, t, "noise")
        return slope(schedule.alpha, t, 1e-4) * data + slope(schedule.sigma, t, 1e-4) * noise

    found = residual(velocity, exact.network.log_density, x, share * schedule.t_start)
    assert np.abs(found).max() < 1e-6 * max(1.0, np.abs(schedule.half_log_snr_rate(share * schedule.t_start)))


@pytest.mark.parametrize("process", PROCESSES, ids=said)
def test_interpolants_fulfil_the_continuity_equation(process):
    bridge, x = Bridge(process, FIRST, SECOND), np.random.default_rng(1).normal(size=(20, 2))
    for t in (0.3, 0.8):
        found = residual(lambda x, t: bridge.kinds(x, t)["velocity"], bridge.log_density, x, t)
        assert np.abs(found).max() < 3e-6


def test_the_flow_and_the_reverse_equation_have_the_laws_of_the_forward_process():
    """At five times, from x_T of the exact law: Euler–Maruyama in small steps, and a run of the sampler."""
    schedule, rng, n = diffusion.VP.linear(), np.random.default_rng(0), 1500
    exact = model(schedule, "score")
    which = rng.choice(3, size=n, p=np.array(WEIGHTS) / 4)
    roots = np.linalg.cholesky(np.array(COVARIANCES))

    def forward(t):
        data = MEANS[which] + np.einsum("nij,nj->ni", roots[which], rng.standard_normal((n, 2)))
        return float(schedule.alpha(t)) * data + float(schedule.sigma(t)) * rng.standard_normal((n, 2))

    grid = np.concatenate([np.linspace(1.0, 0.1, 180), np.linspace(0.1, 1e-3, 101)[1:]])
    x = start = forward(1.0)
    flow = diffusion.trajectory(exact, start, grid=grid[::10].tolist(), sampler="dpmpp-2m", start="state")
    for i, (t, later) in enumerate(pairwise(grid)):
        beta, h = 0.1 + 19.9 * t, later - t
        drift = -0.5 * beta * x - beta * exact.network(x, np.full(n, t))
        x = x + h * drift + np.sqrt(-h * beta) * rng.standard_normal((n, 2))
        if i + 1 in (60, 120, 180, 230, 270):
            floor = np.mean([sliced(forward(later), forward(later)) for _ in range(3)])
            assert sliced(x, forward(later)) < 2.5 * floor
            assert sliced(flow.y[(i + 1) // 10], forward(later)) < 2.5 * floor


def test_denoising_implicit_and_sliced_score_matching_have_one_minimiser():
    """For linear scores s = W x + b and Gaussian data: the normal equations of each loss on samples, and the score."""
    rng, n, alpha, sigma = np.random.default_rng(0), 400_000, 0.8, 0.6
    data = np.linalg.cholesky(COVARIANCES[1]) @ rng.standard_normal((2, n)) + MEANS[1][:, None]
    noise, along = rng.standard_normal((2, 2, n))
    x = np.concatenate([alpha * data + sigma * noise, np.ones((1, n))])  # with a constant
    second = x @ x.T / n
    one = np.eye(2, 3)  # the divergence of W x + b by (W, b)
    denoising = -(noise @ x.T / n) / sigma @ np.linalg.inv(second)
    implicit = -one @ np.linalg.inv(second)
    # sliced: ½ E (vᵀ(W x + b))² + E vᵀ W v, v standard normal
    sides = (along[:, None] * x[None]).reshape(6, n)
    left = sides @ sides.T / n
    right = -np.concatenate([along @ along.T / n, np.zeros((2, 1))], axis=1).reshape(6)
    of_slices = np.linalg.solve(left, right).reshape(2, 3)
    total = alpha**2 * COVARIANCES[1] + sigma**2 * np.eye(2)
    exact = np.concatenate([-np.linalg.inv(total), np.linalg.solve(total, alpha * MEANS[1])[:, None]], axis=1)
    for found in (denoising, implicit, of_slices):
        np.testing.assert_allclose(found, exact, atol=0.02)


@pytest.mark.parametrize("sampler", ["ddim", "dpmpp-2m", "unipc3", "deis-rho-rk4"])
def test_all_schedules_are_one_in_another_time_and_scale(sampler):
    """The states x/α on one grid of λ, from one start."""
    levels = np.linspace(-0.5, 2.5, 9)
    start, ends = np.random.default_rng(2).normal(size=(6, 2)), []
    for schedule in SCHEDULES:
        times = [float(schedule.time(float(lam))) for lam in levels]
        state = float(schedule.alpha(times[0])) * start
        end = diffusion.sample(model(schedule), state, grid=times, sampler=sampler, start="state")
        ends.append(end / float(schedule.alpha(times[-1])))
    for end in ends[1:]:
        np.testing.assert_allclose(end, ends[0], rtol=1e-10, atol=1e-10)


def test_flow_maps_compose():
    schedule, start = diffusion.VP.linear(), np.random.default_rng(3).normal(size=(6, 2))
    exact = model(schedule)

    def between(x, first, last):
        lam = np.linspace(*(float(schedule.half_log_snr(t)) for t in (first, last)), 150)
        grid = [first, *(float(schedule.time(float(v))) for v in lam[1:-1]), last]
        return diffusion.sample(exact, x, grid=grid, sampler="deis-rho-rk4", start="state")

    composed = between(between(start, 0.9, 0.4), 0.4, 0.05)
    np.testing.assert_allclose(composed, between(start, 0.9, 0.05), atol=1e-6)


def test_a_learned_flow_map_leads_from_every_time_to_one_end():
    """A consistency model: f is the same at the next point of the way, and x at the last; then one call is a run."""
    torch = pytest.importorskip("torch")
    schedule, rng, levels = diffusion.VP.linear(), np.random.default_rng(4), np.linspace(-5.0, 2.5, 101)
    exact, every = model(schedule), 20

    def ways(count):
        """States (count, times, 2) of the exact flow."""
        noise = rng.standard_normal((count, 2))
        run = diffusion.trajectory(exact, noise, grid=schedule.time(levels), sampler="dpmpp-3m")
        return torch.from_numpy(run.y[::every].swapaxes(0, 1)).float()

    told = torch.from_numpy(schedule.time(levels[::every])).float()
    share = torch.linspace(1.0, 0.0, len(told))

    def led(network, x, k):
        return x + share[k][:, None] * (network(x, told[k]) - x)

    def consistency(network, data, uniform, noise):
        del noise
        rows, k = torch.arange(len(data)), (uniform * (len(told) - 1)).long()
        with torch.no_grad():
            goal = led(network, data[rows, k + 1], k + 1)
        return ((led(network, data[rows, k], k) - goal) ** 2).mean()

    torch.manual_seed(0)
    learned, fresh = ways(4000), ways(500)
    draw = lambda rng, count: learned[rng.integers(len(learned), size=count)]
    network = diffusion.training.fit(diffusion.training.perceptron(2, width=64), consistency, draw, steps=1200)
    ends = [led(network, fresh[:, k], torch.full((500,), k)) for k in range(len(told))]
    coarse = schedule.time(levels[[0, -1]])
    plain = diffusion.sample(exact, fresh[:, 0].numpy(), grid=coarse, sampler="ddim", start="state")
    floor = sliced(ways(500)[:, -1].numpy(), fresh[:, -1].numpy())
    assert sliced(plain, fresh[:, -1].numpy()) > 4 * floor
    for end in ends:  # M(u, s) M(s, t) = M(u, t)
        assert sliced(end.numpy(), fresh[:, -1].numpy()) < 1.2 * floor
        assert (end - fresh[:, -1]).norm(dim=1).median() < 0.2
    torch.testing.assert_close(ends[-1], fresh[:, -1], rtol=0, atol=0)
