"""Side by side with the schedulers of diffusers, where they are installed: the presets that carry their name."""

import numpy as np
import pytest
import torch

import diffusion
from diffusion.models.mixture import gaussian_mixture

from .golden import mixture

schedulers = pytest.importorskip("diffusers.schedulers")

pytestmark = [  # theirs
    pytest.mark.filterwarnings("ignore:__array:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*algorithm_type:FutureWarning"),
]

BETAS = np.linspace(1e-4, 2e-2, 1000)
VP = diffusion.VP.from_betas(BETAS)
EPS = gaussian_mixture(*mixture()[:3], VP, predicts="noise")
NOISE = mixture()[3]
CASES = {
    "ddim@diffusers": ("DDIMScheduler", {"clip_sample": False}),
    "dpmpp-2m@diffusers": ("DPMSolverMultistepScheduler", {"solver_order": 2}),
    "dpmpp-3m@diffusers": ("DPMSolverMultistepScheduler", {"solver_order": 3}),
    **{
        f"dpm{q}m@diffusers": (
            "DPMSolverMultistepScheduler",
            {"solver_order": q, "algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"},
        )
        for q in (2, 3)
    },
    **{
        f"unipc{q}-{variant}@diffusers": (
            "UniPCMultistepScheduler",
            {"solver_order": q, "solver_type": variant, "final_sigmas_type": final},
        )
        for q in (1, 2, 3, 4)
        for variant, final in (("bh1", "sigma_min"), ("bh2", "zero"))
    },
    **{
        f"sa{q}@diffusers": (
            "SASolverScheduler",
            {"predictor_order": q, "corrector_order": q + 1, "tau_func": lambda t: 0},
        )
        for q in (1, 2, 3)
    },
    **{f"deis{q}@diffusers": ("DEISMultistepScheduler", {"solver_order": q}) for q in (1, 2, 3)},
}


TO_ZERO = [name for name in CASES if name.startswith("dpmpp") or "bh2" in name]


def made(name, **options):
    return getattr(schedulers, name)(num_train_timesteps=1000, trained_betas=BETAS.tolist(), **options)


def run(scheduler, network, steps, sigmas=None):
    """Return the timesteps that a scheduler asks for, and the last sample; ``sigmas`` in place of its rounded ones."""
    scheduler.set_timesteps(steps)
    if sigmas is not None:
        np.testing.assert_allclose(scheduler.sigmas, sigmas, rtol=1e-4)
        scheduler.sigmas = torch.from_numpy(sigmas)
    x = torch.from_numpy(NOISE)
    asked = [int(timestep) for timestep in scheduler.timesteps]
    for timestep in scheduler.timesteps:
        x = scheduler.step(network(x, int(timestep)), timestep, x, return_dict=False)[0]
    return asked, x.numpy()


def recording(network):
    """Return the network with its calls at whole timesteps, which are noted."""
    asked = []

    def call(x, t):
        index = torch.round(1000 * t - 1)
        assert torch.all(torch.abs(1000 * t - 1 - index) < 1e-9)
        asked.append(int(index[0]))
        return network(x, float(t[0]))

    return diffusion.Denoiser(call, "noise", VP), asked


@pytest.mark.parametrize("steps", [8, 14, 15, 20])
@pytest.mark.parametrize("preset", CASES)
def test_the_preset_makes_the_run_of_the_scheduler(preset, steps):
    """Timesteps, start, order, end: all of it, by the number of steps alone."""
    name, options = CASES[preset]
    expected, x = run(made(name, **options), lambda x, i: EPS(x, (i + 1) / 1000), steps)
    denoiser, asked = recording(EPS)
    found = diffusion.sample(denoiser, torch.from_numpy(NOISE), sampler=preset, steps=steps)
    assert asked == expected
    # they keep noise levels in single precision; the coefficients of DEIS are differences of antiderivatives, too
    rounding = 2e-4 if "deis" in preset else 1e-5
    np.testing.assert_allclose(found.numpy(), x, rtol=0, atol=rounding)


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("preset", [name for name in CASES if "ddim" not in name])
def test_the_shortest_runs_are_those_of_the_scheduler_with_noise_levels_in_double_precision(preset, steps):
    name, options = CASES[preset]
    scheduler = made(name, **options)
    final = "zero" if preset in TO_ZERO else "sigma_min"
    grid = diffusion.grids.timesteps(steps, "linspace", schedule=VP, final=final)
    with np.errstate(divide="ignore"):
        _, x = run(scheduler, lambda x, i: EPS(x, (i + 1) / 1000), steps, sigmas=VP.rho(grid))
    found = diffusion.sample(EPS, NOISE, sampler=preset, steps=steps)
    single = name.startswith("DPM")  # their state is in single precision, and 1/α = 157 at the start
    np.testing.assert_allclose(found, x, rtol=0, atol=3e-5 if single else 2e-6)


@pytest.mark.parametrize("steps", [2, 5, 14, 15])
@pytest.mark.parametrize("preset", TO_ZERO)
def test_a_grid_that_ends_above_zero_is_the_run_of_the_scheduler_to_sigma_min(preset, steps):
    name, options = CASES[preset]
    scheduler = made(name, **{**options, "final_sigmas_type": "sigma_min"})
    grid = diffusion.grids.timesteps(steps, "linspace", schedule=VP, final="sigma_min")
    expected, x = run(scheduler, lambda x, i: EPS(x, (i + 1) / 1000), steps, sigmas=VP.rho(grid))
    denoiser, asked = recording(EPS)
    found = diffusion.sample(denoiser, torch.from_numpy(NOISE), sampler=preset, grid=grid)
    assert asked == expected
    np.testing.assert_allclose(found.numpy(), x, rtol=0, atol=1e-6)


@pytest.mark.parametrize("preset", [name for name in CASES if name not in TO_ZERO and "ddim" not in name])
def test_a_step_to_zero_noise_that_the_scheduler_does_not_make_is_refused(preset):
    name, options = CASES[preset]
    grid = diffusion.grids.timesteps(5, "linspace", schedule=VP)
    with pytest.raises(ValueError, match="expected a grid that ends above σ = 0, received one that ends there"):
        diffusion.sample(EPS, NOISE, sampler=preset, grid=grid)
    if name in ("DPMSolverMultistepScheduler", "DEISMultistepScheduler", "SASolverScheduler"):
        return  # they raise, or have no such option
    _, x = run(made(name, **{**options, "final_sigmas_type": "zero"}), lambda x, i: EPS(x, (i + 1) / 1000), 5)
    assert np.all(np.isnan(x))


@pytest.mark.parametrize("calls", [1, 2, 3, 4, 5, 6, 7, 8, 15])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_singlestep_runs_are_those_of_its_scheduler(order, calls):
    scheduler = made("DPMSolverSinglestepScheduler", solver_order=order)
    expected, x = run(scheduler, lambda x, i: EPS(x, (i + 1) / 1000), calls)
    denoiser, asked = recording(EPS)
    found = diffusion.sample(denoiser, torch.from_numpy(NOISE), sampler=f"singlestep{order}@diffusers", steps=calls)
    assert asked == expected
    np.testing.assert_allclose(found.numpy(), x, rtol=0, atol=3e-5)


def run_multistage(name, schedule, steps):
    """Return what a scheduler with a state in x/α makes of NOISE, and its timesteps."""
    scheduler = made(name)
    scheduler.set_timesteps(steps)
    alphas = {float(t): float(schedule.alpha((float(t) + 1) / 1000)) for t in scheduler.timesteps}
    x = torch.from_numpy(NOISE) / alphas[float(scheduler.timesteps[0])]
    for t in scheduler.timesteps:
        x = scheduler.step(EPS(alphas[float(t)] * x, (float(t) + 1) / 1000), t, x, return_dict=False)[0]
    return scheduler.timesteps.numpy(), x.numpy()


@pytest.mark.parametrize(
    ("preset", "name", "interpolation", "steps"),
    [
        *(("heun@diffusers", "HeunDiscreteScheduler", "rho", steps) for steps in (5, 10, 20)),
        *(("kdpm2@diffusers", "KDPM2DiscreteScheduler", "log-rho", steps) for steps in (10, 28)),  # whole timesteps
    ],
)
def test_schedulers_with_two_calls_a_step_are_their_presets(preset, name, interpolation, steps):
    """Between timesteps they interpolate σ linearly; the timestep of a σ between two others they take from log σ."""
    schedule = diffusion.VP.from_betas(BETAS, interpolation=interpolation)
    expected, x = run_multistage(name, schedule, steps)
    asked = []

    def network(x, t):
        asked.append(1000 * float(t[0]) - 1)
        return EPS(x, float(t[0]))

    denoiser = diffusion.Denoiser(network, "noise", schedule)
    found = diffusion.sample(denoiser, torch.from_numpy(NOISE), sampler=preset, steps=steps)
    np.testing.assert_allclose(asked, expected, rtol=0, atol=2e-2)
    np.testing.assert_allclose(found.numpy(), x, rtol=0, atol=1e-5)


def test_one_step_starts_from_noise_where_theirs_starts_at_the_last_timestep():
    scheduler = made("HeunDiscreteScheduler")
    scheduler.set_timesteps(1)
    assert scheduler.timesteps.tolist() == [0.0]
    denoiser, asked = recording(EPS)
    diffusion.sample(denoiser, torch.from_numpy(NOISE), sampler="heun@diffusers", steps=1)
    assert asked == [999]


@pytest.mark.parametrize("clean", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 4, 5, 10])
def test_pndm_without_its_runge_kutta_steps_is_its_preset(steps, clean):
    scheduler = made("PNDMScheduler", skip_prk_steps=True, steps_offset=1, set_alpha_to_one=clean)
    expected, x = run(scheduler, lambda x, i: EPS(x, (i + 1) / 1000), steps)
    denoiser, asked = recording(EPS)
    final = "zero" if clean else "sigma_min"
    grid = diffusion.grids.timesteps(steps, "leading", schedule=VP, offset=1, spare=0, final=final)
    found = diffusion.sample(denoiser, torch.from_numpy(NOISE), sampler="pndm@diffusers", grid=grid)
    assert asked == expected
    np.testing.assert_allclose(found.numpy(), x, rtol=0, atol=1e-5)


SPACED = [("linspace", 0), ("leading", 0), ("leading", 1), ("trailing", 0)]


@pytest.mark.parametrize(("spacing", "offset"), SPACED)
@pytest.mark.parametrize("steps", [1, 3, 7, 20, 30, 333])
@pytest.mark.parametrize(
    ("name", "spare"), [("DPMSolverMultistepScheduler", 1), ("UniPCMultistepScheduler", 1), ("DDIMScheduler", 0)]
)
def test_the_timesteps_are_those_of_the_scheduler(name, spare, steps, spacing, offset):
    scheduler = made(name, timestep_spacing=spacing, steps_offset=offset)
    scheduler.set_timesteps(steps)
    expected = scheduler.timesteps.numpy()
    grid = diffusion.grids.timesteps(steps, spacing, schedule=VP, offset=offset, spare=spare)
    np.testing.assert_allclose(grid[:-1], (expected + 1) / 1000, rtol=1e-15)
    assert grid[-1] == 0.0


@pytest.mark.parametrize(("spacing", "offset"), SPACED)
def test_another_spacing_is_a_grid_for_the_same_preset(spacing, offset):
    scheduler = made("DPMSolverMultistepScheduler", timestep_spacing=spacing, steps_offset=offset)
    _, x = run(scheduler, lambda x, i: EPS(x, (i + 1) / 1000), 12)
    grid = diffusion.grids.timesteps(12, spacing, schedule=VP, offset=offset)
    found = diffusion.sample(EPS, NOISE, sampler="dpmpp-2m@diffusers", grid=grid)
    np.testing.assert_allclose(found, x, rtol=0, atol=5e-6)


@pytest.mark.parametrize("name", ["DPMSolverMultistepScheduler", "UniPCMultistepScheduler"])
def test_on_karras_grids_the_network_is_asked_at_rounded_timesteps_while_coefficients_are_not_rounded(name):
    scheduler = made(name, solver_order=2, use_karras_sigmas=True)
    expected, x = run(scheduler, lambda x, i: EPS(x, (i + 1) / 1000), 10)
    schedule = diffusion.VP.from_betas(BETAS, interpolation="log-rho")
    asked = []

    def network(x, index):
        asked.append(int(index[0]))
        return EPS(x, (asked[-1] + 1) / 1000)

    denoiser = diffusion.Denoiser(diffusion.adapters.with_index(network, rounded=True), "noise", schedule)
    preset = "dpmpp-2m@diffusers" if "DPM" in name else "unipc2-bh2@diffusers"
    sampler = diffusion.sampler(preset, grid=diffusion.grids.published.karras)
    found = diffusion.sample(denoiser, torch.from_numpy(NOISE), sampler=sampler, steps=10)
    assert asked == expected
    np.testing.assert_allclose(found.numpy(), x, rtol=0, atol=1e-4)


def test_between_timesteps_a_scheduler_interpolates_the_noise_level_linearly():
    """Both of its maps: from timesteps to σ linearly in σ, from σ to timesteps linearly in log σ."""
    scheduler = made("EulerDiscreteScheduler")
    scheduler.set_timesteps(7)  # at fractional timesteps
    sigmas = scheduler.sigmas.numpy()[:-1].astype(float)
    times = (scheduler.timesteps.numpy().astype(float) + 1) / 1000
    linear = diffusion.VP.from_betas(BETAS, interpolation="rho")
    np.testing.assert_allclose(linear.rho(times), sigmas, rtol=1e-4)
    log_sigmas = np.log(((1 - scheduler.alphas_cumprod) / scheduler.alphas_cumprod) ** 0.5).numpy()
    logarithmic = diffusion.VP.from_betas(BETAS, interpolation="log-rho")
    found = [1000 * logarithmic.time(-np.log(sigma)) - 1 for sigma in sigmas[1:-1]]
    np.testing.assert_allclose([scheduler._sigma_to_t(s, log_sigmas) for s in sigmas[1:-1]], found, rtol=0, atol=2e-2)


def test_a_table_of_zero_terminal_snr_is_that_of_diffusers():
    scheduler = schedulers.DDIMScheduler(
        trained_betas=BETAS.tolist(),
        rescale_betas_zero_snr=True,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
    )
    schedule = diffusion.VP.zero_terminal_snr(BETAS)
    np.testing.assert_allclose(
        schedule.alpha(np.arange(1, 1001) / 1000) ** 2, scheduler.alphas_cumprod.numpy(), rtol=3e-4, atol=1e-7
    )
    network = gaussian_mixture(*mixture()[:3], schedule, predicts="velocity")
    _, x = run(scheduler, lambda x, i: network(x, (i + 1) / 1000), 10)
    grid = diffusion.grids.timesteps(10, "trailing", schedule=schedule, spare=0)
    found = diffusion.sample(network, NOISE, sampler="ddim", grid=grid)
    np.testing.assert_allclose(found, x, rtol=0, atol=1e-3)
