"""Superposition: several models in one run, mixed by the density that each gives the path."""

from math import log

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

import diffusion
from diffusion import guidance
from diffusion.guidance.mixing import Affine, And

FIRST, SECOND = np.array([[-3.0, 0.0], [0.0, 3.0]]), np.array([[3.0, 0.0], [0.0, -3.0]])
VARIANCE, NOISE = 0.16, np.random.default_rng(0).standard_normal((200, 2))
SCHEDULES = [
    diffusion.VP.linear(),
    diffusion.VP.cosine(),
    diffusion.VE(0.02, 2000.0),
    diffusion.EDM(0.002, 2000.0),
    diffusion.FlowMatching(),
]


def model(means, schedule=SCHEDULES[0], predicts="noise"):
    count = len(means)
    return diffusion.models.gaussian_mixture(
        [1 / count] * count, means, [VARIANCE * np.eye(2)] * count, schedule, predicts=predicts
    )


def density(means, schedule, x, t):
    """The log-density of the noisy mixture, by SciPy."""
    alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
    spread = (alpha**2 * VARIANCE + sigma**2) * np.eye(2)
    each = [multivariate_normal(alpha * mean, spread).logpdf(x) for mean in means]
    return logsumexp(each, axis=0) - log(len(means))


def uniform(schedule, steps, last=0.05):
    """Times uniform in λ, to ρ = ``last``."""
    first = float(schedule.half_log_snr(schedule.t_start))
    first = first if np.isfinite(first) else -5.0
    return schedule.time(np.linspace(first, -log(last), steps + 1))


def both(mode, schedule=SCHEDULES[0], **options):
    return guidance.superpose([model(FIRST, schedule), model(SECOND, schedule)], mode, **options)


def errors(run, schedule):
    """Of the densities followed at the end: those of the model that each sample is of."""
    exact = np.stack([density(means, schedule, run.y[-1], run.t[-1]) for means in (FIRST, SECOND)], axis=1)
    return (run.log_densities[-1] - exact)[np.arange(len(exact)), exact.argmax(axis=1)]


def test_densities_followed_by_the_steps_of_the_reverse_process_are_of_strong_order_one_half():
    schedule = SCHEDULES[0]
    found = [
        np.sqrt(
            np.mean(
                errors(
                    diffusion.trajectory(both("or"), NOISE, sampler="ddpm", grid=uniform(schedule, n), rng=1), schedule
                )
                ** 2
            )
        )
        for n in (20, 80, 320)
    ]
    assert 1.5 < found[0] / found[1] < 3.0
    assert 1.5 < found[1] / found[2] < 3.0
    assert found[-1] < 0.6


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: type(schedule).__name__)
def test_densities_followed_along_the_flow_have_the_order_of_the_sampler_on_every_process(schedule):
    found = []
    for steps in (20, 40, 80):
        run = diffusion.trajectory(
            both("or", schedule), NOISE, sampler="dpmpp-2m", grid=uniform(schedule, steps), start="noise"
        )
        found.append(np.median(np.abs(errors(run, schedule))))
    assert found[-1] < 0.05
    assert found[0] / found[2] > 7.0


def test_either_model_is_sampled_in_proportion_to_its_weight():
    many = np.random.default_rng(1).standard_normal((1000, 2))
    for offsets, share in (([0.0, 0.0], 0.5), ([log(3.0), 0.0], 0.75)):
        samples = diffusion.sample(both("or", offsets=offsets), many, sampler="dpmpp-2m-sde", steps=50, rng=3)
        of_first = density(FIRST, SCHEDULES[0], samples, 1e-3) > density(SECOND, SCHEDULES[0], samples, 1e-3)
        assert abs(np.mean(of_first) - share) < 0.05
        for own, means in ((samples[of_first], FIRST), (samples[~of_first], SECOND)):
            nearest = np.argmin(np.linalg.norm(own[:, None] - means, axis=2), axis=1)
            assert 0.43 < np.mean(nearest) < 0.57
            spread = np.std(own - means[nearest])
            assert 0.37 < spread < 0.43


@pytest.mark.parametrize("sampler", ["ddpm", "dpmpp-2m-sde", "dpmpp-2m", "edm-heun"])
def test_both_models_find_a_sample_equally_likely(sampler):
    rng = {} if sampler in ("dpmpp-2m", "edm-heun") else {"rng": 3}
    run = diffusion.trajectory(both("and"), NOISE, sampler=sampler, grid=uniform(SCHEDULES[0], 120), **rng)
    first, second = (density(means, SCHEDULES[0], run.y[-1], run.t[-1]) for means in (FIRST, SECOND))
    assert np.mean(np.abs(first - second)) < 0.05
    tracked = np.abs(run.log_densities[..., 0] - run.log_densities[..., 1])
    assert np.max(tracked) < 1e-11
    average = diffusion.sample(both([0.5, 0.5]), NOISE, sampler=sampler, grid=uniform(SCHEDULES[0], 120), **rng)
    apart = density(FIRST, SCHEDULES[0], average, run.t[-1]) - density(SECOND, SCHEDULES[0], average, run.t[-1])
    assert np.mean(np.abs(apart)) > 2.0


@pytest.mark.parametrize(("sampler", "bar"), [("ddpm", 1.0), ("dpmpp-2m", 0.1)])
def test_three_models_are_balanced_by_one_linear_solve(sampler, bar):
    rng, schedule = np.random.default_rng(5), SCHEDULES[0]
    noise, means = rng.standard_normal((100, 6)), rng.normal(scale=1.5, size=(3, 6))
    models = [diffusion.models.gaussian_mixture([1.0], [mean], [VARIANCE * np.eye(6)]) for mean in means]
    options = {"rng": 3} if sampler == "ddpm" else {}
    grid = uniform(schedule, 100)
    run = diffusion.trajectory(guidance.superpose(models, "and"), noise, sampler=sampler, grid=grid, **options)
    alpha, sigma = float(schedule.alpha(grid[-1])), float(schedule.sigma(grid[-1]))
    spread = (alpha**2 * VARIANCE + sigma**2) * np.eye(6)
    exact = np.stack([multivariate_normal(alpha * mean, spread).logpdf(run.y[-1]) for mean in means])
    assert np.median(np.ptp(exact, axis=0)) < bar


def test_of_several_weights_that_do_the_nearest_to_equal_ones_is_taken():
    densities = np.zeros((1, 3))
    ahead = Affine(np.zeros((1, 3)), np.array([[[1.0, 1.0, 1.0], [0.0, 1.0, 2.0], [0.0, 1.0, 2.0]]]), np.zeros(1))
    found = And().weights(densities, ahead)
    assert np.sum(found) == pytest.approx(1.0)
    assert found[0, 1] + 2 * found[0, 2] == pytest.approx(1.0)
    assert found[0].tolist() == pytest.approx([1 / 3] * 3)


def test_one_model_twice_is_that_model():
    for mode in ("or", "and", [0.3, 0.7]):
        twice = guidance.superpose([model(FIRST), model(FIRST, predicts="velocity")], mode)
        for options in ({"sampler": "ddpm", "rng": 3}, {"sampler": "dpmpp-2m"}):
            found = diffusion.sample(twice, NOISE, steps=12, **options)
            expected = diffusion.sample(model(FIRST), NOISE, steps=12, **options)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("options", [{"sampler": "ddpm", "rng": [3, 1, 4, 1]}, {"sampler": "dpmpp-2m"}])
@pytest.mark.parametrize("mode", ["or", "and"])
def test_a_sample_does_not_depend_on_its_batch(mode, options):
    whole = diffusion.sample(both(mode), NOISE[:4], steps=12, **options)
    own = {name: value[2:3] if name == "rng" else value for name, value in options.items()}
    alone = diffusion.sample(both(mode), NOISE[2:3], steps=12, **own)
    np.testing.assert_array_equal(whole[2:3], alone)


def test_tensors_of_any_shape_give_what_arrays_do():
    def images(means):
        flat = model(means)

        def network(x, t):
            found = flat.network(x.reshape(len(x), 2).numpy(), t.numpy())
            return torch.from_numpy(found).reshape(x.shape)

        return diffusion.Denoiser(network, "noise", flat.schedule)

    noise = torch.from_numpy(NOISE[:6]).reshape(6, 1, 2, 1)
    for mode in ("or", "and"):
        several = guidance.superpose([images(FIRST), images(SECOND)], mode)
        run = diffusion.trajectory(several, noise, sampler="dpmpp-2m-sde", steps=12, rng=3)
        expected = diffusion.trajectory(both(mode), NOISE[:6], sampler="dpmpp-2m-sde", steps=12, rng=3)
        np.testing.assert_allclose(run.y.numpy().reshape(-1, 6, 2), expected.y, rtol=0, atol=1e-9)
        np.testing.assert_allclose(run.log_densities.numpy(), expected.log_densities, rtol=1e-7, atol=1e-7)


def test_gradients_of_networks_give_the_divergence_of_those_that_do_not_know_it():
    known = diffusion.trajectory(both("or"), NOISE[:5], sampler="dpmpp-2m", steps=10)
    wrapped = [
        diffusion.Denoiser(lambda x, t, net=net: net.network(x, t), "noise", net.schedule)
        for net in (model(FIRST), model(SECOND))
    ]
    exact = diffusion.trajectory(
        guidance.superpose(wrapped, "or"), torch.from_numpy(NOISE[:5]), sampler="dpmpp-2m", steps=10
    )
    np.testing.assert_allclose(exact.log_densities.numpy(), known.log_densities, rtol=1e-8, atol=1e-8)
    differences = guidance.superpose(wrapped, "or", divergence="differences")
    found = diffusion.trajectory(differences, NOISE[:5], sampler="dpmpp-2m", steps=10)
    np.testing.assert_allclose(found.log_densities, known.log_densities, rtol=1e-4, atol=1e-4)


def test_a_run_says_what_each_model_made_of_it_and_nothing_at_zero_noise():
    schedule = SCHEDULES[4]
    for options in ({"sampler": "dpmpp-2m-sde", "rng": 3}, {"sampler": "euler"}):
        run = diffusion.trajectory(both("or", schedule), NOISE, grid="normal", steps=12, **options)
        assert isinstance(run, guidance.SuperposedRun)
        assert run.log_densities.shape == (len(run.t), len(NOISE), 2)
        assert float(schedule.sigma(run.t[-1])) == 0.0
        assert np.all(np.isnan(run.log_densities[-1]))
        assert np.all(np.isfinite(run.log_densities[:-1]))


def test_what_cannot_be_followed_is_refused_by_name():
    noise = NOISE[:3]
    with pytest.raises(ValueError, match=r"expected a sampler of strength 1, .* received 'ddim-eta0.5'; take 'ddpm'"):
        diffusion.sample(both("or"), noise, sampler="ddim-eta0.5", steps=5, rng=1)
    with pytest.raises(
        ValueError, match="expected a sampler that calls the network at its states, received 'sa-solver'"
    ):
        diffusion.sample(both("or"), noise, sampler="sa-solver", steps=5, rng=1)
    with pytest.raises(ValueError, match="expected a sampler of one call a step for 'and', received 'dpmpp-2s-sde'"):
        diffusion.sample(both("and"), noise, sampler="dpmpp-2s-sde", steps=5, rng=1)
    with pytest.raises(ValueError, match=r"expected a run from noise, .* received one from data"):
        diffusion.encode(both("or"), noise, sampler="ddim", steps=5)
    with pytest.raises(TypeError, match="expected a run, received one call"):
        both("or")(noise, 0.5)
    with pytest.raises(TypeError, match="expected rng= a seed, seeds or a generator, received 'seven'"):
        diffusion.sample(both("or"), noise, sampler="ddpm", steps=5, rng="seven")


def test_bad_options_are_refused_at_the_door():
    models = [model(FIRST), model(SECOND)]
    with pytest.raises(ValueError, match="expected two denoisers or more, received 1"):
        guidance.superpose(models[:1])
    with pytest.raises(ValueError, match="expected models of one schedule, received"):
        guidance.superpose([models[0], model(SECOND, diffusion.VP.cosine())])
    with pytest.raises(ValueError, match="expected one weight for each of 2 models, of sum 1"):
        guidance.superpose(models, [0.5, 0.4])
    with pytest.raises(ValueError, match="expected mode='or' beside a temperature or offsets, received 'and'"):
        guidance.superpose(models, "and", offsets=[0.0, 1.0])
    with pytest.raises(ValueError, match="expected one offset for each of 2 models, received 3"):
        guidance.superpose(models, "or", offsets=[0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match="expected mode"):
        guidance.superpose(models, "xor")
    with pytest.raises(TypeError, match="expected denoiser to be a Denoiser, received 'model'"):
        guidance.superpose([models[0], "model"])
