"""Guidance: what the guided denoisers predict, what they cost, and that no history crosses their edges."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import diffusion
from diffusion.guidance import classifier_free, classifier_guided, thresholded
from diffusion.models.mixture import gaussian_mixture

from .golden import mixture

VP = diffusion.VP.linear()
WEIGHTS, MEANS, COVARIANCES, NOISE = mixture()
KINDS = ["noise", "data", "velocity", "score", "flow"]


def conditional(predicts="noise", calls=None, schedule=VP):
    """A mixture whose weights are the condition, as a network with condition."""

    def network(x, t, *, component=None):
        if calls is not None:
            calls.append(component)
        weights = WEIGHTS if component is None else np.eye(3)[component] + 1e-12
        weights = weights / weights.sum()
        return gaussian_mixture(weights, MEANS, COVARIANCES, schedule, predicts=predicts)(x, t)

    return diffusion.Denoiser(network, predicts, schedule, {"component": 1})


@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_classifier_free_guidance_extrapolates_from_the_unconditional_output(make):
    denoiser, x = conditional(), make(NOISE)
    with_, without = denoiser(x, 0.5), denoiser.with_condition({"component": None})(x, 0.5)
    guided = classifier_free(denoiser, 2.5, unconditional={"component": None})(x, 0.5)
    np.testing.assert_allclose(guided, without + 2.5 * (with_ - without), rtol=1e-13)
    for scale, expected in ((0.0, without), (1.0, with_)):
        found = classifier_free(denoiser, scale, unconditional={"component": None})(x, 0.5)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_guidance_is_the_same_in_every_kind_of_prediction():
    found = [classifier_free(conditional(kind), 2.0, unconditional={}).predict(NOISE, 0.4, "noise") for kind in KINDS]
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize(("rescale", "spread"), [(1.0, 1.0), (0.0, None)])
def test_rescaling_restores_the_spread_of_the_conditional_output(rescale, spread):
    denoiser = conditional()
    guided = classifier_free(denoiser, 5.0, unconditional={}, rescale=rescale)(NOISE, 0.5)
    ratio = guided.std(axis=(1, 2, 3)) / denoiser(NOISE, 0.5).std(axis=(1, 2, 3))
    assert np.allclose(ratio, 1.0, rtol=1e-12) == (spread is not None)


def test_outside_its_interval_guidance_costs_no_call():
    calls = []
    guided = classifier_free(conditional(calls=calls), 2.0, unconditional={}, interval=(0.2, 0.7))
    for t, expected in ((0.9, [1]), (0.7, [1, None]), (0.5, [1, None]), (0.2, [1])):
        calls.clear()
        guided(NOISE, t)
        assert calls == expected


def test_the_grid_goes_through_the_edges_and_no_history_crosses_them():
    guided = classifier_free(conditional(), 2.0, unconditional={}, interval=(0.2, 0.7))
    assert guided.discontinuities == (0.2, 0.7)
    run = diffusion.trajectory(guided, NOISE, sampler="deis-tab3", steps=12)
    assert {0.2, 0.7} <= set(run.t)
    plan = diffusion.sampler("deis-tab3").plan(VP, run.t, edges=guided.discontinuities)
    slopes = [len(row.weights) - 1 for _, row in plan.rows][1:]
    starts = run.t[:-1]
    restarts = [0, int(np.flatnonzero(starts == 0.7)[0]), int(np.flatnonzero(starts == 0.2)[0])]
    expected = [min(4, 1 + i - max(r for r in restarts if r <= i)) for i in range(len(slopes))]
    assert slopes == expected


SWITCHED = diffusion.EDM(0.25, 4.0)


def switched_ends(name, steps, backwards=False, **declaration):
    """Ends of runs from σ = 4 to 1/4 or back, with strong guidance below σ = 1, the middle of a grid uniform in λ."""
    guided = classifier_free(conditional(schedule=SWITCHED), 3.0, unconditional={}, interval=(0.0, 1.0))
    x = 4.0 * np.random.default_rng(0).standard_normal((16, 1, 2, 2))
    grid = diffusion.grids.uniform(steps, "lambda", schedule=SWITCHED)
    grid[steps // 2] = 1.0
    denoiser = replace(guided, **declaration)
    if backwards:
        return diffusion.encode(denoiser, x / 4, sampler=name, grid=grid)
    return diffusion.sample(denoiser, x, sampler=name, grid=grid, start="state")


@pytest.mark.parametrize(
    ("name", "order", "backwards"),
    [
        ("dpmpp-2m", 2, False),
        ("dpmpp-2m", 2, True),
        ("unipc2", 3, False),
        ("edm-heun", 2, False),
        ("deis-rho-rk4", 4, False),
        ("deis-rho-rk4", 4, True),
    ],
)
def test_a_declared_switch_of_the_network_costs_no_order(name, order, backwards):
    steps = (100, 200) if order < 4 else (40, 80)
    reference = switched_ends("deis-rho-rk4", 400, backwards)
    errors = [np.median(np.abs(switched_ends(name, n, backwards) - reference)) for n in steps]
    assert abs(np.log2(errors[0] / errors[1]) - order) < 0.2


def test_an_undeclared_switch_costs_all_orders_but_one():
    reference = switched_ends("deis-rho-rk4", 400)
    errors = [np.median(np.abs(switched_ends("dpmpp-2m", n, discontinuities=()) - reference)) for n in (100, 200)]
    assert abs(np.log2(errors[0] / errors[1]) - 1) < 0.2


def test_classifier_guidance_moves_the_score():
    """The gradient of log p(component | x) turns the mixture's score into that of the component."""
    t, whole = 0.4, gaussian_mixture(WEIGHTS, MEANS, COVARIANCES, VP, predicts="score")
    part = gaussian_mixture([1.0], MEANS[1:2], COVARIANCES[1:2], VP, predicts="score")

    def gradient(x, t):
        return part(x, t) - whole(x, t)

    for kind in KINDS:
        denoiser = gaussian_mixture(WEIGHTS, MEANS, COVARIANCES, VP, predicts=kind)
        guided = classifier_guided(denoiser, gradient)
        np.testing.assert_allclose(guided.predict(NOISE, t, "score"), part(NOISE, t), rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_thresholding_bounds_the_data_and_leaves_what_is_within_bounds(make):
    data = np.random.default_rng(0).standard_normal((5, 1, 8, 8)) * np.array([0.1, 1, 2, 5, 10])[:, None, None, None]
    denoiser = diffusion.Denoiser(lambda x, t: make(data), "data", VP)
    found = np.asarray(thresholded(denoiser, 0.9, 1.0)(make(data), 0.5))
    assert np.abs(found).max() <= 1.0
    np.testing.assert_array_equal(found[0], data[0])
    s = np.quantile(np.abs(data[4]), 0.9)
    np.testing.assert_allclose(found[4], np.clip(data[4], -s, s) / s, rtol=1e-13)
    assert thresholded(conditional(), 1.0, 100.0).predicts == "data"


def test_guidance_of_guidance_reaches_the_network():
    calls = []
    nested = classifier_free(thresholded(conditional(calls=calls), 1.0, 1e6), 2.0, unconditional={"component": None})
    plain = classifier_free(conditional("data"), 2.0, unconditional={"component": None})
    np.testing.assert_allclose(nested(NOISE, 0.3), plain(NOISE, 0.3), rtol=1e-10, atol=1e-11)
    assert calls == [1, None]


def test_guidance_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"rescale from 0.*received 1.5"):
        classifier_free(conditional(), 2.0, unconditional={}, rescale=1.5)
    with pytest.raises(ValueError, match="exchange its ends"):
        classifier_free(conditional(), 2.0, unconditional={}, interval=(0.7, 0.2))
    with pytest.raises(ValueError, match="exchange its ends"):
        classifier_free(conditional(), 2.0, unconditional={}, interval=0.7)
    with pytest.raises(TypeError, match="mapping; received NoneType"):
        classifier_free(conditional(), 2.0, unconditional=None)
    for guide in (
        lambda net: classifier_free(net, 2.0, unconditional={}),
        lambda net: classifier_guided(net, lambda x, t: x),
        thresholded,
    ):
        with pytest.raises(
            TypeError, match=r"expected denoiser to be a Denoiser, received a function .*; wrap a network"
        ):
            guide(conditional().network)
    with pytest.raises(ValueError, match="quantile in"):
        thresholded(conditional(), 1.5)
    with pytest.raises(ValueError, match=r"one time for the whole batch; received times of shape \(3,\)"):
        classifier_free(conditional(), 2.0, unconditional={})(NOISE, np.full(3, 0.5))
    guided = classifier_free(conditional(), 2.0, unconditional={}, interval=(0.2, 0.21))
    with pytest.raises(ValueError, match=r"fine enough to have steps end at each of the times \[0.2, 0.21\]"):
        diffusion.sample(guided, NOISE, sampler="ddim", steps=4)


def test_a_gradient_that_is_not_like_the_state_is_refused():
    for gradient in (lambda x, t: x[:1], lambda x, t: x.numpy(), lambda x, t: None):
        with pytest.raises(ValueError, match="expected the gradient to return an array of shape"):
            diffusion.sample(classifier_guided(conditional(), gradient), torch.from_numpy(NOISE), steps=5)


def test_classifier_guidance_of_pure_noise_is_refused_where_it_would_be_infinite():
    schedule = diffusion.VP.zero_terminal_snr(np.linspace(1e-4, 0.02, 100))
    denoisers = {
        kind: classifier_guided(diffusion.Denoiser(lambda x, t: 0.5 * x, kind, schedule), lambda x, t: -x)
        for kind in ("noise", "velocity")
    }
    np.testing.assert_allclose(denoisers["noise"](NOISE, 1.0), 1.5 * NOISE, rtol=1e-14)  # ε − σ · gradient
    with pytest.raises(ValueError, match=r"received α = 0 at t = 1.0.*'velocity' prediction infinitely"):
        denoisers["velocity"](NOISE, 1.0)


@pytest.mark.parametrize("shape", [(3,), (3, 1), (3, 2, 1)])
@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy])
def test_rescaling_what_does_not_vary_leaves_it(make, shape):
    """0/0 of standard deviations: samples of one element, and constant ones."""
    x = make(np.ones(shape))
    denoiser = diffusion.Denoiser(lambda x, t, c=1.0: c * x, "data", diffusion.VP.linear())
    guided = diffusion.guidance.classifier_free(denoiser, 3.0, unconditional={"c": 0.5}, rescale=0.7)
    np.testing.assert_allclose(np.asarray(guided(x, 0.5)), 2.0 * np.ones(shape))
