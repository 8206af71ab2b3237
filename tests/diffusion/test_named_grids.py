"""Grids by name: the numbers of the programs they come from, on every process they make sense on."""

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import diffusion
from diffusion import grids
from diffusion.grids.tables import ALIGN_YOUR_STEPS, GITS, OPTIMAL_STEPS

from .golden import FOLDER

diffusers = pytest.importorskip("diffusers")
AysSchedules = diffusers.schedulers.scheduling_utils.AysSchedules

BETAS = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2  # of Stable Diffusion
TABLE = diffusion.VP.from_betas(BETAS, interpolation="log-rho")
MODELS: dict[str, diffusion.NoiseSchedule] = {
    "table": TABLE,
    "flow 3": diffusion.FlowMatching(3.0, t_start=1.0),
    "flow 1": diffusion.FlowMatching(t_start=1.0),
    "edm": diffusion.EDM(),
}
SCHEDULES = {
    **MODELS,
    "VP": diffusion.VP.linear(),
    "cosine": diffusion.VP.cosine(),
    "zero terminal": diffusion.VP.zero_terminal_snr(BETAS),
    "VE": diffusion.VE(),
    "sub-VP": diffusion.SubVP(),
    "flow": diffusion.FlowMatching(),
    "flow to 0": diffusion.FlowMatching(t_start=1.0, t_end=0.0),
    "edm 700": diffusion.EDM(0.002, 700.0),
}
_RATIO = {"karras", "exponential", "kl-optimal"}  # between the ends of the schedule
_GITS = {f"gits-{name}" for name in ("cifar10", "ffhq", "afhqv2")}
_OPTIMAL = {f"optimal-steps-{name}" for name in OPTIMAL_STEPS}
LACKING: dict[str, set[str]] = {  # the process has not their levels, or one of its own is infinite or 0
    "table": {"ays-svd", *_GITS, *_OPTIMAL},
    "flow 3": set(),
    "flow 1": set(),
    "edm": {"ays-svd", *_OPTIMAL},
    "VP": {"ays-svd", "optimal-steps-flux", "optimal-steps-wan"},
    "cosine": {"ays-svd", "optimal-steps-flux", "optimal-steps-wan"},
    "zero terminal": {"linear-quadratic", *_RATIO},
    "VE": {"ays-svd", *_GITS, *_OPTIMAL},
    "sub-VP": {"ays-svd", "optimal-steps-flux", "optimal-steps-wan"},
    "flow": set(),
    "flow to 0": _RATIO,
    "edm 700": {"optimal-steps-wan"},
}
GOLDEN = json.loads((FOLDER / "named_grids.json").read_text())


def levels(schedule: diffusion.NoiseSchedule, times: np.ndarray) -> np.ndarray:
    """Return what programs call σ."""
    flow = isinstance(schedule, diffusion.FlowMatching)
    return np.asarray(schedule.sigma(times) if flow else schedule.rho(times))


# The numbers of other programs ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("run", GOLDEN, ids=lambda run: f"{run['rule']}-{run['model']}-{run['steps']}")
def test_named_grids_are_those_of_their_programs(run: dict[str, Any]) -> None:
    schedule = MODELS[run["model"]]
    found = grids.named(run["rule"], run["steps"], schedule=schedule)
    np.testing.assert_allclose(levels(schedule, found), run["sigmas"], rtol=1e-10, atol=1e-15)


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # of diffusers
@pytest.mark.parametrize("steps", [2, 5, 20])
@pytest.mark.parametrize("rule", ["karras", "exponential", "beta"])
def test_grids_of_diffusers_over_sigma(rule: str, steps: int) -> None:
    theirs = diffusers.EulerDiscreteScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, **{f"use_{rule}_sigmas": True}
    )
    theirs.set_timesteps(steps)  # its σ runs over the whole table: the timesteps are spaced from the last to the first
    found = (
        grids.beta(steps, schedule=TABLE, over="sigma") if rule == "beta" else grids.named(rule, steps, schedule=TABLE)
    )
    np.testing.assert_allclose(levels(TABLE, found), theirs.sigmas, rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize("terminal", [None, 0.1])
@pytest.mark.parametrize("mu", [0.5, 1.15, -0.3])
def test_shifted_grids_of_flow_models(mu: float, terminal: float | None) -> None:
    theirs = diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift_terminal=terminal)
    theirs.set_timesteps(sigmas=np.linspace(1.0, 1 / 7, 7), mu=mu)
    for schedule in (MODELS["flow 1"], MODELS["flow 3"]):  # σ is what counts, whatever the schedule's own shift
        found = grids.shifted(7, mu=mu, terminal=terminal, schedule=schedule)
        np.testing.assert_allclose(schedule.sigma(found), theirs.sigmas, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(
        grids.shifted(7, shift=np.exp(mu), terminal=terminal, schedule=schedule), found, rtol=1e-13
    )


def test_a_shift_is_that_of_the_schedule() -> None:
    found = grids.shifted(8, shift=3.0, schedule=MODELS["flow 3"])
    np.testing.assert_allclose(found, [1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0.0], rtol=1e-14)


def test_the_shift_of_flux_grows_with_the_number_of_tokens() -> None:
    found = [grids.mu_of_tokens(tokens) for tokens in (256, 1024, 4096, 8192)]
    np.testing.assert_allclose(found, [0.5, 0.63, 1.15, 1.8433333333333333], rtol=1e-14)


def test_align_your_steps_is_what_diffusers_has_rounded() -> None:
    for network, name in {"sd": "StableDiffusion", "sdxl": "StableDiffusionXL", "svd": "StableDiffusionVideo"}.items():
        np.testing.assert_allclose(ALIGN_YOUR_STEPS[network][:-1], AysSchedules[f"{name}Sigmas"][:-1], atol=4e-3)
    for network in ("sd", "sdxl"):
        found = grids.align_your_steps(10, network, schedule=TABLE)
        np.testing.assert_allclose(levels(TABLE, found), [*ALIGN_YOUR_STEPS[network][:-1], 0.0], rtol=1e-12)


@pytest.mark.parametrize(
    ("build", "table", "schedule"),
    [
        *(
            (grids.align_your_steps, {name: {10: row}}, "table")
            for name, row in ALIGN_YOUR_STEPS.items()
            if name != "svd"
        ),
        (grids.align_your_steps, {"svd": {10: ALIGN_YOUR_STEPS["svd"]}}, "edm 700"),
        *((grids.optimal_steps, {name: {len(row) - 1: row}}, "flow 1") for name, row in OPTIMAL_STEPS.items()),
        (grids.gits, {"sd": GITS["sd"]}, "table"),
        *((grids.gits, {name: GITS[name]}, "edm") for name in ("cifar10", "ffhq", "afhqv2")),
    ],
)
def test_tables_are_used_as_they_are_and_interpolated_between(build: Any, table: Any, schedule: str) -> None:
    ((network, rows),) = table.items()
    process = SCHEDULES[schedule]
    for steps, row in rows.items():
        assert len(row) == steps + 1
        assert all(a > b > 0.0 for a, b in pairwise(row))
        found = levels(process, build(steps, network, schedule=process))
        np.testing.assert_allclose(found, [*row[:-1], 0.0], rtol=1e-10)
    most = max(rows)
    doubled = levels(process, build(2 * most, network, schedule=process))  # every second level is one of the table
    np.testing.assert_allclose(doubled[::2], [*rows[most][:-1], 0.0], rtol=1e-10)
    between = np.sqrt(np.array(rows[most][:-1]) * rows[most][1:])
    np.testing.assert_allclose(doubled[1::2], between, rtol=1e-10)


def test_every_step_count_of_gits_is_there() -> None:
    assert {network: [*rows] for network, rows in GITS.items()} == {
        "sd": [*range(2, 21)],
        **{network: [*range(4, 11)] for network in ("cifar10", "ffhq", "afhqv2")},
    }


# Lists ----------------------------------------------------------------------------------------------------------------
def test_noise_levels_of_any_process_become_its_times() -> None:
    for name, schedule in SCHEDULES.items():
        high = 0.9 if "flow" in name else 10.0
        values = [high, 0.4, 0.1, 0.0]
        times = grids.sigmas(values, schedule=schedule)
        assert times[-1] == schedule.t_clean
        np.testing.assert_allclose(levels(schedule, times), values, rtol=1e-12)
        np.testing.assert_array_equal(grids.sigmas(values[:-1], schedule=schedule), times[:-1])
        by_rho = grids.sigmas([5.0, 1.0], schedule=schedule, clock="rho")
        np.testing.assert_allclose(schedule.rho(by_rho), [5.0, 1.0], rtol=1e-12)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "expected noise levels that decrease strictly"),
        ([1.0, 1.0], "expected noise levels that decrease strictly"),
        ([1.0, 2.0], "expected noise levels that decrease strictly"),
        ([1.0, -1.0], "expected noise levels that decrease strictly"),
        ([np.nan], "expected noise levels that decrease strictly"),
        ([[1.0]], "expected values"),
        ([0.0], "expected noise levels that the schedule has"),
        ([2.0, 0.5], "those of flow matching are at most 1"),
    ],
)
def test_lists_that_are_no_noise_levels_are_refused(values: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        grids.sigmas(values, schedule=SCHEDULES["flow"])


def test_timesteps_of_models_become_times() -> None:
    given = AysSchedules["StableDiffusionTimesteps"]
    times = grids.timesteps(given, schedule=TABLE)
    np.testing.assert_allclose(times, [*((np.array(given) + 1) / 1000), 0.0], rtol=1e-15)
    np.testing.assert_allclose(levels(TABLE, times), AysSchedules["StableDiffusionSigmas"], rtol=4e-3, atol=1e-12)
    stopping = grids.timesteps(given, schedule=TABLE, final="sigma_min")
    np.testing.assert_allclose(stopping, [*times[:-1], 0.001], rtol=1e-15)
    flow = MODELS["flow 3"]
    np.testing.assert_allclose(flow.sigma(grids.timesteps([1000, 900.5, 300], schedule=flow)), [1.0, 0.9005, 0.3, 0.0])
    for schedule, wrong in ((TABLE, [1000, 5]), (TABLE, [5, 5]), (TABLE, [5, -1]), (flow, [5, 0]), (flow, [1001, 3])):
        with pytest.raises(ValueError, match="expected decreasing timesteps from"):
            grids.timesteps(wrong, schedule=schedule)
    with pytest.raises(ValueError, match="received EDM; give noise levels instead"):
        grids.timesteps([10, 5], schedule=diffusion.EDM())


# In use ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_named_grid_can_be_sampled_on_wherever_the_process_has_its_levels(schedule: str) -> None:
    process = SCHEDULES[schedule]
    model = diffusion.models.gaussian_mixture([1], [[0.2, 0.5]], [0.3 * np.eye(2)], schedule=process)
    noise = np.random.default_rng(0).standard_normal((8, 2))
    for name in set(grids.NAMED) - LACKING[schedule]:
        for steps in (1, 9):
            run = diffusion.trajectory(model, noise, sampler="dpmpp-2m", grid=name, steps=steps)
            assert run.t[-1] == process.t_clean
            assert len(run.t) == steps + 1 or name == "ddim-uniform"
            assert np.all(np.isfinite(run.y))
    for name in LACKING[schedule]:
        with pytest.raises(ValueError, match=r"(?s)expected .*received"):
            diffusion.sample(model, noise, sampler="dpmpp-2m", grid=name, steps=9)


def test_a_name_and_its_times_are_the_same_run_for_every_door() -> None:
    model = diffusion.models.gaussian_mixture([1], [[0.2, 0.5]], [0.3 * np.eye(2)], schedule=TABLE)
    noise = np.random.default_rng(0).standard_normal((8, 2))
    times = grids.named("Karras", 6, schedule=TABLE)
    by_name = diffusion.sample(model, noise, sampler="dpmpp-2m", grid="karras", steps=6)
    np.testing.assert_array_equal(by_name, diffusion.sample(model, noise, sampler="dpmpp-2m", grid=times))
    latent = diffusion.encode(model, noise, sampler="dpmpp-2m", grid="karras", steps=6)
    np.testing.assert_array_equal(latent, diffusion.encode(model, noise, sampler="dpmpp-2m", grid=times))
    frozen = diffusion.freeze("dpmpp-2m", TABLE, grid="karras", steps=6)
    np.testing.assert_allclose(diffusion.sample(model, noise, sampler=frozen), by_name, rtol=1e-12)
    assert frozen.plan_on(TABLE) == diffusion.sampler("dpmpp-2m").plan(TABLE, times[:-1], to_zero=True)


def test_a_named_grid_passes_through_the_discontinuities_of_a_network() -> None:
    model = diffusion.models.gaussian_mixture([1], [[0.2, 0.5]], [0.3 * np.eye(2)], schedule=TABLE)
    edged = diffusion.Denoiser(model.network, model.predicts, TABLE, discontinuities=(0.4,))
    run = diffusion.trajectory(edged, np.ones((1, 2)), sampler="dpmpp-2m", grid="normal", steps=9)
    assert 0.4 in run.t


def test_names_of_grids_are_asked_for_with_steps() -> None:
    model = diffusion.models.gaussian_mixture([1], [[0.2, 0.5]], [0.3 * np.eye(2)], schedule=TABLE)
    with pytest.raises(ValueError, match="expected steps= beside the name of a grid, received grid='karras' alone"):
        diffusion.sample(model, np.ones((1, 2)), grid="karras")
    with pytest.raises(ValueError, match=r"expected a grid, .*did you mean 'karras'"):
        diffusion.sample(model, np.ones((1, 2)), grid="karas", steps=4)
    with pytest.raises(ValueError, match="take 'dpmpp-2m' and grid='karras' for the times"):
        diffusion.sampler("DPM++ 2M Karras")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: grids.shifted(4, schedule=SCHEDULES["flow 1"]), "expected either shift= or mu="),
        (lambda: grids.shifted(4, shift=1.0, mu=0.0, schedule=SCHEDULES["flow 1"]), "received both"),
        (lambda: grids.shifted(4, shift=0.0, schedule=SCHEDULES["flow 1"]), "expected shift > 0, received 0.0"),
        (lambda: grids.shifted(4, mu=1.0, terminal=1.0, schedule=SCHEDULES["flow 1"]), "expected terminal"),
        (lambda: grids.linear_quadratic(4, linear=4, schedule=TABLE), "expected 1 to 3 linear steps"),
        (lambda: grids.exponential(4, schedule=SCHEDULES["zero terminal"]), "levels σ are finite and positive"),
        (lambda: grids.karras(0, schedule=TABLE), "expected steps to be an integer ≥ 1, received 0"),
        (lambda: grids.simple(0, schedule=TABLE), "expected steps to be an integer ≥ 1, received 0"),
        (lambda: grids.simple(1001, schedule=TABLE), "stay apart on the 1000 levels"),
        (lambda: grids.beta(900, schedule=TABLE), "stay apart on the 1000 levels"),
        (lambda: grids.beta(5, a=0.0, schedule=TABLE), "expected a > 0, received 0.0"),
        (lambda: grids.beta(5, over="t", schedule=TABLE), "expected over"),
        (lambda: grids.gits(5, "lsun", schedule=TABLE), "expected a network"),
        (lambda: grids.normal(5, schedule="VP"), "expected schedule"),
    ],
)
def test_grids_that_cannot_be_are_refused(build: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        build()
