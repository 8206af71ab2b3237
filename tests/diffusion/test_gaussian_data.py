"""Every door, by the closed form: of Gaussian data the flow, the latents, the densities and each step are known."""

import numpy as np
import pytest

import diffusion

MEAN, SCALE = 0.4, 0.7
SCHEDULES = {
    "vp": diffusion.VP.linear(),
    "cosine": diffusion.VP.cosine(),
    "sub-vp": diffusion.SubVP(),
    "ve": diffusion.VE(),
    "edm": diffusion.EDM(),
    "flow": diffusion.FlowMatching(),
    "shifted": diffusion.FlowMatching(shift=3.0),
    "table": diffusion.VP.from_betas(np.linspace(1e-4, 2e-2, 1000)),
}
NOISE = np.random.default_rng(0).standard_normal((5, 3))


def parts(schedule, t):
    return float(schedule.alpha(t)), float(schedule.sigma(t))


def data_of(schedule, x, t):
    """E[x₀|x]."""
    alpha, sigma = parts(schedule, t)
    return MEAN + alpha * SCALE**2 / (alpha**2 * SCALE**2 + sigma**2) * (x - alpha * MEAN)


def denoiser(schedule, seen=None):
    def network(x, told):
        t = float(schedule.time_of_network(float(np.ravel(told)[0])))
        if seen is not None:
            seen.append((t, x))
        return data_of(schedule, x, t)

    return diffusion.Denoiser(network, "data", schedule)


def flow(schedule, x, start, end):
    """The state at ``end`` of the probability flow through x at ``start``."""
    (a, s), (b, r) = parts(schedule, start), parts(schedule, end)
    return b * MEAN + (x - a * MEAN) * np.sqrt((b**2 * SCALE**2 + r**2) / (a**2 * SCALE**2 + s**2))


def noise_scale(schedule):
    return float(schedule.noise_scale(schedule.t_start))


each_schedule = pytest.mark.parametrize("key", SCHEDULES)


@each_schedule
def test_a_trajectory_is_the_flow_at_its_steps_and_between_them(key):
    schedule = SCHEDULES[key]
    run = diffusion.trajectory(denoiser(schedule), NOISE, steps=60, sampler="unipc3", dense_output=True)
    times = [*run.t, *(run.t[:-1] + 0.37 * np.diff(run.t))]
    for t in times:
        right = flow(schedule, run.y[0], run.t[0], t)
        assert np.max(np.abs(run.sol(t) - right)) < 5e-3 * np.max(np.abs(right))


@each_schedule
def test_latents_are_those_of_the_flow_backwards_and_lead_back(key):
    schedule, known = SCHEDULES[key], denoiser(SCHEDULES[key])
    latents = diffusion.encode(known, NOISE, steps=100, sampler="unipc3")
    times = diffusion.trajectory(known, NOISE, steps=100, sampler="unipc3").t
    last = times[-1] if parts(schedule, times[-1])[1] > 0 else times[-2]
    assert np.max(np.abs(latents * noise_scale(schedule) - flow(schedule, NOISE, last, times[0]))) < 2e-3 * max(
        1.0, noise_scale(schedule)
    )
    exact = diffusion.invert(known, NOISE, steps=20)
    assert np.max(np.abs(diffusion.sample(known, exact, sampler="bdia", steps=20) - NOISE)) < 1e-8


@each_schedule
def test_densities_are_those_of_the_flow_from_the_prior(key):
    """log p(x) = log N(x_T; 0, noise scale) + log |dx_T/dx|, as far as the prior is what the data become."""
    schedule = SCHEDULES[key]
    (a, s), (b, r) = parts(schedule, schedule.t_end), parts(schedule, schedule.t_start)
    stretch = np.sqrt((b**2 * SCALE**2 + r**2) / (a**2 * SCALE**2 + s**2))
    first = flow(schedule, NOISE, schedule.t_end, schedule.t_start) / noise_scale(schedule)
    right = (-0.5 * first**2 - 0.5 * np.log(2 * np.pi) - np.log(noise_scale(schedule)) + np.log(stretch)).sum(axis=1)
    known = denoiser(schedule)
    found = diffusion.log_likelihood(known, NOISE, steps=120, divergence="differences")
    np.testing.assert_allclose(found, right, rtol=0, atol=1e-3)
    bits = diffusion.log_likelihood(
        known, NOISE, steps=120, divergence="differences", bits_per_dim=True, bin_width=2 / 255
    )
    np.testing.assert_allclose(bits, -(found / 3 + np.log(2 / 255)) / np.log(2), rtol=1e-12)


@each_schedule
def test_image_to_image_starts_from_noisy_data_and_follows_the_flow(key):
    schedule, seen, rng = SCHEDULES[key], [], np.random.default_rng(1)
    data, noise = rng.standard_normal((2, 4, 3))
    made = diffusion.image_to_image(denoiser(schedule, seen), data, noise, strength=0.5, steps=80, sampler="unipc3")
    t, x = seen[0]
    alpha, sigma = parts(schedule, t)
    np.testing.assert_allclose(x, alpha * data + sigma * noise, rtol=0, atol=1e-9)
    np.testing.assert_allclose(x, diffusion.add_noise(schedule, data, noise, t), rtol=0, atol=1e-9)
    end = diffusion.trajectory(denoiser(schedule), NOISE, steps=160, sampler="unipc3").t[-1]
    assert np.max(np.abs(made - flow(schedule, x, t, end))) < 5e-3


@pytest.mark.parametrize("grid", ["karras", "exponential", "simple", "normal", "beta", "kl-optimal", None])
@each_schedule
def test_steps_of_ddim_are_its_formula_on_every_grid(key, grid):
    schedule = SCHEDULES[key]
    run = diffusion.trajectory(denoiser(schedule), NOISE, steps=6, grid=grid, sampler="ddim")
    x = run.y[0]
    for t, after in zip(run.t, run.t[1:]):
        (a, s), (b, r) = parts(schedule, t), parts(schedule, after)
        data = data_of(schedule, x, t)
        x = b * data + r / s * (x - a * data)
    np.testing.assert_allclose(run.y[-1], x, rtol=0, atol=1e-9 * np.max(np.abs(run.y[0])))


@pytest.mark.parametrize("sampler", ["auto", "unipc3", "dpmpp-3m", "deis-tab3", "deis-rhoab3", "ipndm", "lms4", "sa3"])
@pytest.mark.parametrize("key", ["vp", "flow", "edm", "table"])
def test_a_time_next_to_another_costs_little_accuracy(key, sampler):
    schedule, known = SCHEDULES[key], denoiser(SCHEDULES[key])
    run = diffusion.trajectory(known, NOISE, steps=20, sampler=sampler)
    right = flow(schedule, run.y[0], run.t[0], run.t[-1])
    own = np.where(np.arange(21) == 11, run.t * 0.999, run.t)  # no longer those of auto, which dares more on them
    before = np.max(np.abs(diffusion.sample(known, NOISE, grid=own, sampler=sampler) - right))
    for place, gap in ((3, 1e-7), (8, 1e-10), (15, 1e-5)):
        times = np.sort([*own, own[place] * (1 - gap)])[::-1]
        after = np.max(np.abs(diffusion.sample(known, NOISE, grid=times, sampler=sampler) - right))
        assert after < (5 if sampler == "auto" else 20) * before + 1e-6  # auto lost a factor of 80, and gains now


@pytest.mark.parametrize("mode", ["or", [0.3, 0.7]])
@each_schedule
def test_a_model_beside_itself_is_the_model(key, mode):
    known = denoiser(SCHEDULES[key])
    both = diffusion.guidance.superpose([known, known], mode, divergence="differences")
    twice = diffusion.sample(both, NOISE, steps=10, sampler="ddim")
    np.testing.assert_allclose(twice, diffusion.sample(known, NOISE, steps=10, sampler="ddim"), rtol=0, atol=1e-9)


@pytest.mark.parametrize("towards", [0, 1])
def test_transport_between_gaussians_is_the_affine_map(towards):
    (m0, s0), (m1, s1) = (-1.0, 0.5), (2.0, 1.5)

    def velocity(x, t):
        t = float(np.ravel(t)[0])
        variance = ((1 - t) * s0) ** 2 + (t * s1) ** 2
        return (m1 - m0) + (t * s1**2 - (1 - t) * s0**2) / variance * (x - (1 - t) * m0 - t * m1)

    first = m0 + s0 * NOISE
    ends = [first, m1 + s1 / s0 * (first - m0)]
    made = diffusion.transport(diffusion.Interpolant(), velocity, ends[1 - towards], steps=60, towards=towards)
    assert np.max(np.abs(made - ends[towards])) < 1e-2
