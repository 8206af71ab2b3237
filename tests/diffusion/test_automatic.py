"""The rule "auto", the default: it works everywhere, is heeded where it is changed, and loses to nobody."""

import pickle
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import diffusion
from benchmarks import defaults
from diffusion.models.mixture import gaussian_mixture

from .golden import mixture

BETAS = defaults.BETAS
SCHEDULES = {
    "vp": diffusion.VP.linear(),
    "vp-to-zero": diffusion.VP.linear(t_end=0.0),
    "cosine": diffusion.VP.cosine(),
    "table": diffusion.VP.from_betas(BETAS),
    "zero-terminal": diffusion.VP.zero_terminal_snr(BETAS),
    "sub-vp": diffusion.SubVP(),
    "ve": diffusion.VE(),
    "edm": diffusion.EDM(),
    "flow": diffusion.FlowMatching(),
    "flow-shifted": diffusion.FlowMatching(shift=5.0),
    "flow-from-noise-to-data": diffusion.FlowMatching(t_start=1.0, t_end=0.0),
}
NOISE = mixture()[3]
EVERY = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)


def model(schedule, predicts="velocity"):
    return gaussian_mixture(*mixture()[:3], schedule, predicts=predicts)


@EVERY
def test_any_number_of_steps_is_that_many_calls(schedule):
    for steps in (1, 2, 3, 9):
        run = diffusion.trajectory(model(schedule), NOISE, steps=steps)
        assert run.success
        assert run.calls == run.stats.steps == steps
        np.testing.assert_array_equal(run.y_end, diffusion.sample(model(schedule), NOISE, sampler="auto", steps=steps))


@pytest.mark.parametrize("name", ["vp-to-zero", "zero-terminal", "edm", "flow-shifted", "flow-from-noise-to-data"])
def test_it_converges_to_the_exact_flow_faster_than_at_order_two(name):
    schedule = SCHEDULES[name]

    def end(steps):
        return diffusion.sample(model(schedule), NOISE, steps=steps)

    times = diffusion.trajectory(model(schedule), NOISE, steps=160).t
    exact = diffusion.sample(model(schedule), NOISE, sampler="lawson-rk4-flow", grid=times)
    coarse, fine = (np.median(np.abs(end(n) - exact)) for n in (32, 64))
    assert fine < 1e-4
    assert fine < coarse / 5 or fine < 1e-8


def test_the_models_that_it_is_measured_on_are_told_the_time_of_their_schedule():
    """Flow matching with a shift tells networks another time than that of the schedule."""
    for case in defaults.cases().values():
        schedule = case.schedule
        chosen = list(defaults.models("tuning").values())
        start = defaults.noise(chosen)
        together = defaults.denoiser(chosen, schedule).predict(start, 0.4, "data")
        for i, (weights, means, variances) in enumerate(chosen):
            alone = gaussian_mixture(weights, means, [np.diag(v) for v in variances], schedule)
            np.testing.assert_allclose(together[i], alone.predict(start[i], 0.4, "data"), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("label", ["VP", "VE", "EDM", "flow, shift 3", "flow from pure noise to σ = 0"])
def test_it_is_never_worse_than_euler_and_far_better_than_what_is_usual(label):
    """On models that it was not chosen on, and on those it was."""
    found = list(defaults.cells((1, 2, 3, 4, 5, 8, 20), [label], ("deis-tab2", "dpmpp-2m", "unipc3"), fine=100))
    for cell in found:
        assert cell.auto <= 1.01 * cell.same_grid, cell
    for half in defaults.HALVES:
        own = [cell for cell in found if cell.half == half]
        assert defaults.mean([cell.auto / cell.best for cell in own]) < 0.75


def test_on_data_of_large_scale_it_errs_less_than_ddim_on_any_usual_grid():
    """Sizes of heavy tails and a spectrum 1/f²: the largest deviations are 9 along a direction, 1/2 an entry."""
    schedule = diffusion.VP.linear(1.0, 1.0, t_start=10.0, t_end=0.01)
    spectrum = np.arange(1.0, 65.0) ** -2.0
    spectrum *= 16.0 / spectrum.sum()
    sizes = np.array([0.2, 1.0, 8.0])
    net = gaussian_mixture([0.5, 0.4, 0.1], np.zeros((3, 64)), sizes[:, None, None] * np.diag(spectrum), schedule)
    noise = np.random.default_rng(8).normal(size=(64, 64))
    exact = diffusion.sample(
        net, noise, sampler="dpmpp-3m", grid=diffusion.grids.uniform(150, "lambda", schedule=schedule)
    )

    def error(**how):
        end = diffusion.sample(net, noise, **how)
        return np.median(np.linalg.norm(end - exact, axis=1) / np.linalg.norm(exact, axis=1))

    for steps in (3, 4, 5, 6, 8, 10, 15, 25):
        own = error(steps=steps)
        assert own <= 1.01 * error(sampler="ddim", grid=diffusion.trajectory(net, noise[:1], steps=steps).t)
        for clock, exponent in (("t", 1), ("t", 2), ("lambda", 1), ("rho", 7)):
            ddim = error(sampler="ddim", grid=diffusion.grids.power(steps, exponent, clock, schedule=schedule))
            assert own < ddim, (steps, clock, own, ddim)
        if steps >= 5:
            assert own < 0.6 * ddim


def test_a_table_is_run_to_clean_data_and_other_schedules_to_where_they_end():
    assert diffusion.trajectory(model(SCHEDULES["table"]), NOISE, steps=5).t[-1] == 0.0
    early = diffusion.VP.from_betas(BETAS, t_end=0.01)
    assert diffusion.trajectory(model(early), NOISE, steps=5).t[-1] == 0.01
    for name in ("vp", "edm", "ve", "flow"):
        assert diffusion.trajectory(model(SCHEDULES[name]), NOISE, steps=5).t[-1] == SCHEDULES[name].t_end


@EVERY
def test_it_leaves_the_noise_of_where_the_schedule_ends_and_none_where_that_is_clean(schedule):
    """On a network that knows the data, of which only noise that is left behind differs."""
    knowing = diffusion.Denoiser(lambda x, t: 0.0 * x + 2.0, "data", schedule)
    for steps in (1, 2, 3, 8):
        run = diffusion.trajectory(knowing, NOISE, steps=steps)
        alpha, sigma = float(schedule.alpha(run.t[-1])), float(schedule.sigma(run.t[-1]))
        noise = (run.y[0] - 2.0 * schedule.alpha(run.t[0])) / schedule.sigma(run.t[0])
        np.testing.assert_allclose(run.y_end, 2.0 * alpha + sigma * noise, rtol=1e-13)
        if float(schedule.sigma(schedule.t_end)) == 0.0 or schedule == SCHEDULES["table"]:
            np.testing.assert_array_equal(run.y_end, np.full_like(NOISE, 2.0))


@EVERY
@pytest.mark.parametrize(
    ("steps", "scale", "tail", "exponent"), [(3, 1.2, 0.6, 2.1), (5, 0.55, 0.52, 1.8), (8, 1.4, 0.41, 3.9)]
)
def test_its_grid_is_the_documented_function_of_the_noise_level_whatever_the_clock(
    schedule, steps, scale, tail, exponent
):
    """So networks of the level itself, EDM's, get no grid in a root of their time, which is the level."""
    times = diffusion.trajectory(model(schedule), NOISE[:1], steps=steps).t
    times = times[:-2] if times[-1] < schedule.t_end else times  # the last ones of a table stop at its first time
    with np.errstate(divide="ignore"):
        rho = np.asarray(schedule.sigma(times)) / np.asarray(schedule.alpha(times))
    roots = (1.0 - (1.0 + rho / scale) ** -tail) ** (1.0 / exponent)
    np.testing.assert_allclose(np.diff(roots), (roots[-1] - roots[0]) / (len(roots) - 1), rtol=1e-6)


def test_no_network_is_asked_about_times_before_its_table():
    for steps in (1, 2, 5, 6, 12, 33):
        times = diffusion.trajectory(model(SCHEDULES["table"]), NOISE[:1], steps=steps).t
        assert times[-2] >= 1e-3 - 1e-12


def test_what_is_changed_on_it_is_heeded():
    vp = SCHEDULES["vp"]
    grid = diffusion.grids.published.uniform_in_lambda
    run = diffusion.trajectory(model(vp), NOISE, sampler=diffusion.sampler("auto", grid=grid), steps=6)
    np.testing.assert_array_equal(run.t, grid(6, vp))
    run = diffusion.trajectory(model(vp), NOISE, sampler=diffusion.sampler("auto", end=diffusion.End(zero=1)), steps=6)
    assert run.t[-1] == 0.0
    assert run.calls == 6
    low = diffusion.sampler("auto", end=diffusion.End(orders=(1,) * 9, correct=False))
    plain = diffusion.trajectory(model(vp), NOISE, sampler="auto", steps=6)
    lower = diffusion.sample(model(vp), NOISE, sampler=low, grid=plain.t)
    assert np.median(np.abs(lower - plain.y_end)) > 1e-3
    runge = diffusion.trajectory(model(vp), NOISE, sampler=diffusion.sampler("auto", start="runge-kutta"), steps=6)
    assert runge.calls > 6
    table = diffusion.trajectory(
        model(SCHEDULES["table"]), NOISE, sampler=replace(diffusion.sampler("auto"), end=diffusion.End()), steps=6
    )
    assert table.t[-1] == 1e-3


def test_what_makes_no_sense_on_it_is_refused():
    with pytest.raises(TypeError, match=r"expected grid to be a function"):
        diffusion.sampler("auto", grid=[1.0, 0.5])
    with pytest.raises(TypeError, match=r"expected end to be a diffusion.End, received .* of type str"):
        diffusion.sampler("auto", end="zero")
    with pytest.raises(ValueError, match="did you mean 'corrected'"):
        diffusion.sampler("auto", start="correct")


@EVERY
@pytest.mark.parametrize("clock", ["lambda", "t", "rho", "angle"])
def test_on_any_times_no_step_extrapolates_far(schedule, clock):
    """The sum of the weights' absolute values bounds what becomes of rounding and of errors of the network."""
    for steps in (5, 12):
        try:
            times = diffusion.grids.uniform(steps, clock, schedule=schedule)
        except ValueError:  # where the clock is infinite at an end
            continue
        to_zero = schedule.sigma(times[-1]) == 0.0
        times = times[:-1] if to_zero else times
        plan = diffusion.sampler("auto").on(schedule, times, to_zero=to_zero).plan(schedule, times, to_zero=to_zero)
        for step in plan.steps[1:]:
            for row in step.rows:
                slopes = np.array([w for w in row.weights[1:] if w is not None])
                assert np.abs(slopes).sum() <= 10.001 * np.abs(slopes.sum())


@EVERY
@pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")  # tanh is no denoiser
def test_single_precision_is_kept(schedule):
    """The error of a run in float32 is at most ten roundings, whatever the times."""
    for clock in ("lambda", "t"):
        try:
            grid = diffusion.grids.uniform(12, clock, schedule=schedule)
        except ValueError:  # where λ is infinite at an end
            continue
        net = diffusion.Denoiser(lambda x, t: np.tanh(x), "data", schedule)
        exact, found = (diffusion.sample(net, NOISE.astype(dtype), grid=grid) for dtype in (float, np.float32))
        assert np.max(np.abs(found - exact)) <= 10 * np.finfo(np.float32).eps * np.max(np.abs(exact))


@pytest.mark.parametrize("name", ["vp", "edm", "flow", "sub-vp"])
def test_what_it_encodes_it_samples_again(name):
    net = model(SCHEDULES[name])
    data = diffusion.sample(net, NOISE, steps=40)
    back = diffusion.encode(net, data, steps=40)
    assert np.median(np.abs(back - NOISE)) < 1e-3
    assert np.median(np.abs(diffusion.sample(net, back, steps=40) - data)) < 1e-3


def test_its_grids_are_finer_the_cleaner_the_data():
    for schedule in SCHEDULES.values():
        times = diffusion.trajectory(model(schedule), NOISE[:1], steps=12).t[:-1]
        level = schedule.sigma(times[1:]) / schedule.alpha(times[1:])
        assert all(later <= earlier + 1e-12 for earlier, later in pairwise(-np.diff(level)))


def test_it_is_a_rule_and_no_sampler():
    auto = diffusion.sampler("auto")
    assert not isinstance(auto, diffusion.Sampler)
    assert auto is diffusion.sampler("AUTO")
    orders = [auto.on(SCHEDULES["vp"], np.linspace(1, 0.01, n + 1)).method.q for n in (1, 3, 6, 10, 50)]
    assert orders == [2, 2, 2, 4, 5]
    assert "@" in auto.cite()
    chosen = auto.on(SCHEDULES["vp"], np.linspace(1, 0.01, 6))
    assert pickle.loads(pickle.dumps(auto)) == auto
    assert pickle.loads(pickle.dumps(chosen)) == chosen


@pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")
@pytest.mark.parametrize("name", diffusion.sampler_names())
def test_every_sampler_takes_one_two_and_three_steps_and_one_step_to_clean_data(name):
    """With fewer steps than slopes it interpolates those that there are."""
    schedule = SCHEDULES["vp"]
    net = model(schedule)
    for steps in (1, 2, 3):
        run = diffusion.trajectory(net, NOISE, sampler=name, steps=steps)
        assert run.success
        assert run.stats.steps == steps
    found = diffusion.sample(net, NOISE, sampler=name, grid=[1.0, 0.0])
    if "@" not in name and diffusion.sampler(name).for_run(1, schedule).method.stages == 1:  # that is DDIM
        np.testing.assert_allclose(found, net.predict(NOISE, 1.0, "data"), rtol=1e-7, atol=1e-7)


def test_plain_flow_times_from_noise_to_data_are_run_by_every_sampler_that_uses_data_or_flow():
    schedule = SCHEDULES["flow-from-noise-to-data"]
    times = diffusion.trajectory(model(schedule), NOISE, steps=100).t
    exact = diffusion.sample(model(schedule), NOISE, sampler="lawson-rk4-flow", grid=times)
    for name in ("ddim", "euler", "dpmpp-2m", "unipc3", "adams3-flow", "auto"):
        found = diffusion.sample(model(schedule), NOISE, sampler=name, grid=np.linspace(1, 0, 101))
        assert np.median(np.abs(found - exact)) < 0.02
    plain = diffusion.sampler("ddim", grid=diffusion.grids.published.uniform_in_t)
    assert np.all(np.isfinite(diffusion.sample(model(schedule), NOISE, sampler=plain, steps=4)))
