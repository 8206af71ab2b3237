"""Reversible samplers: what they invert comes back to rounding, and what they cannot invert they say."""

import pickle
import warnings

import numpy as np
import pytest

import diffusion
from expint.derive import PredictorCorrector
from expint.lower import Layout, two_sided
from expint.run import over_plan

RNG = np.random.default_rng(0)
NOISE = RNG.standard_normal((60, 2))
MIXTURE = ([0.3, 0.7], [[1.0, 0.5], [-1.0, 0.0]], [0.1 * np.eye(2), 0.05 * np.eye(2)])
SCHEDULES = {
    "vp": diffusion.VP.linear(),
    "edm": diffusion.EDM(),
    "flow": diffusion.FlowMatching(),
    "flow from pure noise": diffusion.FlowMatching(t_start=1.0),
}


def model(schedule=SCHEDULES["vp"], predicts="noise"):
    return diffusion.models.gaussian_mixture(*MIXTURE, schedule=schedule, predicts=predicts)


NET = model()


def rms(x):
    return float(np.sqrt(np.mean(np.asarray(x) ** 2)))


def test_bdia_is_the_published_recursion():
    """z_{i-1} = γ z_{i+1} - γ DDIM(z_i; t_i → t_{i+1}) + DDIM(z_i; t_i → t_{i-1}), its first step DDIM."""
    schedule, gamma = NET.schedule, 0.8
    t = diffusion.sampler("bdia").grid(12, schedule)

    def ddim(x, noise, start, end):
        a, s, b, u = (f(at) for at in (start, end) for f in (schedule.alpha, schedule.sigma))
        return b / a * x + (u - b * s / a) * noise

    older = NOISE * schedule.noise_scale(t[0])
    newer = ddim(older, NET(older, t[0]), t[0], t[1])
    for before, at, after in zip(t[:-2], t[1:-1], t[2:]):
        noise = NET(newer, at)
        older, newer = newer, gamma * (older - ddim(newer, noise, at, before)) + ddim(newer, noise, at, after)
    found = diffusion.sample(NET, NOISE, sampler=diffusion.reversible("ddim", gamma), steps=12)
    np.testing.assert_allclose(found, newer, rtol=0, atol=1e-13)


def test_o_belm_is_the_published_recursion():
    """With h the steps of ρ and r = h_n/h_{n-1}: v_{n+1} = r² v_{n-1} + (1 - r²) v_n + h_n (1 + r) ε for v = x/α."""
    schedule = NET.schedule
    t = diffusion.sampler("o-belm").grid(12, schedule)
    rho, alpha = schedule.rho(t), schedule.alpha(t)
    older = NOISE * schedule.noise_scale(t[0]) / alpha[0]
    newer = older + (rho[1] - rho[0]) * NET(older * alpha[0], t[0])
    for n in range(1, 12):
        h, r = rho[n + 1] - rho[n], (rho[n + 1] - rho[n]) / (rho[n] - rho[n - 1])
        slope = NET(newer * alpha[n], t[n])
        older, newer = newer, r**2 * older + (1 - r**2) * newer + h * (1 + r) * slope
    found = diffusion.sample(NET, NOISE, sampler="o-belm", steps=12)
    np.testing.assert_allclose(found, newer * alpha[-1], rtol=0, atol=1e-12)


def test_the_midpoint_rule_does_not_look_at_the_newest_state():
    schedule = NET.schedule
    for name in ("ddim", "adams1-data", "adams1-noise"):  # L = 0, −1, 1
        sampler = diffusion.reversible(name, "midpoint")
        *_, last = sampler.plan(schedule, sampler.grid(6, schedule)).steps
        (of_newest, of_older), *_ = Layout(states=2).parts(last.rows[-1].weights)
        assert abs(of_newest) < 1e-14 * abs(of_older), name


def test_without_weight_it_is_the_one_step_sampler():
    schedule = NET.schedule
    for name in ("ddim", "dpmpp-2s", "deis-rho-rk4"):
        plain = diffusion.sampler(name)
        times = plain.grid(7, schedule)
        assert diffusion.reversible(plain, 0.0).plan(schedule, times) == plain.plan(schedule, times)
    assert diffusion.sampler("bdia").plan(schedule, times) != diffusion.sampler("ddim").plan(schedule, times)


@pytest.mark.parametrize(
    ("weights", "slope"), [(1.0, 2), (0.5, 1), ("optimal", 2), ("midpoint", 2)], ids=["bdia", "damped", "o-belm", "mid"]
)
def test_the_median_error_falls_by_the_order(weights, slope):
    reference = diffusion.sample(NET, NOISE, sampler="deis-rho-rk4", steps=400)
    sampler = diffusion.reversible("ddim", weights)
    errors = [
        np.median(np.abs(diffusion.sample(NET, NOISE, sampler=sampler, steps=n) - reference)) for n in (40, 80, 160)
    ]
    assert np.log2(errors[0] / errors[2]) / 2 == pytest.approx(slope, abs=0.15)
    ddim = np.median(np.abs(diffusion.sample(NET, NOISE, sampler="ddim", steps=160) - reference))
    assert errors[2] < 0.5 * ddim or weights == "midpoint"  # which in ρ is of order 2 with a large constant


def test_made_of_steps_of_higher_order_it_keeps_their_order():
    reference = diffusion.sample(NET, NOISE, sampler="deis-rho-rk4", steps=400)
    errors = [
        np.median(
            np.abs(diffusion.sample(NET, NOISE, sampler=diffusion.reversible("deis-rho-rk4"), steps=n) - reference)
        )
        for n in (20, 40)
    ]
    assert np.log2(errors[0] / errors[1]) > 3.7


@pytest.mark.parametrize(
    ("gamma", "steps", "bound"), [(1.0, 100, 1e-13), (0.9, 100, 1e-10), (0.9, 50, 1e-10), (0.5, 20, 1e-9)]
)
def test_what_is_inverted_comes_back_to_rounding(gamma, steps, bound):
    sampler = diffusion.reversible("ddim", gamma)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", diffusion.UnstableWarning)
        warnings.simplefilter("ignore", diffusion.OffScaleWarning)
        data = diffusion.sample(NET, NOISE, sampler=sampler, steps=steps)
        latent = diffusion.invert(NET, data, sampler=sampler, steps=steps)
        assert rms(diffusion.sample(NET, latent) - data) < bound
        encoded = diffusion.encode(NET, data, sampler="ddim", steps=20)
    assert rms(diffusion.sample(NET, encoded, sampler="ddim", steps=20) - data) > 1e-2  # what is inverted with an error


@pytest.mark.parametrize("key", SCHEDULES)
@pytest.mark.parametrize("name", ["bdia", "o-belm", "edm-heun", "dpmpp-3s", "adams1-flow"])
def test_every_schedule_and_one_step_sampler_is_inverted(key, name):
    schedule = SCHEDULES[key]
    net, sampler = model(schedule, "data"), diffusion.sampler(name)
    sampler = sampler if name in ("bdia", "o-belm") else diffusion.reversible(name)
    times = diffusion.grids.uniform(12, "lambda", schedule=diffusion.FlowMatching() if "pure" in key else schedule)
    if "pure" in key:
        if name in ("o-belm", "edm-heun"):  # the step from α = 0 has an infinite length there
            return
        times = np.append(1.0, times)
    noise = NOISE * 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", diffusion.UnstableWarning)
        data = diffusion.sample(net, noise, sampler=sampler, grid=times)
        latent = diffusion.invert(net, data, sampler=sampler, grid=times)
        assert rms(diffusion.sample(net, latent) - data) < 1e-9 * rms(data)


def test_with_the_state_before_the_noise_itself_comes_back():
    run = diffusion.trajectory(NET, NOISE, sampler="bdia", steps=50)
    latent = diffusion.invert(NET, run.y[-1], sampler="bdia", steps=50, before=run.y[-2])
    np.testing.assert_allclose(latent.noise, NOISE, rtol=0, atol=1e-13)
    np.testing.assert_allclose(latent.second, run.y[1], rtol=0, atol=1e-13)


def test_latents_keep_the_scale_of_noise_and_others_are_warned_of():
    data = diffusion.sample(NET, NOISE, sampler="bdia", steps=50)
    latent = diffusion.invert(NET, data, steps=50)
    assert rms(latent.noise) == pytest.approx(1.0, abs=0.1)
    np.testing.assert_allclose(latent.scale, np.sqrt(np.mean(latent.noise**2, axis=1)))
    assert latent.amplification < 10.0
    for steps, least in ((20, 10.0), (50, 1e6)):
        half = diffusion.reversible("ddim", 0.5)
        with pytest.warns(diffusion.UnstableWarning, match=rf"{steps} steps there make latents up to .* 1/γ a step"):
            useless = diffusion.invert(NET, data, sampler=half, steps=steps)
        assert rms(useless.noise) > least
        assert useless.amplification > 0.5**-steps


def test_the_amplification_bounds_what_becomes_of_an_error():
    """Of Gaussian data, for which the inverse is a linear map of the pair."""
    net = diffusion.models.gaussian_mixture([1.0], [[0.0]], [[[1.0]]], predicts="noise")
    sampler = diffusion.reversible("ddim", 0.9)
    run = diffusion.trajectory(net, NOISE[:, :1], sampler=sampler, steps=30)
    found = [diffusion.invert(net, run.y[-1], sampler=sampler, steps=30, before=run.y[-2] + off) for off in (0.0, 1e-6)]
    grown = np.abs(found[1].noise - found[0].noise).max() / 1e-6
    assert 1.0 < grown <= found[0].amplification


def test_latents_of_data_off_the_scale_of_the_network_are_warned_of():
    far = np.full((40, 2), 30.0)
    with pytest.warns(diffusion.UnstableWarning, match=r"expected latents of the scale of noise, received 5\d times"):
        diffusion.encode(NET, far, sampler="ddim", steps=4)


def test_in_single_precision_torch_comes_back_to_a_thousandth():
    torch = pytest.importorskip("torch")
    noise = torch.tensor(NOISE, dtype=torch.float32)
    for gamma in (1.0, 0.9):
        sampler = diffusion.reversible("ddim", gamma)
        data = diffusion.sample(NET, noise, sampler=sampler, steps=50)
        latent = diffusion.invert(NET, data, sampler=sampler, steps=50)
        assert latent.noise.dtype == torch.float32
        assert rms(diffusion.sample(NET, latent) - data) < 1e-3
    double = diffusion.sample(NET, torch.tensor(NOISE), sampler="bdia", steps=9)
    np.testing.assert_allclose(double, diffusion.sample(NET, NOISE, sampler="bdia", steps=9), rtol=0, atol=1e-12)


def shifted(x, t, shift=0.0):
    """The network of data moved by ``shift``."""
    return NET.network(x - shift * NET.schedule.alpha(t)[:, None], t)


CONDITIONAL = diffusion.Denoiser(shifted, "noise", NET.schedule, {"shift": 0.0})


def test_editing_is_sampling_from_the_latent_under_another_condition():
    data = diffusion.sample(CONDITIONAL, NOISE, sampler="bdia", steps=40)
    latent = diffusion.invert(CONDITIONAL, data, steps=40)
    np.testing.assert_allclose(diffusion.sample(CONDITIONAL, latent), data, rtol=0, atol=1e-12)
    edited = diffusion.sample(CONDITIONAL.with_condition({"shift": 3.0}), latent)
    assert rms(edited.mean(axis=0) - data.mean(axis=0) - 3.0) < 0.5


def test_a_latent_is_data_that_a_pool_of_processes_may_send():
    latent = pickle.loads(pickle.dumps(diffusion.invert(NET, NOISE / 4, steps=6)))
    assert diffusion.sample(NET, latent) == pytest.approx(NOISE / 4, abs=1e-13)
    assert repr(latent).startswith("Latent(shape (60, 2), 'bdia' in 6 steps from t = 1 to 0.001, amplification ")


def test_no_more_calls_are_made_than_in_sampling():
    calls = []
    net = diffusion.Denoiser(lambda x, t: calls.append(1) or NET.network(x, t), "noise", NET.schedule)
    latent = diffusion.invert(net, NOISE / 4, steps=9)
    assert len(calls) == 9
    diffusion.sample(net, latent)
    assert len(calls) == 9 + 8  # the second state is known


LATENT = diffusion.invert(NET, NOISE / 4, steps=6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: diffusion.invert(NET, NOISE, sampler="ddim", steps=5), "a sampler with an exact inverse, .* 'ddim'"),
        (
            lambda: diffusion.invert(NET, NOISE, sampler="dpmpp-2m", steps=5),
            "with an exact inverse, .* diffusion.encode",
        ),
        (lambda: diffusion.invert(NET, NOISE, steps=1), "a plan of two steps or more"),
        (lambda: diffusion.invert(NET, NOISE, grid=[1.0, 0.5, 0.1, 0.0]), "ends above σ = 0, .* from t = 0.1"),
        (lambda: diffusion.invert(NET, NOISE, steps=4, before=NOISE[:3]), r"of shape \(60, 2\) .* received \(3, 2\)"),
        (lambda: diffusion.sample(NET, LATENT, steps=7), "times of the inversion, Latent.* in 7 steps"),
        (lambda: diffusion.sample(NET, LATENT, sampler="ddim"), "of the inversion, .*; received 'ddim'"),
        (lambda: diffusion.sample(NET, LATENT, sampler=diffusion.reversible("ddim", 0.9)), "received 'ddim-bdia0.9'"),
        (lambda: diffusion.sample(model(diffusion.VP.linear(0.2, 20.0)), LATENT), "keep the schedule and breakpoints"),
        (lambda: diffusion.sample(NET, LATENT, start="state"), "expected start='noise' for a Latent"),
        (lambda: diffusion.reversible("dpmpp-2m"), "expected a one-step sampler .* looks at 2 values of N"),
        (lambda: diffusion.reversible("ddim", 1.5), "gamma"),
        (lambda: diffusion.reversible("ddim", "best"), "weights"),
        (lambda: diffusion.reversible("ddpm"), "expected a deterministic sampler"),
        (lambda: diffusion.invert(NET, NOISE / 4, sampler="dpmpp-2m-sde", steps=4), "expected a"),
    ],
)
def test_what_has_no_inverse_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_rule_or_fitted_rows_are_refused():
    with pytest.raises(TypeError, match="expected sampler to be a one-step sampler"):
        diffusion.reversible("auto")
    with pytest.raises(ValueError, match="expected a sampler with an exact inverse"):
        diffusion.invert(NET, NOISE, sampler="auto", steps=5)


def test_guidance_switched_off_mid_way_is_sampled_right_and_not_inverted():
    """Across the breakpoint nothing is carried, so that there is nothing from which to go back."""
    guided = diffusion.guidance.classifier_free(
        CONDITIONAL.with_condition({"shift": 0.5}), 1.5, unconditional={"shift": 0.0}, interval=(0.2, 0.7)
    )
    errors = []
    reference = diffusion.sample(guided, NOISE, sampler="deis-rho-rk4", steps=300)
    for steps in (40, 160):
        found = diffusion.sample(guided, NOISE, sampler="bdia", steps=steps)
        errors.append(np.median(np.abs(found - reference)))
    assert errors[1] < 0.1 * errors[0]
    with pytest.raises(ValueError, match=r"leaves y_\{n-1\} out, as at a breakpoint of the network"):
        diffusion.invert(guided, NOISE, steps=20)


def test_a_method_with_a_history_makes_no_plan_of_two_sides():
    import expint

    zero, times = expint.operators.Scalar(0.0), [0.0, 0.3, 0.7, 1.0]
    there = expint.lower(expint.method("adams2"), zero, times)
    back = expint.lower(PredictorCorrector(2, ramp=True), zero, times[::-1])
    for plans in ((there, back), (back, there)):
        with pytest.raises(ValueError, match="expected the plan of a one-step method"):
            two_sided(*plans, [1.0, 1.0])


def test_the_reversed_plan_undoes_stages_too():
    import expint

    scale, times = expint.operators.Scalar(-0.4), [0.0, 0.3, 0.7, 1.0, 1.2]
    there, back = (expint.lower(expint.method("krogstad4"), scale, t) for t in (times, times[::-1]))
    plan, slope = two_sided(there, back, [0.9, 1.0, 1.1]), lambda t, y: np.cos(y) + t
    states = [state.y for state in over_plan(plan, slope, NOISE)]
    again = [state.y for state in over_plan(plan.reversed(), slope, states[-1], earlier=[states[-2]])]
    for found, expected in zip(again, states[-2::-1], strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)
    assert plan.evaluations == 1 + 3 + 3 * 7


def test_the_way_from_a_latent_is_shown_as_that_from_noise_is():
    """Its states, those between them, and a run that is ended by its callback and goes on."""
    latent = diffusion.invert(NET, diffusion.sample(NET, NOISE, steps=20), steps=40)
    run = diffusion.trajectory(NET, latent, dense_output=True)
    np.testing.assert_array_equal(run.y[-1], diffusion.sample(NET, latent))
    np.testing.assert_array_equal(run.t, latent.times[1:])
    np.testing.assert_array_equal(run.y[0], latent.second)
    fine = np.linspace(run.t[0], run.t[-1], 401)
    exact = diffusion.trajectory(NET, run.y[0], sampler="adams4-velocity", grid=fine, start="state", dense_output=True)
    middle = (run.t[1:] + run.t[:-1]) / 2
    at, between = (np.median(np.abs(run.sol(t) - exact.sol(t))) for t in (run.t, middle))
    assert between < 3 * at < 0.01

    def stop(t, x):
        if t < 0.5:
            raise StopIteration

    part = diffusion.trajectory(NET, latent, callback=stop)
    assert 1 < len(part.t) < 40
    np.testing.assert_array_equal(diffusion.resume(NET, part).y, run.y)
