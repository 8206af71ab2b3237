"""Stochastic runs to a tolerance, beside runs of many steps on the same Brownian path."""

import numpy as np
import pytest

import diffusion
from diffusion.noise import BrownianPath, Recorded

NET = diffusion.models.gaussian_mixture([0.3, 0.7], [[-1.0, 0.0], [1.0, 0.5]], [0.1 * np.eye(2)] * 2)
NOISE = np.random.default_rng(0).standard_normal((6, 2))
SEEDS = [3, 1, 4, 15, 9, 2]


def fine(sampler, steps=512):
    schedule = NET.schedule
    ends = schedule.half_log_snr(np.array([schedule.t_start, schedule.t_end]))
    grid = schedule.time(np.linspace(*ends, steps + 1))
    grid[[0, -1]] = schedule.t_start, schedule.t_end
    return diffusion.sample(NET, NOISE, sampler=sampler, grid=grid, rng=BrownianPath(SEEDS))


@pytest.mark.parametrize("name", ["ddpm", "dpmpp-2m-sde", "dpmpp-2s-sde"])
def test_samples_are_as_near_to_the_limit_of_their_path_as_is_asked(name):
    exact = fine(name)
    for rtol in (0.2, 0.05):
        found = diffusion.sample(NET, NOISE, sampler=name, rtol=rtol, rng=SEEDS)
        off = np.sqrt(np.mean(((found - exact) / (rtol * (1.0 + np.abs(exact)))) ** 2, axis=1))
        assert np.median(off) < 1.0
        assert off.max() < 3.0


def test_a_sample_depends_on_its_seed_and_the_tolerance_only():
    how = {"sampler": diffusion.sampler("dpmpp-2m", stochasticity=0.5), "rtol": 0.05}
    whole = diffusion.sample(NET, NOISE, rng=SEEDS, **how)
    turned = diffusion.sample(NET, NOISE[::-1], rng=SEEDS[::-1], **how)
    np.testing.assert_array_equal(turned[::-1], whole)
    np.testing.assert_array_equal(diffusion.sample(NET, NOISE[2:3], rng=SEEDS[2:3], **how), whole[2:3])
    np.testing.assert_array_equal(diffusion.sample(NET, NOISE, rng=BrownianPath(SEEDS), **how), whole)


def test_each_sample_has_its_own_condition_and_no_more_calls_than_it_needs():
    """Data that are one picture, which a first run finds exactly, beside data of a mixture."""
    seen = []

    def network(x, t, easy):
        seen.append(len(x))
        return np.where(easy[:, None], 0.5 + 0.0 * x, NET.predict(x, float(t[0]), "data"))

    easy = np.array([True, False] * 3)
    net = diffusion.Denoiser(network, "data", NET.schedule, condition={"easy": easy})
    found = diffusion.sample(net, NOISE, sampler="ddpm", rtol=0.05, rng=SEEDS)
    np.testing.assert_allclose(found[easy], 0.5, atol=0.05)
    plain = diffusion.sample(NET, NOISE, sampler="ddpm", rtol=0.05, rng=SEEDS)
    np.testing.assert_allclose(found[~easy], plain[~easy], atol=1e-12)
    assert seen[0] == 6
    assert seen[-1] <= 3


def test_torch_samples_are_of_their_kind():
    torch = pytest.importorskip("torch")
    found = diffusion.sample(NET, torch.from_numpy(NOISE), sampler="ddpm", rtol=0.1, rng=SEEDS)
    assert isinstance(found, torch.Tensor)
    np.testing.assert_allclose(found, diffusion.sample(NET, NOISE, sampler="ddpm", rtol=0.1, rng=SEEDS), atol=1e-9)


def test_a_tolerance_that_is_not_reached_is_said_with_the_run(monkeypatch):
    monkeypatch.setattr("diffusion.running.refined._LADDER", (8, 16))
    with pytest.raises(diffusion.SamplingError, match=r"16 steps are not enough for samples .0, 1, 2, 3, 4") as caught:
        diffusion.sample(NET, NOISE, sampler="dpmpp-2m-sde", rtol=1e-9, rng=7)
    assert caught.value.solution.y.shape == (1, 6, 2)


def sampled(net=NET, **how):
    return lambda: diffusion.sample(net, NOISE, **{"sampler": "ddpm", "rtol": 0.1, "rng": 7, **how})


MEAN = diffusion.Denoiser(lambda x, t: 0.0 * x, "data", diffusion.MeanReverting("cosine", 0.5, mean=1.0))


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (sampled(rng=None), ValueError, "expected rng= for a stochastic sampler"),
        (sampled(rng=[1, 2]), ValueError, "one seed for each"),
        (sampled(rng=Recorded([NOISE] * 8)), TypeError, "has no path for finer steps"),
        (sampled(steps=8), ValueError, "expected no steps= beside rtol="),
        (sampled(grid=[1.0, 0.5]), ValueError, "expected no grid= beside rtol="),
        (sampled(callback=print), ValueError, "expected no callback= beside rtol="),
        (sampled(rtol=-1.0), ValueError, "rtol"),
        (sampled(sampler="ddim-eta0.5"), ValueError, "one finite strength"),
        (sampled(sampler="restart"), ValueError, "one finite strength"),
        (sampled(sampler="auto"), ValueError, "leave rng= out"),
        (sampled(MEAN), ValueError, "without a mean"),
        (
            sampled(diffusion.Denoiser(lambda x, t: 0.0 * x, "data", diffusion.FlowMatching(t_start=1.0))),
            ValueError,
            "λ",
        ),
        (lambda: diffusion.trajectory(NET, NOISE, sampler="ddpm", rtol=0.1), ValueError, "without noise beside rtol="),
    ],
)
def test_what_has_no_path_or_no_tolerance_is_refused(make, error, match):
    with pytest.raises(error, match=match):
        make()
