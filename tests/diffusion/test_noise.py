"""Randomness is an argument: a sample depends on its own seed, and on nothing else."""

from itertools import pairwise

import numpy as np
import pytest
import torch

import diffusion
from diffusion.noise import Recorded, Seeded, noise_for

pytestmark = pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")  # of few and long steps

NET = diffusion.models.gaussian_mixture([0.3, 0.7], [[-1.0, 0.0], [1.0, 0.5]], [0.1 * np.eye(2)] * 2)
NOISE = np.random.default_rng(0).standard_normal((8, 2))
SAMPLERS = ["dpmpp-2m-sde", "sa-solver", "dpmpp-2s-sde", "edm-stochastic", "dpm2-ancestral", "ddpm", "lcm"]
SEEDS = [3, 1, 4, 15, 9, 26, 5, 35]


def sample(noise, rng, sampler="dpmpp-2m-sde", steps=6):
    return diffusion.sample(NET, noise, sampler=sampler, steps=steps, rng=rng)


@pytest.mark.filterwarnings("ignore::diffusion.UnstableWarning")
@pytest.mark.parametrize("name", SAMPLERS)
def test_eight_runs_of_one_sample_are_one_run_of_eight_to_the_last_bit(name):
    whole = sample(NOISE, SEEDS, name)
    alone = np.concatenate([sample(NOISE[i : i + 1], [SEEDS[i]], name) for i in range(8)])
    np.testing.assert_array_equal(whole, alone)
    order = np.array([5, 2, 7, 0])
    np.testing.assert_array_equal(sample(NOISE[order], [SEEDS[i] for i in order], name), whole[order])


def test_a_seed_of_the_batch_gives_the_same_samples_again_and_another_seed_others():
    one = sample(NOISE, 7)
    np.testing.assert_array_equal(one, sample(NOISE, 7))
    np.testing.assert_array_equal(one, sample(NOISE, np.int64(7)))
    np.testing.assert_array_equal(one[:3], sample(NOISE[:3], 7))  # a prefix of the batch
    np.testing.assert_array_equal(one[:1], sample(NOISE[:1], [7]))
    assert not np.allclose(one, sample(NOISE, 8))


@pytest.mark.filterwarnings("ignore::diffusion.UnstableWarning")
@pytest.mark.parametrize("name", SAMPLERS)
def test_tensors_and_arrays_have_one_noise(name):
    expected = sample(NOISE, 7, name)
    found = sample(torch.from_numpy(NOISE), 7, name)
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-12)
    single = sample(torch.from_numpy(NOISE).float(), 7, name)
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single.numpy(), expected, rtol=0, atol=2e-4)


def test_a_generator_gives_one_seed_for_each_sample():
    one = sample(NOISE, np.random.default_rng(5))
    np.testing.assert_array_equal(one, sample(NOISE, np.random.default_rng(5)))
    seeds = np.random.default_rng(5).integers(2**63, size=8)
    np.testing.assert_array_equal(one[2:4], sample(NOISE[2:4], seeds[2:4]))
    two = [sample(NOISE, torch.Generator().manual_seed(5)) for _ in range(2)]
    np.testing.assert_array_equal(two[0], two[1])
    generator = np.random.default_rng(5)
    assert not np.allclose(sample(NOISE, generator), sample(NOISE, generator))  # it goes on


def test_the_noise_of_samples_steps_and_columns_is_independent_and_standard_normal():
    like = np.empty((4, 5000))
    noise = noise_for(11, like)
    drawn = np.stack([noise.draw(step, column, like) for step in (1, 2) for column in (0, 1)]).reshape(16, -1)
    covariance = drawn @ drawn.T / 5000
    assert np.abs(covariance - np.eye(16)).max() < 0.09  # six deviations
    assert np.abs(drawn.mean(axis=1)).max() < 0.09
    assert np.abs((drawn**4).mean(axis=1) - 3).max() < 0.9
    assert np.array_equal(noise.draw(1, 0, np.empty((4, 100))), drawn[:4].reshape(4, -1)[:, :100])


def test_the_numbers_of_a_seed_do_not_change():
    """Those of Philox (Salmon et al. 2011) as NumPy has it; a change would change everybody's pictures."""
    found = Seeded(((7, 0),)).draw(1, 0, np.empty((1, 3)))[0]
    key = np.random.SeedSequence(7, spawn_key=(0,)).generate_state(2, np.uint64)
    expected = np.random.Generator(np.random.Philox(counter=[0, 0, 0, 1], key=key)).standard_normal(3)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(found, [0.817500692067175, -0.2244950324960797, 0.5648194671746061], rtol=1e-15)


def test_noise_that_is_recorded_is_drawn_again():
    seeded = noise_for(7, NOISE)
    steps = [seeded.draw(step, 0, NOISE) for step in range(1, 7)]
    for draws in (steps, [[own] for own in steps], np.stack(steps), [torch.from_numpy(own) for own in steps]):
        np.testing.assert_array_equal(sample(NOISE, Recorded(draws)), sample(NOISE, 7))


def test_any_object_that_draws_is_a_source_of_noise():
    class Silent:
        def draw(self, step, column, like):
            return 0 * like

    quiet = sample(NOISE, Silent(), "lcm")
    assert np.all(np.isfinite(quiet))


def test_a_run_that_fails_is_told_where_with_the_same_noise():
    seen = []

    def network(x, t):
        seen.append(x)
        return x / 0.0 if len(seen) in (4, 10) else 0.5 * x

    net = diffusion.Denoiser(network, "data", diffusion.VP.linear())
    with np.errstate(all="ignore"), pytest.raises(diffusion.SamplingError, match="in call 4 of 6") as caught:
        diffusion.sample(net, NOISE, sampler="dpmpp-2m-sde", steps=6, rng=7)
    assert len(caught.value.solution.t) == 4
    np.testing.assert_array_equal(seen[3], seen[9])


def test_gradients_go_through_a_stochastic_run():
    noise = torch.from_numpy(NOISE).requires_grad_()
    sample(noise, 7).sum().backward()
    step = 1e-6
    moved = [float(sample(NOISE + sign * step * np.eye(8, 2), 7).sum()) for sign in (1, -1)]
    expected = (moved[0] - moved[1]) / (2 * step)
    assert float(noise.grad[0, 0] + noise.grad[1, 1]) == pytest.approx(expected, rel=1e-5)


def test_a_stochastic_run_has_a_trajectory_and_calls_its_watcher():
    seen = []
    watch = lambda t, x: seen.append(t)
    run = diffusion.trajectory(NET, NOISE, sampler="dpmpp-2m-sde", steps=6, rng=7, callback=watch)
    assert seen == run.t.tolist()
    assert run.calls == 6
    np.testing.assert_array_equal(run.y_end, sample(NOISE, 7))


@pytest.mark.parametrize(
    ("rng", "error", "message"),
    [
        (None, ValueError, r"expected rng= for the stochastic sampler 'dpmpp-2m-sde', received none; give a seed"),
        ([1, 2], ValueError, r"expected one seed for each of the 8 samples, received 2 in rng="),
        (list(range(9)), ValueError, r"expected one seed for each of the 8 samples, received 9"),
        (-1, ValueError, "expected the seed of rng=.* received -1"),
        ([-1] * 8, ValueError, "expected every seed of rng=.* received -1"),
        (1.5, TypeError, r"expected rng= a seed, seeds or a generator, received 1\.5"),
        (True, TypeError, "expected rng= a seed, seeds or a generator, received True"),
        ("seven", TypeError, "expected rng= a seed, seeds or a generator, received 'seven'"),
        (Seeded(((1, 0),)), ValueError, "expected one seed for each of the 8 samples, received 1"),
        (Recorded([NOISE]), ValueError, "expected recorded noise for column 0 of step 2, received 1 steps"),
        (Recorded([NOISE[:3]] * 9), ValueError, r"expected noise of the shape \(8, 2\) .* received \(3, 2\) in step 1"),
    ],
)
def test_randomness_that_is_none_is_refused(rng, error, message):
    with pytest.raises(error, match=message):
        sample(NOISE, rng)


def test_noise_for_a_sampler_that_draws_none_is_refused():
    with pytest.raises(ValueError, match="expected a stochastic sampler beside rng=, received 'ddim'"):
        diffusion.sample(NET, NOISE, sampler="ddim", steps=3, rng=7)


def test_a_path_between_the_steps_of_a_stochastic_run_is_refused():
    with pytest.raises(ValueError, match="expected dense_output=False for the stochastic sampler 'ddpm'"):
        diffusion.trajectory(NET, NOISE, sampler="ddpm", steps=3, rng=7, dense_output=True)


def test_a_sampler_that_noise_makes_unstable_is_told_of():
    sampler = diffusion.sampler("unipc3-noise", stochasticity=1)
    told = pytest.warns(diffusion.UnstableWarning, match="expected a stochastic sampler that is stable on its grid")
    with told, np.errstate(all="ignore"):
        diffusion.trajectory(NET, NOISE, sampler=sampler, steps=12, rng=7, start="state")


# One path for runs of any steps ---------------------------------------------------------------------------------------
def on_path(sampler, steps, network=NET, path=None):
    grid = network.schedule.time(np.linspace(-3.0, 3.0, steps + 1))
    rng = diffusion.noise.BrownianPath(7, depth=10) if path is None else path
    return diffusion.sample(network, NOISE, sampler=sampler, grid=grid, start="state", rng=rng)


@pytest.mark.filterwarnings("ignore::diffusion.UnstableWarning")
@pytest.mark.parametrize("name", ["dpmpp-2m", "dpmpp-2s", "dpm2m", "deis-rhoab1", "sa2"])
def test_twice_the_steps_see_the_same_path(name):
    """Where no network answers to it the noise of a run is that of its path alone, whatever the steps."""
    sampler = diffusion.sampler(name, stochasticity=0.8)
    kind = sampler.gauge.predicts
    silent = diffusion.Denoiser(lambda x, t: 0 * x, kind, diffusion.VP.linear())
    runs = [on_path(sampler, steps, silent) for steps in (4, 8, 32)]
    np.testing.assert_allclose(runs[1], runs[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(runs[2], runs[0], rtol=1e-9, atol=1e-12)


def test_runs_on_one_path_come_together_with_order_one():
    sampler, smooth = (
        diffusion.sampler("dpmpp-sde"),
        diffusion.models.gaussian_mixture([1.0], [[0.4, -1.0]], [0.3 * np.eye(2)]),
    )
    runs = [on_path(sampler, steps, smooth) for steps in (64, 128, 256)]
    gaps = [np.median(np.abs(b - a)) for a, b in pairwise(runs)]
    assert 1.4 < gaps[0] / gaps[1] < 2.8
    seeds = np.median(np.abs(on_path(sampler, 64, smooth, 7) - on_path(sampler, 128, smooth, 7)))
    assert seeds > 10 * gaps[0]


def test_the_increments_of_a_path_are_standard_normal_and_independent():
    path = diffusion.noise.BrownianPath(3).along([[(-1.0, 0.2)], [(0.2, 0.5), (0.5, 2.0)]], lambda a, b: b**3 - a**3)
    like = np.full((4, 4000), np.nan)  # of a state its shape alone counts
    drawn = np.stack([path.draw(1, 0, like), path.draw(2, 0, like), path.draw(2, 1, like)]).reshape(3, -1)
    assert np.abs(drawn @ drawn.T / 16000 - np.eye(3)).max() < 0.06
    np.testing.assert_array_equal(
        path.draw(1, 0, like)[2:3],
        diffusion.noise.BrownianPath(Seeded(((3, 2),))).along(path.places, path.variance).draw(1, 0, like[2:3]),
    )


@pytest.mark.filterwarnings("ignore::diffusion.UnstableWarning")
def test_a_path_is_refused_where_its_clock_depends_on_the_steps():
    for name in ("ddim-eta0.5", "er-sde-1", "lcm", "edm-stochastic"):
        with pytest.raises(ValueError, match=f"expected a sampler of one finite strength .* received '{name}'"):
            diffusion.sample(NET, NOISE, sampler=name, steps=4, rng=diffusion.noise.BrownianPath(7))
    with pytest.raises(ValueError, match="expected a run of a sampler for a Brownian path, received step 1"):
        diffusion.noise.BrownianPath(7).draw(1, 0, NOISE)
