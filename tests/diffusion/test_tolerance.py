"""Sampling to a tolerance: errors follow rtol, every sample has its own steps, and none depends on its neighbours."""

import pickle

import numpy as np
import pytest
import torch

import diffusion
import expint
from diffusion.models.mixture import gaussian_mixture

WEIGHTS, MEANS = [0.3, 0.5, 0.2], [[-1.0, 0.4], [0.8, 1.0], [0.2, -1.2]]
COVARIANCES = [0.05 * np.eye(2), [[0.2, 0.1], [0.1, 0.1]], 0.01 * np.eye(2)]
NOISE = np.random.default_rng(18).standard_normal((8, 2))
BETAS = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
SCHEDULES = {
    "vp": diffusion.VP.linear(),
    "cosine": diffusion.VP.cosine(),
    "table": diffusion.VP.from_betas(BETAS),
    "zero-terminal": diffusion.VP.zero_terminal_snr(BETAS),
    "sub-vp": diffusion.SubVP(),
    "ve": diffusion.VE(),
    "edm": diffusion.EDM(),
    "flow": diffusion.FlowMatching(),
    "flow-shifted": diffusion.FlowMatching(shift=3.0),
    "flow-from-noise-to-data": diffusion.FlowMatching(t_start=1.0, t_end=0.0),
}


def model(schedule=None, predicts="velocity"):
    return gaussian_mixture(WEIGHTS, MEANS, COVARIANCES, schedule or diffusion.VP.linear(), predicts=predicts)


@pytest.mark.parametrize("name", SCHEDULES)
def test_errors_follow_the_tolerance_on_every_schedule(name):
    """Against many fixed steps of another method in another gauge."""
    net = model(SCHEDULES[name])
    exact = diffusion.sample(net, NOISE, sampler="lawson-rk4-flow", steps=400)
    size = float(np.sqrt(np.mean(exact**2)))
    calls = []
    for rtol in (1e-2, 1e-3, 1e-5):
        run = diffusion.trajectory(net, NOISE, rtol=rtol)
        error = np.sqrt(np.mean((run.y_end - exact) ** 2, axis=1)) / size
        assert error.max() <= 3 * rtol
        assert np.median(error) <= rtol
        calls.append(run.calls.mean())
        assert np.array_equal(diffusion.sample(net, NOISE, rtol=rtol), run.y_end)
    assert calls[0] < 30
    assert calls[1] < 60
    assert calls == sorted(calls)


@pytest.mark.parametrize("sampler", ["auto", "expint43-data", "deis-rho-heun", "expint43-noise"])
def test_no_bit_of_a_sample_depends_on_its_batch(sampler):
    net = model(predicts="noise")
    whole = diffusion.trajectory(net, NOISE, rtol=1e-3, sampler=sampler)
    assert len(set(whole.calls.tolist())) > 1  # each has its own steps
    for chosen in ([3], [7, 0, 4]):
        part = diffusion.trajectory(net, NOISE[chosen], rtol=1e-3, sampler=sampler)
        assert np.array_equal(part.y_end, whole.y_end[chosen])
        assert np.array_equal(part.calls, whole.calls[chosen])


@pytest.mark.parametrize("predicts", ["noise", "data", "score", "velocity", "flow", "edm"])
def test_what_the_network_predicts_does_not_matter(predicts):
    run = diffusion.sample(model(predicts=predicts), NOISE, rtol=1e-6)
    np.testing.assert_allclose(run, diffusion.sample(model(), NOISE, rtol=1e-6), rtol=1e-7, atol=1e-9)


def test_the_tolerance_is_relative_to_the_size_of_states_and_atol_acts():
    net = model(diffusion.EDM())
    calls = [diffusion.trajectory(net, NOISE, rtol=1e-4, atol=atol).calls.mean() for atol in (1e-1, 1e-3, 1e-5)]
    assert calls == sorted(calls)
    assert calls[0] < 0.6 * calls[2]
    loose = diffusion.trajectory(net, NOISE, atol=1e-3)
    assert np.array_equal(loose.y_end, diffusion.sample(net, NOISE, rtol=1e-3, atol=1e-3))


def test_the_network_is_told_the_samples_that_run_their_times_and_their_rows():
    schedule, seen = diffusion.VP.linear(), []
    inner = model(schedule, "noise")

    def network(x, t, label, common):
        assert x.shape[0] == t.shape[0] == label.shape[0]
        assert common == "all"
        seen.append((len(x), float(np.ptp(t))))
        return inner.network(x, t) * (1 + 0.1 * label[:, None])

    labels = np.arange(8.0)
    net = diffusion.Denoiser(network, "noise", schedule, {"label": labels, "common": "all"})
    whole = diffusion.trajectory(net, NOISE, rtol=1e-3)
    assert max(spread for _, spread in seen) > 0  # at times of their own
    assert len({count for count, _ in seen}) > 3  # those that are done are not called any more
    assert sum(count for count, _ in seen) == whole.calls.sum() + 1  # and one look at what a sample is alone
    for i in (0, 5):
        alone = diffusion.Denoiser(network, "noise", schedule, {"label": labels[i : i + 1], "common": "all"})
        assert np.array_equal(diffusion.sample(alone, NOISE[i : i + 1], rtol=1e-3)[0], whole.y_end[i])


def guided(kind, labels, scale):
    inner = model(predicts="noise")

    def network(x, t, label=None):
        return inner.network(x, t) + (0.0 if label is None else 0.1 * label[:, None])

    net = diffusion.Denoiser(network, "noise", inner.schedule, {"label": labels})
    if kind == "classifier-free":
        return diffusion.guidance.classifier_free(
            net, scale, unconditional={"label": None}, interval=(0.2, 0.8), rescale=0.3
        )
    if kind == "classifier":
        return diffusion.guidance.classifier_guided(net, lambda x, t: -x * t, scale)
    if kind == "thresholded":
        return diffusion.guidance.thresholded(net, 0.9, 0.7)
    if kind == "corrected":
        return diffusion.guidance.corrected(net, lambda data, t: np.clip(data, -1 - t, 1 + t))
    return diffusion.guidance.inpainted(net, labels[:, None] * np.ones((1, 2)), np.array([[1.0, 0.0]]))


@pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")
@pytest.mark.parametrize("kind", ["classifier-free", "classifier", "thresholded", "corrected", "inpainted"])
def test_guidance_acts_on_every_sample_at_its_own_time(kind):
    labels, scale = np.linspace(-1, 1, 8), np.linspace(1, 3, 8)[:, None]
    net = guided(kind, labels, scale)
    whole = diffusion.trajectory(net, NOISE, rtol=1e-4)
    exact = diffusion.sample(net, NOISE, sampler="deis-rho-rk4", steps=400)
    off = np.abs(whole.y_end - exact).max(axis=1)
    assert np.median(off) < 1e-3
    assert off.max() < 5e-3
    for i in (1, 6):
        one = diffusion.sample(guided(kind, labels[i : i + 1], scale[i : i + 1]), NOISE[i : i + 1], rtol=1e-4)
        np.testing.assert_allclose(one[0], whole.y_end[i], rtol=1e-12, atol=1e-13)


def test_between_the_steps_and_at_events_every_sample_is_on_its_path():
    net, schedule = model(), diffusion.VP.linear()
    run = diffusion.trajectory(net, NOISE, rtol=1e-6, dense_output=True)
    for t in (0.9, 0.31, 0.05):
        exact = diffusion.sample(net, NOISE, sampler="lawson-rk4-flow", grid=np.linspace(schedule.t_start, t, 401))
        between = np.stack([one.sol(t) for one in run])
        np.testing.assert_allclose(between, exact, atol=2e-5)
    assert np.array_equal(run[2].sol(run[2].t), run[2].y)
    assert np.array_equal(run[2].sol(schedule.t_start), run[2].y[0])
    with pytest.raises(ValueError, match="expected times between"):
        run[0].sol(1.5)

    def leaves(t, x):
        return x[0] ** 2 + x[1] ** 2 - 1.0

    leaves.terminal = True
    stopped = diffusion.trajectory(net, NOISE, rtol=1e-6, events=leaves)
    ended = stopped.status == expint.Status.TERMINATED
    assert 0 < ended.sum() < 8
    np.testing.assert_allclose(np.sum(stopped.y_end[ended] ** 2, axis=1), 1.0, rtol=1e-9)
    for i in np.flatnonzero(ended):
        np.testing.assert_allclose(run[i].sol(stopped.t_end[i]), stopped.y_end[i], atol=2e-5)
        np.testing.assert_allclose(stopped.y_events[i][0][-1], stopped.y_end[i])
        assert stopped.t_events[i][0][-1] == stopped.t_end[i]


@pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")  # the network is the denoiser of no data
def test_tensors_in_single_precision_and_gradients_pass():
    schedule = diffusion.VP.linear()
    weight = torch.tensor(0.7, requires_grad=True)

    def network(x, t):
        assert x.dtype == t.dtype == torch.float32
        return weight * x / (1 + t[:, None])

    net, noise = diffusion.Denoiser(network, "noise", schedule), torch.tensor(NOISE, dtype=torch.float32)
    with torch.no_grad():
        plain = diffusion.sample(net, noise, rtol=1e-3)
    assert plain.dtype == torch.float32
    assert torch.equal(diffusion.sample(net, noise[2:3], rtol=1e-3).detach()[0], plain[2])
    diffusion.sample(net, noise, rtol=1e-3).sum().backward()
    near = []
    for value in (0.69, 0.71):
        double = diffusion.Denoiser(lambda x, t, value=value: value * x / (1 + t[:, None]), "noise", schedule)
        near.append(float(diffusion.sample(double, NOISE, rtol=1e-8).sum()))
    assert float(weight.grad) == pytest.approx((near[1] - near[0]) / 0.02, rel=1e-2)


def test_runs_to_a_tolerance_can_be_pickled():
    run = diffusion.trajectory(model(), NOISE, rtol=1e-3)
    assert np.array_equal(pickle.loads(pickle.dumps(run)).y_end, run.y_end)
    assert run[3].t[0] == diffusion.VP.linear().t_start
    assert (np.diff(run[3].t) < 0).all()


def test_a_sample_that_fails_is_named_and_the_others_are_kept():
    schedule = diffusion.VP.linear()
    inner = model(schedule, "noise")

    def network(x, t, number):
        return np.where(((number == 2) & (t < 0.5))[:, None], np.nan, inner.network(x, t))

    with pytest.raises(diffusion.SamplingError) as caught:
        diffusion.sample(diffusion.Denoiser(network, "noise", schedule, {"number": np.arange(8)}), NOISE, rtol=1e-3)
    found = caught.value.solution
    assert np.flatnonzero(~found.success).tolist() == [2]
    assert np.isfinite(found.y_end).all()


@pytest.mark.parametrize("key", ["vp", "cosine", "edm", "flow"])
@pytest.mark.parametrize(("is_", "said"), [("data", "noise"), ("velocity", "noise")])
def test_a_network_of_another_prediction_is_warned_of(key, is_, said):
    """That none is warned of who says what is so is seen in all other tests, where warnings are errors."""
    net = model(SCHEDULES[key], is_)
    noise = np.random.default_rng(1).standard_normal((32, 2))
    wrong = diffusion.Denoiser(net.network, said, net.schedule)
    with pytest.warns(diffusion.OffScaleWarning, match="check predicts=") as caught:
        diffusion.sample(wrong, noise, rtol=1e-2)
    assert caught[0].filename == __file__
    with pytest.warns(diffusion.OffScaleWarning, match="check predicts="):
        diffusion.trajectory(wrong, torch.tensor(noise), rtol=1e-2)


def coupled(x, t):
    return x * t.reshape(-1)[0]


WRONG = {
    "steps beside": ({"rtol": 1e-3, "steps": 10}, "leave one of them out"),
    "a grid beside": ({"rtol": 1e-3, "grid": [1.0, 0.1]}, "leave one of them out"),
    "negative": ({"rtol": -1e-3}, "rtol > 0"),
    "zero": ({"rtol": 1e-3, "atol": 0.0}, "atol > 0"),
    "too tight": ({"rtol": 1e-17}, "rtol of at least"),
    "a seed without noise": ({"rtol": 1e-3, "rng": 0}, "rng="),
    "noise without a seed": ({"rtol": 1e-3, "sampler": "dpmpp-2m-sde"}, "expected rng="),
    "no estimate": ({"rtol": 1e-3, "sampler": "unipc3"}, "estimates the error"),
    "a callback": ({"rtol": 1e-3, "callback": print}, "no time in common"),
    "text": ({"rtol": "small"}, "real number"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_makes_no_sense_beside_a_tolerance_is_refused(case):
    options, words = WRONG[case]
    with pytest.raises((ValueError, TypeError), match=words):
        diffusion.sample(model(), NOISE, **options)


def test_clocks_and_networks_that_cannot_are_refused():
    with pytest.raises(ValueError, match="clock is finite"):
        diffusion.sample(model(SCHEDULES["zero-terminal"]), NOISE, rtol=1e-3, sampler="expint43-data")
    with pytest.raises(ValueError, match="determine"):
        diffusion.sample(model(SCHEDULES["zero-terminal"], "noise"), NOISE, rtol=1e-3)
    with pytest.raises(TypeError, match="a time for each sample"):
        diffusion.sample(diffusion.Denoiser(coupled, "noise"), NOISE * np.arange(1, 9)[:, None], rtol=1e-4)
    moved = diffusion.Denoiser(lambda x, t: x, "noise", diffusion.Offset(diffusion.VP.linear(), 1.0))
    with pytest.raises(ValueError, match="process without a mean"):
        diffusion.sample(moved, NOISE, rtol=1e-3)
    with pytest.raises(ValueError, match="rtol= beside events"):
        diffusion.trajectory(model(), NOISE, steps=5, events=lambda t, x: x[0])


def dpm_adaptive(eps, x, sigma_max, sigma_min, rtol=0.05, atol=0.0078):
    """k-diffusion's sample_dpm_adaptive, order 3, transcribed line by line; eps(x, sigma)."""
    t_end, s, h_pid, x_prev, calls = -np.log(sigma_min), -np.log(sigma_max), 0.05, x, 0
    while s < t_end - 1e-5:
        t = min(t_end, s + h_pid)
        h, r1, r2 = t - s, 1 / 3, 2 / 3
        e = eps(x, np.exp(-s))
        s1, s2 = s + r1 * h, s + r2 * h
        u1 = x - np.exp(-s1) * np.expm1(r1 * h) * e
        e1 = eps(u1, np.exp(-s1))
        low = x - np.exp(-t) * np.expm1(h) * e - np.exp(-t) / (2 * r1) * np.expm1(h) * (e1 - e)
        bend = np.exp(-s2) * (r2 / r1) * (np.expm1(r2 * h) / (r2 * h) - 1)
        e2 = eps(x - np.exp(-s2) * np.expm1(r2 * h) * e - bend * (e1 - e), np.exp(-s2))
        high = x - np.exp(-t) * np.expm1(h) * e - np.exp(-t) / r2 * (np.expm1(h) / h - 1) * (e2 - e)
        delta = np.maximum(atol, rtol * np.maximum(abs(low), abs(x_prev)))
        error = np.linalg.norm((low - high) / delta) / x.size**0.5
        factor = 1 + np.arctan((1 / (error + 1e-8)) ** (1 / 3) - 1)
        if factor >= 0.81:
            x_prev, x, s = low, high, t
        h_pid *= factor
        calls += 3
    return x, calls


@pytest.mark.parametrize("tolerances", [{}, {"rtol": 1e-2, "atol": 1e-3}, {"rtol": 1e-3, "atol": 1e-4}])
@pytest.mark.parametrize("schedule", [diffusion.EDM(0.02, 20.0), diffusion.VE(0.01, 50.0)], ids=["edm", "ve"])
def test_dpm_adaptive_is_that_of_k_diffusion(schedule, tolerances):
    net = model(schedule, "noise")
    high, low = float(schedule.sigma(schedule.t_start)), float(schedule.sigma(schedule.t_end))

    def eps(x, sigma):
        return net(x, float(schedule.time(-np.log(sigma))))

    run = diffusion.trajectory(net, NOISE, sampler="dpm_adaptive", **tolerances)
    for i in range(3):
        theirs, calls = dpm_adaptive(eps, NOISE[i : i + 1] * high, high, low, **tolerances)
        np.testing.assert_allclose(run.y_end[i], theirs[0], rtol=1e-9, atol=1e-10)
        tried = run[i].stats.steps + run[i].stats.rejected
        assert 3 * tried == calls  # they evaluate the network where a step starts once more after a rejected one
        assert run.calls[i] <= calls + 3
    alone = diffusion.sample(net, NOISE[1:2], sampler="dpm-adaptive", **tolerances)
    assert np.array_equal(alone[0], run.y_end[1])
