"""Bounds of log-likelihoods by importance weights: unbiased for every chain, tighter with paths, tight with steps."""

import pickle

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

import diffusion
from tests.diffusion.test_likelihood import DATA, NET, exact, prior

GENTLE = diffusion.VP.linear(t_end=0.1)
GAUSSIAN = diffusion.models.gaussian_mixture([1.0], [[0.4, -0.3]], [[[0.6, 0.2], [0.2, 0.5]]], GENTLE)
GRID = diffusion.grids.uniform(24, "lambda", schedule=GENTLE)
CHAINS = ["ddpm", "ddim-eta0.5", "ddim-eta0.9", "euler-ancestral", "dpmpp-sde", "dpmpp-2m-sde", "dpmpp-3m-sde"]
CHAINS += ["seeds-1", "er-sde-1", "er-sde-2", "er-sde-3", "sa-solver-p", "halved"]


def chain(name):
    return diffusion.sampler("dpmpp-2m", stochasticity=0.5) if name == "halved" else diffusion.sampler(name)


def bound(net, data, **options):
    return diffusion.likelihood_bound(net, data, details=True, **options)


@pytest.mark.parametrize("name", CHAINS)
def test_the_mean_of_the_weights_is_the_density_of_the_chain(name):
    """On Gaussian data, where the law of what a sampler makes is known; a network that is no exact one is as good."""
    point, count = np.array([[0.9, 0.1]]), 4000
    for net in (GAUSSIAN, diffusion.Denoiser(lambda x, t: GAUSSIAN.network(x, t) + 0.05, GAUSSIAN.predicts, GENTLE)):
        found = bound(net, np.repeat(point, count, 0), sampler=chain(name), grid=GRID, rng=3)
        law = diffusion.moments(net, sampler=chain(name), grid=GRID, size=2)
        wanted = multivariate_normal(law.mean[-1], law.covariance[-1]).logpdf(point[0])
        weights = np.exp(found.log_weights[0] - wanted)
        deviation = weights.std() / np.sqrt(count)
        assert deviation < 0.1
        assert abs(weights.mean() - 1.0) < 4 * deviation


def test_more_paths_make_it_tighter_and_the_first_stay_the_same():
    net, data = NET, DATA[:20]
    found = bound(net, data, steps=60, paths=16, prior=prior(net))
    means = []
    for k in (1, 4, 16):
        own = bound(net, data, steps=60, paths=k, prior=prior(net))
        assert np.array_equal(own.log_weights, found.log_weights[:k])
        parts = found.log_weights.reshape(16 // k, k, -1)  # all groups of k paths that there are
        largest = parts.max(axis=1, keepdims=True)
        means.append(float(np.mean(np.log(np.mean(np.exp(parts - largest), axis=1)) + largest[:, 0])))
    assert means[0] < means[1] < means[2] < float(exact(net, data).mean())
    np.testing.assert_allclose(found.one_path, found.log_weights.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(means[0], found.one_path.mean(), rtol=1e-12)
    assert np.all((found.effective_paths >= 1) & (found.effective_paths <= 16))


@pytest.mark.parametrize("sampler", ["dpmpp-sde", "dpmpp-2m-sde", "ddim-eta0.5"])
def test_it_tends_to_the_exact_density_as_steps_become_short(sampler):
    schedule = diffusion.VP.linear(t_end=0.02)
    net = diffusion.models.gaussian_mixture(
        [0.3, 0.7], [[1.0, 0.5], [-1.0, 0.0]], [0.1 * np.eye(2), 0.05 * np.eye(2)], schedule
    )
    gaps, data = [], np.repeat(DATA, 20, 0)
    for steps in (20, 80, 320):
        grid = diffusion.grids.uniform(steps, "lambda", schedule=schedule)
        found = diffusion.likelihood_bound(net, data, sampler=sampler, grid=grid, prior=prior(net))
        gaps.append(float(np.mean(exact(net, data) - found)))
    assert gaps[1] < 0.5 * gaps[0]
    assert gaps[2] < 0.5 * gaps[1]  # a quarter where steps are a quarter
    assert 0.0 < gaps[2] < 0.1


def test_many_paths_reach_the_density_of_the_chain_itself():
    law = diffusion.moments(GAUSSIAN, sampler="ddpm", grid=GRID)
    point = np.array([[0.9, 0.1], [0.4, -0.3]])
    wanted = multivariate_normal(law.mean[-1], law.covariance[-1]).logpdf(point)
    found = bound(GAUSSIAN, point, sampler="ddpm", grid=GRID, paths=200)
    np.testing.assert_allclose(found.log_density, wanted, rtol=0, atol=0.12)
    assert found.calls == 200 * len(GRID)


def test_a_sample_depends_on_its_seed_alone_and_libraries_agree():
    data, options = DATA[:6], {"steps": 20, "paths": 2, "prior": prior(NET)}
    whole = bound(NET, data, rng=list(range(6)), **options)
    part = bound(NET, data[[4, 1]], rng=[4, 1], **options)
    assert np.array_equal(part.log_weights, whole.log_weights[:, [4, 1]])
    tensors = bound(NET, torch.tensor(data), rng=list(range(6)), **options)
    np.testing.assert_allclose(tensors.log_weights, whole.log_weights, rtol=1e-9, atol=1e-9)
    single = bound(NET, torch.tensor(data, dtype=torch.float32), steps=20)
    assert single.log_density.dtype == torch.float32
    np.testing.assert_allclose(single.log_weights, bound(NET, data, steps=20).log_weights, rtol=1e-3, atol=1e-2)
    jax = pytest.importorskip("jax")
    found = diffusion.likelihood_bound(
        diffusion.Denoiser(lambda x, t: 0.5 * x * (1 + t[:, None])), jax.numpy.asarray(data), steps=2
    )
    plain = diffusion.likelihood_bound(diffusion.Denoiser(lambda x, t: 0.5 * x * (1 + t[:, None])), data, steps=2)
    np.testing.assert_allclose(found, plain, rtol=1e-3)


def test_images_bits_conditions_and_calls():
    calls = []

    def network(x, t, label):
        calls.append(len(x))
        return 0.5 * x + label[:, None, None]

    net = diffusion.Denoiser(network, "noise", condition={"label": np.array([0.0, 0.1, 0.2])})
    data = np.random.default_rng(0).standard_normal((3, 2, 2))
    found = bound(net, data, steps=5, paths=2)
    assert sum(calls) == 3 * found.calls == 3 * 2 * 6
    nats = diffusion.likelihood_bound(net, data, steps=5, paths=2)
    np.testing.assert_allclose(found.log_density, nats, rtol=1e-15)
    bits = diffusion.likelihood_bound(net, data, steps=5, paths=2, bits_per_dim=True, bin_width=2 / 256)
    np.testing.assert_allclose(bits, -nats / (4 * np.log(2)) + 7.0, rtol=1e-14)
    again = pickle.loads(pickle.dumps(found))
    assert np.array_equal(again.log_density, nats)
    assert repr(found) == "LikelihoodBound(3 samples, 2 paths, 12 calls)"


def asking():
    return torch.tensor(DATA[:2]).requires_grad_()


WRONG = {
    "no noise": ({"sampler": "unipc3"}, "expected a stochastic sampler"),
    "two rows": ({"sampler": "dpmpp-2s-sde"}, "one row a step"),
    "a corrector": ({"sampler": "sa-solver"}, "one row a step"),
    "raised noise": ({"sampler": "edm-stochastic"}, "one row a step|noise in every step"),
    "restarts": ({"sampler": "restart"}, "one row a step|noise in every step"),
    "no strength": ({"sampler": diffusion.sampler("dpmpp-2m", stochasticity=0.0)}, "stochastic|noise in every step"),
    "late": ({"steps": None, "grid": [0.5, 0.2, 0.1]}, "begins at t_start = 1"),
    "off the range": ({"steps": None, "grid": [1.0, 0.2, 1e-5]}, "within the schedule's range"),
    "no paths": ({"paths": 0}, "paths"),
    "a bin alone": ({"bin_width": 0.5}, "bits_per_dim=True"),
    "no prior": ({"prior": 3.0}, "prior"),
    "a prior of elements": ({"prior": lambda x: x}, r"of shape \(2,\)"),
    "seeds": ({"rng": [1, 2, 3]}, "one seed for each"),
    "no seed": ({"rng": None}, "seed"),
    "one path for all": ({"rng": diffusion.noise.BrownianPath(0)}, "Brownian path"),
    "a gradient": ({"data": asking}, "without a gradient"),
    "halves": ({"data": lambda: torch.tensor(DATA[:2]).half()}, "single or double"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_chain_of_gaussian_transitions_is_refused_by_name(case):
    options, words = WRONG[case]
    data = options.get("data", lambda: DATA[:2])()
    with pytest.raises((ValueError, TypeError), match=words):
        diffusion.likelihood_bound(NET, data, **{"steps": 4} | {k: v for k, v in options.items() if k != "data"})


def test_a_network_that_is_not_finite_is_named_with_its_time():
    net = diffusion.Denoiser(lambda x, t: np.where(t[:, None] > 0.5, np.nan, x))
    with pytest.raises(FloatingPointError, match="inf or nan at t = "):
        diffusion.likelihood_bound(net, DATA[:2], steps=10)
