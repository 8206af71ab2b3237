"""The front doors: what they take, what they give, what they refuse."""

import warnings

import array_api_strict
import numpy as np
import pytest
import torch

import diffusion
from diffusion.models.mixture import gaussian_mixture

from .golden import mixture

VP = diffusion.VP.linear()
NET = gaussian_mixture(*mixture()[:3], VP, predicts="noise")
NOISE = mixture()[3]


def counting(network, schedule=VP):
    calls = []
    return diffusion.Denoiser(lambda x, t: calls.append(t) or network(x, t), schedule=schedule), calls


@pytest.mark.parametrize("name", ["deis-tab3", "dpmpp-2m", "edm-heun"])
def test_numpy_and_torch_give_the_same_samples(name):
    expected = diffusion.sample(NET, NOISE, sampler=name, steps=6)
    found = diffusion.sample(NET, torch.from_numpy(NOISE), sampler=name, steps=6)
    assert isinstance(found, torch.Tensor)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["deis-tab3", "unipc3", "edm-heun"])
def test_nothing_is_asked_of_an_array_beyond_the_array_api(name):
    expected = diffusion.trajectory(NET, NOISE, sampler=name, steps=6, dense_output=True)
    found = diffusion.trajectory(NET, array_api_strict.asarray(NOISE), sampler=name, steps=6, dense_output=True)
    for theirs, ours in ((found.y, expected.y), (found.sol(0.3), expected.sol(0.3))):
        assert isinstance(theirs, array_api_strict.asarray(0).__class__)
        np.testing.assert_allclose(np.asarray(theirs), ours, rtol=1e-13)


@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_single_precision_stays_single_and_loses_nothing_but_rounding(make):
    seen = []
    denoiser = diffusion.Denoiser(lambda x, t: seen.append((x.dtype, t.dtype)) or NET(x, t), schedule=VP)
    single = make(NOISE.astype(np.float32))
    found = diffusion.sample(denoiser, single, sampler="deis-tab3", steps=8)
    assert found.dtype == single.dtype
    assert {dtype for pair in seen for dtype in pair} == {single.dtype}
    expected = diffusion.sample(NET, NOISE.astype(np.float32).astype(float), sampler="deis-tab3", steps=8)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=2e-4, atol=2e-4)


def test_a_sample_depends_on_its_own_noise_only():
    together = diffusion.sample(NET, NOISE, sampler="deis-tab2", steps=6)
    alone = [diffusion.sample(NET, NOISE[i : i + 1], sampler="deis-tab2", steps=6) for i in range(len(NOISE))]
    np.testing.assert_allclose(together, np.concatenate(alone), rtol=1e-12)


def test_sampling_is_deterministic_and_leaves_the_noise_as_it_is():
    kept = NOISE.copy()
    first, second = (diffusion.sample(NET, NOISE, steps=7) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(NOISE, kept)


def test_the_trajectory_ends_in_the_sample():
    run = diffusion.trajectory(NET, NOISE, sampler="ddim", steps=5)
    np.testing.assert_array_equal(run.states[-1], diffusion.sample(NET, NOISE, sampler="ddim", steps=5))
    assert run.success
    assert run.states.shape == (6, *NOISE.shape)
    assert run.calls == 5
    assert run.method == "ddim"
    assert (run.t[0], run.t[-1]) == (VP.t_start, VP.t_end)
    assert np.all(np.diff(run.t) < 0)


@pytest.mark.parametrize(
    ("schedule", "scale"), [(VP, 1.0), (diffusion.EDM(), 80.0), (diffusion.FlowMatching(t_start=0.9), 0.9)]
)
def test_noise_is_scaled_to_the_first_time_and_a_state_is_taken_as_it_is(schedule, scale):
    network = gaussian_mixture(*mixture()[:3], schedule, predicts="noise")
    run = diffusion.trajectory(network, NOISE, sampler="ddim", steps=4)
    np.testing.assert_allclose(run.states[0], scale * NOISE, rtol=1e-14)
    same = diffusion.trajectory(network, scale * NOISE, sampler="ddim", steps=4, start="state")
    np.testing.assert_allclose(same.states, run.states, rtol=1e-13)


def test_a_grid_given_as_list_array_or_steps_is_one_grid():
    grid = diffusion.grids.power(6, 2, clock="t", schedule=VP)
    expected = diffusion.sample(NET, NOISE, sampler="deis-tab1", steps=6)
    for given in (grid, list(grid), torch.from_numpy(grid)):
        np.testing.assert_array_equal(diffusion.sample(NET, NOISE, sampler="deis-tab1", grid=given), expected)


@pytest.mark.parametrize(("name", "steps"), [("ddim", 640), ("deis-tab2", 160), ("deis-rho-rk4", 40)])
def test_encode_is_the_inverse_of_sample_up_to_the_error_of_the_method(name, steps):
    schedule = diffusion.VP.linear(t_end=1e-2)
    network = gaussian_mixture(*mixture()[:3], schedule, predicts="noise")
    errors = []
    for n in (steps, 2 * steps):
        grid = diffusion.grids.uniform(n, clock="lambda", schedule=schedule)
        data = diffusion.sample(network, NOISE, sampler=name, grid=grid)
        back = diffusion.encode(network, data, sampler=name, grid=grid)
        assert back.dtype == NOISE.dtype
        errors.append(np.median(np.abs(back - NOISE)))
    order = {"ddim": 1, "deis-tab2": 2, "deis-rho-rk4": 4}[name]
    assert errors[0] < 0.03
    assert errors[1] < errors[0] / 2 ** (order - 0.4)


@pytest.mark.filterwarnings("ignore::diffusion.UnstableWarning")  # so few steps are, and it is said
@pytest.mark.parametrize("name", ["deis-tab3", "unipc3", "dpmpp-3m@dpm-solver", "lms4"])
def test_encoding_by_a_multistep_sampler_makes_one_call_per_step(name):
    denoiser, calls = counting(NET)
    grid = diffusion.grids.uniform(8, "lambda", schedule=VP)
    diffusion.encode(denoiser, diffusion.sample(NET, NOISE, sampler=name, grid=grid), sampler=name, grid=grid)
    assert len(calls) == 8


def test_encode_gives_standard_noise_on_schedules_of_any_scale():
    schedule = diffusion.EDM(0.02, 20.0)
    network = gaussian_mixture(*mixture()[:3], schedule, predicts="noise")
    data = diffusion.sample(network, NOISE, sampler="deis-rho-rk4", steps=100)
    np.testing.assert_allclose(
        diffusion.encode(network, data, sampler="deis-rho-rk4", steps=100), NOISE, rtol=0, atol=1e-3
    )


def test_the_callback_sees_every_time_and_state():
    seen = []
    run = diffusion.trajectory(NET, NOISE, sampler="deis-tab1", steps=5, callback=lambda t, x: seen.append((t, x)))
    np.testing.assert_array_equal([t for t, _ in seen], run.t)
    np.testing.assert_array_equal([x for _, x in seen], run.states)


def test_inference_mode_changes_no_bit_of_any_sampler():
    network = diffusion.Denoiser(lambda x, t: torch.tanh(x), "noise", VP)
    x = torch.linspace(-1.0, 1.0, 6).reshape(2, 3)
    for name in diffusion.sampler_names():
        found = diffusion.sample(network, x, sampler=name, steps=4)
        with torch.inference_mode():
            assert torch.equal(diffusion.sample(network, 1.0 * x, sampler=name, steps=4), found), name


def test_progress_changes_nothing():
    quiet, shown = (diffusion.sample(NET, NOISE, steps=5, progress=progress) for progress in (False, True))
    np.testing.assert_array_equal(quiet, shown)


def test_gradients_flow_to_the_noise_where_they_are_asked_for():
    noise = torch.from_numpy(NOISE).requires_grad_()
    weight = torch.ones((), requires_grad=True, dtype=torch.float64)
    denoiser = diffusion.Denoiser(lambda x, t: weight * VP.sigma(t)[:, None, None, None] * x, schedule=VP)
    diffusion.sample(denoiser, noise, sampler="deis-tab1", steps=4).sum().backward()
    for leaf in (noise, weight):
        assert leaf.grad is not None
        assert bool(torch.all(torch.isfinite(leaf.grad)))
    assert diffusion.sample(denoiser, torch.from_numpy(NOISE), steps=4).requires_grad  # that of the weight
    with torch.no_grad():
        assert not diffusion.sample(denoiser, torch.from_numpy(NOISE), steps=4).requires_grad


def test_an_exception_of_the_network_passes_with_the_states_reached():
    def broken(x, t):
        if t[0] < 0.5:
            raise RuntimeError("out of memory")
        return x

    with pytest.raises(RuntimeError, match="out of memory") as caught:
        diffusion.trajectory(diffusion.Denoiser(broken), NOISE, sampler="ddim", grid=[1.0, 0.6, 0.4, 0.2])
    np.testing.assert_array_equal(caught.value.solution.t, [1.0, 0.6, 0.4])


REFUSED = [
    ({}, ValueError, "either steps= .* or grid= .* received neither"),
    ({"steps": 4, "grid": [1.0, 0.5]}, ValueError, "received both"),
    ({"steps": 0}, ValueError, "steps to be an integer ≥ 1, received 0"),
    ({"steps": 2.5}, TypeError, "steps to be an integer, received 2.5"),
    ({"steps": 4, "sampler": "deis-tab33"}, ValueError, "did you mean 'deis-tab3'"),
    ({"grid": [0.1, 0.5, 1.0]}, ValueError, "strictly decreasing .* at index 0"),
    ({"grid": [1.0, 0.5, 0.5, 0.1]}, ValueError, "received 0.5 followed by 0.5 at index 1"),
    ({"grid": [1.0, 0.5, 1e-4]}, ValueError, "within the schedule's range"),
    ({"grid": [1.5, 0.5, 0.1]}, ValueError, "within the schedule's range"),
    ({"grid": [1.0, float("nan"), 0.1]}, ValueError, "finite times; received nan at index 1"),
    ({"grid": [1.0]}, ValueError, "at least two times"),
    ({"steps": 4, "start": "middle"}, ValueError, "start to be one of 'noise', 'state', received 'middle'"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), REFUSED)
def test_arguments_that_make_no_sense_are_refused_before_any_call(arguments, error, message):
    denoiser, calls = counting(NET)
    with pytest.raises(error, match=message):
        diffusion.sample(denoiser, NOISE, **{"sampler": "deis-tab1", **arguments})
    assert not calls


@pytest.mark.parametrize(
    ("noise", "error", "message"),
    [
        ([[0.1, 0.2]], TypeError, "received list"),
        (np.zeros((2, 4), dtype=np.int64), TypeError, "floating-point array, received dtype int64; convert"),
        (np.zeros((2, 4), dtype=complex), TypeError, "floating-point array, received dtype complex128"),
        (np.array(1.0), ValueError, "add a batch axis"),
        (np.array([[1.0, np.nan]]), ValueError, "finite array, received inf or nan"),
        (torch.tensor([[1.0, float("inf")]]), ValueError, "finite array, received inf or nan"),
    ],
)
@pytest.mark.parametrize("door", [diffusion.sample, diffusion.trajectory, diffusion.encode])
def test_states_that_cannot_be_sampled_are_refused_before_any_call(door, noise, error, message):
    denoiser, calls = counting(NET)
    with pytest.raises(error, match=message):
        door(denoiser, noise, sampler="ddim", steps=4)
    assert not calls


@pytest.mark.parametrize("name", ["deis-tab3", "unipc3-noise", "edm-heun", "dpmpp-2m"])
@pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")  # a network of no schedule
@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy, lambda x: torch.from_numpy(x).bfloat16()])
def test_a_network_may_write_each_output_over_the_one_before(make, name):
    def network(x, t):
        return 0.7 * x + t[:, None]

    noise, memory = make(np.random.default_rng(5).standard_normal((3, 4))), {}

    def compiled(x, t):
        output = memory.setdefault("output", network(x, t))
        output[...] = network(x, t)
        return output

    runs = [diffusion.trajectory(diffusion.Denoiser(net), noise, sampler=name, steps=6) for net in (network, compiled)]
    assert bool((runs[0].y == runs[1].y).all())


@pytest.mark.parametrize("door", [diffusion.sample, diffusion.trajectory, diffusion.encode])
def test_a_network_in_place_of_a_denoiser_is_refused(door):
    with pytest.raises(TypeError, match=r"expected denoiser to be a Denoiser, received a function .*; wrap a network"):
        door(lambda x, t: x, np.zeros((2, 4)), steps=4)


def test_a_network_that_returns_another_shape_is_refused_at_its_first_call():
    denoiser, calls = counting(lambda x, t: x[:, :, :1])
    with pytest.raises(ValueError, match=r"expected the network to return an array of shape \(3, 1, 2, 2\)"):
        diffusion.sample(denoiser, NOISE, steps=5)
    assert len(calls) == 1


def nan_below(t_bad):
    def network(x, t):
        out = NET(x, t)
        if t[0] < t_bad:
            out[1] = np.nan
        return out

    return diffusion.Denoiser(network, schedule=VP)


@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_nan_from_the_network_is_an_error_that_says_where_with_the_states_reached(make):
    grid = [1.0, 0.8, 0.6, 0.4, 0.2]
    message = r"inf or nan in call 4 of 4, at t = 0.4, for sample 1 of 3; check"
    with pytest.raises(diffusion.SamplingError, match=message) as caught:
        diffusion.sample(nan_below(0.5), make(NOISE), sampler="deis-tab1", grid=grid)
    assert isinstance(caught.value, FloatingPointError)
    assert not caught.value.solution.success
    np.testing.assert_array_equal(caught.value.solution.t, [1.0, 0.8, 0.6, 0.4])
    assert np.all(np.isfinite(np.asarray(caught.value.solution.states)))


def test_nan_from_the_network_ends_a_trajectory_with_a_status():
    run = diffusion.trajectory(nan_below(0.5), NOISE, sampler="ddim", grid=[1.0, 0.6, 0.4, 0.2])
    assert not run.success
    assert run.status.name == "NON_FINITE"
    assert "in call 3 of 3, at t = 0.4, for sample 1 of 3" in run.message
    np.testing.assert_array_equal(run.t, [1.0, 0.6, 0.4])
    assert np.all(np.isfinite(run.states))


def test_overflow_in_half_precision_is_told_from_other_failures():
    denoiser = diffusion.Denoiser(lambda x, t: 1e5 * x, schedule=VP)
    with pytest.raises(diffusion.SamplingError, match="half precision overflows at 65504: run the network in bfloat16"):
        diffusion.sample(denoiser, torch.from_numpy(NOISE).half() + 1, sampler="ddim", steps=3)


def test_a_state_that_overflows_though_the_network_does_not_is_an_error():
    denoiser = diffusion.Denoiser(lambda x, t: 0 * x + 1e308, schedule=diffusion.EDM())
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(diffusion.SamplingError, match="inf or nan found"):
        diffusion.sample(denoiser, NOISE, sampler="ddim", steps=3)


@pytest.mark.parametrize("schedule", [VP, diffusion.VP.cosine(), diffusion.EDM()], ids=["linear", "cosine", "edm"])
@pytest.mark.parametrize("truth", ["data", "velocity"])
def test_a_prediction_taken_for_noise_is_warned_of(schedule, truth):
    network = gaussian_mixture(*mixture()[:3], schedule, predicts=truth).network
    wrong = diffusion.Denoiser(network, "noise", schedule)
    with pytest.warns(diffusion.OffScaleWarning, match="predict something else than 'noise'.*check predicts="):
        diffusion.sample(wrong, NOISE, sampler="dpm1", steps=10)
    diffusion.sample(diffusion.Denoiser(network, truth, schedule), NOISE, sampler="dpm1", steps=10)


@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
@pytest.mark.parametrize("door", [diffusion.sample, diffusion.trajectory])
def test_the_data_that_the_first_call_implies_tell_of_a_wrong_prediction_though_the_samples_do_not(door, make):
    """A velocity taken for noise: of the size of the noise-to-signal ratio at first, ordinary in the end."""
    schedule = diffusion.EDM()
    wrong = diffusion.Denoiser(gaussian_mixture(*mixture()[:3], schedule, "velocity").network, "noise", schedule)
    with pytest.warns(diffusion.OffScaleWarning, match=r"data, as the first call, at t = 80, implies .* than 'noise'"):
        end = door(wrong, make(NOISE), sampler="dpmpp-2m", steps=10)
    samples = end.y_end if door is diffusion.trajectory else end
    assert float((samples**2).mean()) ** 0.5 < 20.0


@pytest.mark.parametrize("name", ["deis-tab3", "unipc3", "adams2-velocity", "adams2-edm"])
def test_a_noise_prediction_with_an_error_of_a_few_percent_is_not_warned_of(name):
    rough = diffusion.Denoiser(lambda x, t: NET(x, t) + 0.05 * np.sin(40 * x), "noise", VP)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        diffusion.sample(rough, NOISE, sampler=name, steps=10)


def test_times_at_which_the_clock_is_infinite_are_refused_and_sampled_at_where_it_is_not():
    schedule = diffusion.FlowMatching(t_start=1.0, t_end=0.0)
    network = gaussian_mixture(*mixture()[:3], schedule, predicts="flow")
    grid = [1.0, 0.75, 0.5, 0.25, 0.0]
    for name, where in (("dpm2m", "t = 1 with α = 0, σ = 1"), ("deis-tab2", "t = 1 with α = 0, σ = 1")):
        with pytest.raises(ValueError, match=rf"{name}: expected times at which the clock .* received {where}"):
            diffusion.sample(network, NOISE, sampler=name, grid=grid)
    found = diffusion.trajectory(network, NOISE, sampler="adams2-flow", grid=grid)
    assert found.success
    np.testing.assert_array_equal(found.states[0], NOISE)
    noise_network = gaussian_mixture(*mixture()[:3], schedule, predicts="noise")
    with pytest.raises(ValueError, match=r"determine 'flow'; received α = 0.0"):
        diffusion.sample(noise_network, NOISE, sampler="adams2-flow", grid=grid)


@pytest.mark.parametrize("name", ["unipc3", "dpmpp-2m", "edm-heun", "ddim"])
def test_a_schedule_that_ends_in_clean_data_is_sampled_by_a_last_step_to_it(name):
    """Whether σ = 0 is its last time or lies beyond: grids that end there give the same samples."""
    clean, noisy = diffusion.FlowMatching(t_end=0.0), diffusion.FlowMatching()
    grid = [0.99, 0.7, 0.4, 0.2, 0.05, 0.0]
    found, expected = (
        diffusion.sample(gaussian_mixture(*mixture()[:3], s, predicts="flow"), NOISE, sampler=name, grid=grid)
        for s in (clean, noisy)
    )
    np.testing.assert_array_equal(found, expected)


def test_by_steps_too_a_schedule_may_end_in_clean_data():
    schedule = diffusion.FlowMatching(t_end=0.0)
    network = gaussian_mixture(*mixture()[:3], schedule, predicts="flow")
    for name in ("edm-heun", "adams2-flow"):
        run = diffusion.trajectory(network, NOISE, sampler=name, steps=6)
        assert (len(run.t), run.t[-1]) == (7, 0.0)
    with pytest.raises(ValueError, match="expected the clock 'lambda' finite at both ends"):
        diffusion.sample(network, NOISE, sampler="unipc3", steps=6)


def test_a_stage_at_zero_noise_is_planned_without_a_warning():
    net = diffusion.Denoiser(lambda x, t: (t / (1 + t**2))[:, None] * x, "noise", diffusion.EDM())  # of N(0, 1)
    two_stages = diffusion.sampler("edm-heun", end=diffusion.End(zero=2))
    assert diffusion.trajectory(net, np.ones((1, 2)), sampler=two_stages, steps=6).calls == 12
