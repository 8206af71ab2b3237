"""Chains over states and noise levels: their law, their levels, the solves from each, what they cost."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

import diffusion
from diffusion import chains

EDM = diffusion.EDM(0.01, 50.0)
TWO = ([0.25, 0.75], [[-1.0], [1.0]], [[[0.04]], [[0.09]]])
CLEAR = diffusion.VP.zero_terminal_snr(np.linspace(1e-4, 2e-2, 100))  # no data are left at t = 1
SCHEDULES = [diffusion.VP.linear(), diffusion.VP.cosine(), diffusion.VE(0.01, 50.0), EDM, diffusion.FlowMatching()]


def net(schedule=EDM, predicts="noise"):
    return diffusion.models.gaussian_mixture(*TWO, schedule, predicts=predicts)


def run_of(denoiser, start, count=20, low=0.1, high=2.0, **options):
    levels = chains.noise_levels(denoiser.schedule, count, low, high)
    given = {"step": 0.1, "samples": 10, "rng": 7} | options
    return chains.langevin_gibbs(denoiser, start, levels=levels, **given)


def starts(count):
    return np.where(np.arange(count) % 2, 1.0, -1.0)[:, None]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: type(schedule).__name__)
def test_samples_have_the_law_of_the_data_on_every_process(schedule):
    run = run_of(net(schedule, "velocity"), starts(250), samples=16, steps=3, step=lambda rho: 0.3 * rho**2)
    x = run.samples[4:].ravel()
    assert abs(np.mean(x > 0) - 0.75) < 0.06
    assert abs(np.mean(x[x > 0]) - 1.0) < 0.05
    assert abs(np.std(x[x > 0]) - 0.3) < 0.06


def test_levels_are_drawn_by_their_exact_conditional():
    """By SciPy's densities of y = x₀ + ρ ε, at states far apart, on a process with α < 1."""
    schedule = diffusion.VP.cosine()
    times = chains.noise_levels(schedule, 5, 0.3, 3.0)
    rho = np.geomspace(3.0, 0.3, 5)
    np.testing.assert_allclose(schedule.sigma(times) / schedule.alpha(times), rho, rtol=1e-9)
    from diffusion.chains.levels import logits_of

    y = np.array([[0.2], [3.0], [-8.0]])
    found = logits_of(net(schedule), times, None)(y)
    each = [sum(w * multivariate_normal(m, np.add(c, r**2)).pdf(y) for w, m, c in zip(*TWO)) for r in rho]
    np.testing.assert_allclose(found, np.log(np.stack(each, axis=1)), rtol=1e-9)


def test_the_levels_of_a_chain_are_those_of_the_joint_law():
    """Of one Gaussian and few levels: every level is visited as often as any other, since they are equally likely."""
    normal = diffusion.models.gaussian_mixture([1.0], [[0.0]], [[[1.0]]], EDM)
    run = run_of(normal, starts(500), count=4, low=0.5, high=2.0, samples=30, step=lambda rho: 0.2 * rho**2)
    share = np.bincount(run.visited[40:].ravel(), minlength=4) / run.visited[40:].size
    np.testing.assert_allclose(share, 0.25, atol=0.04)


def test_every_state_is_solved_from_its_own_level():
    """A network that notes the noise levels it is asked at: those of the moves, then those of each solve."""
    asked, exact = [], net(EDM, "data")

    def network(x, t):
        asked.append(np.array(t))
        return exact.network(x, t)

    noted = diffusion.Denoiser(network, "data", EDM)
    levels = chains.noise_levels(EDM, 20, 0.1, 2.0)
    run = chains.langevin_gibbs(
        noted, starts(6), levels=levels, step=0.1, samples=1, skip=2, burn_in=3, steps=2, rng=1,
        level_logits=lambda y: np.stack([exact.network.log_density(y, t) for t in levels], axis=1),
    )  # fmt: skip
    assert [len(t) for t in asked[:5]] == [6] * 5
    first = {float(t[0]) for t in asked[5:]} - {EDM.t_end}
    assert first == set(levels[run.solved_from[0]].tolist())
    np.testing.assert_array_equal(run.solved_from[0], run.visited[3:].max(axis=0))  # the least noise among two moves
    assert sum(len(t) for t in asked) == sum((run.calls_to_burn_in + run.calls_of_moves + run.calls_of_solves).tolist())
    assert run.calls_per_sample == 4.0
    assert run.calls_of_levels == 5


@pytest.mark.parametrize("sampler", ["edm-heun", "dpmpp-2m", "unipc3", "auto", "ddpm", "dpmpp-2m-sde"])
def test_any_sampler_solves_them(sampler):
    run = run_of(net(), starts(40), sampler=sampler, steps=4, samples=4)
    assert np.all(np.isfinite(run.samples))
    assert np.median(np.abs(np.abs(run.samples) - 1.0)) < 0.4
    assert run.calls_of_solves[0] == (28 if sampler == "edm-heun" else 16)


def test_a_chain_does_not_depend_on_the_others_and_goes_on_where_it_ended():
    for sampler in ("ddim", "ddpm"):
        whole = run_of(net(), starts(4), rng=[3, 1, 4, 1], sampler=sampler, samples=6)
        alone = run_of(net(), starts(4)[2:3], rng=[4], sampler=sampler, samples=6)
        np.testing.assert_array_equal(whole.samples[:, 2], alone.samples[:, 0])
        part = run_of(net(), starts(4), rng=[3, 1, 4, 1], sampler=sampler, samples=2)
        rest = run_of(net(), part, rng=[3, 1, 4, 1], sampler=sampler, samples=4)
        np.testing.assert_array_equal(np.concatenate([part.samples, rest.samples]), whole.samples)
        assert not rest.calls_to_burn_in.any()


def test_tensors_of_any_shape_give_what_arrays_do():
    found = run_of(net(), torch.from_numpy(starts(6)).reshape(6, 1, 1), samples=3)
    expected = run_of(net(), starts(6), samples=3)
    assert isinstance(found.samples, torch.Tensor)
    np.testing.assert_allclose(found.samples.numpy().reshape(3, 6, 1), expected.samples, rtol=0, atol=1e-9)


def test_autocorrelations_and_effective_sizes_are_those_of_autoregressive_series():
    """x_n = φ x_{n−1} + e has r_k = φᵏ and n (1 − φ)/(1 + φ) independent samples."""
    rng = np.random.default_rng(0)
    for phi in (0.0, 0.5, 0.9, -0.4):
        x = np.empty((4000, 8))
        x[0] = rng.standard_normal(8) / np.sqrt(1 - phi**2)
        for n in range(1, len(x)):
            x[n] = phi * x[n - 1] + rng.standard_normal(8)
        np.testing.assert_allclose(chains.autocorrelation(x)[:5], phi ** np.arange(5), atol=0.03)
        assert chains.effective_sample_size(x) == pytest.approx(x.size * (1 - phi) / (1 + phi), rel=0.12)
        np.testing.assert_allclose(chains.autocorrelation(x[:, 0])[:3], phi ** np.arange(3), atol=0.06)


def test_chains_that_stay_apart_are_worth_one_sample_each():
    apart = np.random.default_rng(1).standard_normal((500, 4)) * 0.01 + np.arange(4.0)
    assert chains.autocorrelation(apart)[300] > 0.9
    assert chains.effective_sample_size(apart) < 8
    still = run_of(net(), starts(40), count=5, low=0.02, high=0.05, step=1e-4, samples=12)
    moving = run_of(net(), starts(40), samples=12, step=lambda rho: rho**2)
    assert still.effective_sample_size() < 60 < moving.effective_sample_size()
    assert moving.autocorrelation(lambda x: x[..., 0] > 0)[5] < still.autocorrelation()[5] - 0.3


def test_what_is_no_chain_is_refused_by_name():
    start, levels = starts(4), chains.noise_levels(EDM, 5, 0.1, 2.0)
    good = {"levels": levels, "step": 0.1, "samples": 2, "rng": 1}
    unknown = diffusion.Denoiser(lambda x, t: 0 * x, "data", EDM)
    lost = diffusion.Denoiser(lambda x, t: np.nan * x, "data", EDM)
    for raised, message, denoiser, begin, options in (
        (ValueError, r"expected burn_in= of at least one move .* received 0", net(), start, {"burn_in": 0}),
        (ValueError, "expected level_logits= for .* does not know its log_density", unknown, start, {}),
        (ValueError, "expected log-probabilities of shape", net(), start, {"level_logits": lambda y: y}),
        (ValueError, "expected noise levels with data", net(CLEAR), start, {"levels": [1.0, 0.5]}),
        (ValueError, "expected strictly decreasing times", net(), start, {"levels": levels[::-1]}),
        (ValueError, "step", net(), start, {"step": -0.1}),
        (ValueError, r"expected step\(ρ\) > 0", net(), start, {"step": lambda rho: 0 * rho}),
        (ValueError, "samples", net(), start, {"samples": 0}),
        (TypeError, "expected rng= a seed", net(), start, {"rng": "seven"}),
        (TypeError, "expected denoiser to be a Denoiser", "net", start, {}),
        (FloatingPointError, "take a smaller step=", lost, start, {"level_logits": lambda y: np.zeros((4, 5))}),
    ):  # fmt: skip
        with pytest.raises(raised, match=message):
            chains.langevin_gibbs(denoiser, begin, **(good | options))
    run = chains.langevin_gibbs(net(), start, **good)
    with pytest.raises(ValueError, match=r"expected the 5 levels of the chains to go on"):
        run_of(net(), run)
    with pytest.raises(ValueError, match=r"n ≥ 4"):
        run.effective_sample_size()
    with pytest.raises(ValueError, match="low"):
        chains.noise_levels(EDM, 5, 0.0, 1.0)
