"""Sampling by Picard iteration, and guidance whose two calls are one."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch

import diffusion
import expint
from expint.backend import Array
from expint.operators import Dense, Diagonal, Scalar
from expint.run import over_plan
from expint.run.compiled import picard
from tests.expint.test_waves import FIXED_L, GRID, MATRIX, START, SYMBOL

MIXTURE = diffusion.models.gaussian_mixture([0.3, 0.7], [[0.5, 1.0], [-1.0, 0.3]], [np.eye(2) * 0.1, np.eye(2) * 0.02])
NOISE = np.random.default_rng(0).standard_normal((6, 2))
FLOW = diffusion.models.gaussian_mixture(
    [0.4, 0.6], [[1.0], [-1.0]], [[[0.05]], [[0.2]]], schedule=diffusion.FlowMatching()
)


def test_picard_is_the_run_one_by_one_for_every_method_with_a_fixed_l() -> None:
    for operator in (Diagonal(SYMBOL), Dense(MATRIX)):
        for name in FIXED_L:
            plan, sizes = expint.lower(expint.method(name), operator, GRID, like=START), list[int]()

            def together(times: list[float], points: Any, sizes: list[int] = sizes) -> Any:
                sizes.append(len(times))
                return -(points**2) * np.cos(times)[:, None]

            found = list(picard(plan, together, START, window=40))
            right = list(over_plan(plan, lambda t, y: -(y**2) * np.cos(t), START))
            assert [(own.t, own.evaluations) for own in found] == [(own.t, own.evaluations) for own in right], name
            ends = np.array([[own.y, other.y] for own, other in zip(found, right, strict=True)])
            np.testing.assert_allclose(ends[:, 0], ends[:, 1], rtol=1e-14, atol=1e-16, err_msg=name)
            assert len(sizes) <= plan.evaluations
            assert max(sizes) <= 40


def test_a_tolerance_bounds_what_a_value_may_differ_by() -> None:
    plan, errors, rounds = expint.lower(expint.Adams(3), Scalar(-20.0), np.linspace(0.0, 2.0, 101)), [], []
    right = list(over_plan(plan, lambda t, y: np.sin(3 * t) - y**2, np.array([1.0])))[-1].y
    for tolerance in (1e-2, 1e-5, 1e-8, 0.0):
        sizes: list[int] = []

        def together(times: list[float], points: Any, sizes: list[int] = sizes) -> Any:
            sizes.append(len(times))
            return np.sin(3 * np.array(times))[:, None] - points**2

        run = list(picard(plan, together, np.array([1.0]), tolerance=tolerance))
        errors.append(abs(run[-1].y - right).item())
        rounds.append(len(sizes))
    assert errors[-1] == 0.0
    assert all(error <= tolerance for error, tolerance in zip(errors, (1e-2, 1e-5, 1e-8)))
    assert rounds == sorted(rounds)
    assert rounds[-1] < 40


def test_values_that_are_not_finite_end_the_run_after_as_many_rounds_as_calls() -> None:
    plan, rounds = expint.lower(expint.Adams(1), Scalar(-1.0), np.linspace(0.0, 1.0, 9)), list[int]()

    def wrong(times: list[float], points: Any) -> Any:
        rounds.append(len(times))
        return np.full_like(points, np.nan)

    assert np.isnan(list(picard(plan, wrong, np.array([1.0])))[-1].y).all()
    assert len(rounds) == 8


@pytest.mark.parametrize("tolerance", [0.0, 1e-3])
@pytest.mark.parametrize("model", [MIXTURE, FLOW], ids=["vp", "flow"])
def test_samples_are_those_of_the_run_one_by_one(model: diffusion.Denoiser, tolerance: float) -> None:
    noise = NOISE[:, : 2 if model is MIXTURE else 1]
    for name in ("ddim", "deis-tab3", "dpmpp-2m", "unipc3", "deis-rho-heun", "auto"):
        run = diffusion.sample_in_parallel(model, noise, sampler=name, steps=40, tolerance=tolerance)
        right = diffusion.sample(model, noise, sampler=name, steps=40)
        np.testing.assert_allclose(run.samples, right, atol=max(3 * tolerance, 1e-13), err_msg=name)
        assert run.rounds.max() <= (0.9 if tolerance == 0.0 else 0.55) * run.evaluations, name
        assert (run.t == run.t[0]).all()


@pytest.mark.parametrize("name", ["ddpm", "dpmpp-2m-sde", "dpmpp-2s-sde", "er-sde-2", "euler-ancestral"])
def test_noise_is_drawn_as_in_the_run_one_by_one(name: str) -> None:
    run = diffusion.sample_in_parallel(MIXTURE, NOISE, sampler=name, steps=30, rng=5, tolerance=0.0)
    right = diffusion.sample(MIXTURE, NOISE, sampler=name, steps=30, rng=5)
    np.testing.assert_allclose(run.samples, right, rtol=1e-12, atol=1e-13)


def test_a_sample_depends_on_no_other_and_on_no_division() -> None:
    options: dict[str, Any] = {"sampler": "dpmpp-2m", "steps": 30, "window": 8}
    whole = diffusion.sample_in_parallel(MIXTURE, NOISE, **options)
    for b in range(len(NOISE)):
        alone = diffusion.sample_in_parallel(MIXTURE, NOISE[b : b + 1], **options)
        np.testing.assert_array_equal(alone.samples, whole.samples[b : b + 1])
        assert (alone.rounds[0], alone.calls[0]) == (whole.rounds[b], whole.calls[b])
    small = diffusion.sample_in_parallel(MIXTURE, NOISE, batch_size=5, **options)
    np.testing.assert_array_equal(small.samples, whole.samples)


def test_conditions_and_guidance_go_with_their_samples() -> None:
    def network(x: Any, t: Any, label: Any) -> Any:
        return x * t.reshape(-1, 1) + 0.1 * (1 - t).reshape(-1, 1) * label.reshape(-1, 1)

    source = diffusion.Denoiser(network, condition={"label": np.arange(6.0)})
    guided = diffusion.guidance.classifier_free(source, 2.0, unconditional={"label": np.zeros(6)})
    for net in (source, guided):
        run = diffusion.sample_in_parallel(net, NOISE, sampler="dpmpp-2m", steps=20, tolerance=0.0)
        np.testing.assert_allclose(run.samples, diffusion.sample(net, NOISE, sampler="dpmpp-2m", steps=20), rtol=1e-12)


def test_torch_gives_what_numpy_does_and_refuses_gradients() -> None:
    noise = torch.tensor(NOISE)
    run = diffusion.sample_in_parallel(MIXTURE, noise, sampler="dpmpp-2m", steps=30)
    right = diffusion.sample_in_parallel(MIXTURE, NOISE, sampler="dpmpp-2m", steps=30)
    np.testing.assert_allclose(np.asarray(run.samples), right.samples, rtol=1e-9)
    learned = torch.nn.Linear(2, 2, dtype=torch.float64)
    net = diffusion.Denoiser(lambda x, t: learned(x) * t[:, None])
    with pytest.raises(TypeError, match="expected nothing that asks for a gradient"):
        diffusion.sample_in_parallel(net, noise, steps=4)


def test_what_cannot_be_run_in_parallel_is_refused_and_nothing_is_lost() -> None:
    with pytest.raises(ValueError, match="window"):
        diffusion.sample_in_parallel(MIXTURE, NOISE, steps=4, window=0)
    offset = diffusion.Denoiser(lambda x, t: 0 * x, schedule=diffusion.Offset(diffusion.VP.linear(), np.ones(2)))
    with pytest.raises(ValueError, match="with a mean"):
        diffusion.sample_in_parallel(offset, NOISE, steps=4)
    one_time = diffusion.Denoiser(lambda x, t: x * t[0])
    with pytest.raises(TypeError, match="takes a time for each sample"):
        diffusion.sample_in_parallel(one_time, NOISE, sampler="ddim", steps=10)
    calls = []

    def fails(x: Array, t: Array) -> Array:
        calls.append(len(x))
        if len(calls) > 3:
            raise KeyboardInterrupt
        return 0.1 * x * t.reshape(-1, 1)

    with pytest.raises(KeyboardInterrupt) as caught:
        diffusion.sample_in_parallel(diffusion.Denoiser(fails), NOISE, sampler="ddim", steps=20, tolerance=0.0)
    reached: diffusion.ParallelRun = vars(caught.value)["run"]
    right = diffusion.trajectory(
        diffusion.Denoiser(lambda x, t: 0.1 * x * t.reshape(-1, 1)), NOISE, sampler="ddim", steps=20
    )
    at = [int(np.flatnonzero(right.t == t)[0]) for t in reached.t]
    np.testing.assert_allclose(reached.samples, np.array([right.y[n, b] for b, n in enumerate(at)]), rtol=1e-12)
    with pytest.raises(diffusion.SamplingError, match="non-finite"):
        diffusion.sample_in_parallel(diffusion.Denoiser(lambda x, t: np.nan * x), NOISE, sampler="ddim", steps=5)


def test_a_network_off_the_scale_is_noticed_where_the_run_one_by_one_notices_it() -> None:
    kinds: list[Any] = ["noise", "data", "score", "velocity", "flow"]
    options: dict[str, Any] = {"sampler": "dpmpp-2m", "steps": 20}
    noticed = 0
    for predicts in kinds:
        net = diffusion.Denoiser(lambda x, t: MIXTURE(x, 1.0 * t), predicts, MIXTURE.schedule)
        with warnings.catch_warnings(record=True) as wanted:
            warnings.simplefilter("always")
            diffusion.sample(net, NOISE, **options)
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            diffusion.sample_in_parallel(net, NOISE, tolerance=0.0, **options)
        assert [own.category for own in found] == [own.category for own in wanted], predicts
        noticed += len(found)
    assert noticed


@pytest.mark.parametrize("rescale", [0.0, 0.7])
@pytest.mark.parametrize("interval", [None, (0.2, 0.8)])
@pytest.mark.parametrize("make", [np.asarray, torch.tensor])
def test_guidance_in_one_call_is_that_in_two(rescale: float, interval: Any, make: Any) -> None:
    calls: list[int] = []

    def network(x: Any, t: Any, label: Any, extra: Any, scale: float) -> Any:
        calls.append(len(x))
        rest = scale * (1 - t).reshape(-1, 1)
        return x * t.reshape(-1, 1) + rest * (0.1 * label.reshape(-1, 1) + extra["of"])

    condition = {"label": make(np.arange(6.0)), "extra": {"of": make(NOISE)}, "scale": 0.1}
    without = {"label": make(np.zeros(6)), "extra": {"of": make(0.1 * NOISE)}, "scale": condition["scale"]}
    source = diffusion.Denoiser(network, condition=condition)
    options: dict[str, Any] = {"unconditional": without, "interval": interval, "rescale": rescale}
    two, one = (diffusion.guidance.classifier_free(source, 3.0, together=own, **options) for own in (False, True))
    right = diffusion.sample(two, make(NOISE), sampler="dpmpp-2m", steps=8)
    calls.clear()
    found = diffusion.sample(one, make(NOISE), sampler="dpmpp-2m", steps=8)
    np.testing.assert_allclose(np.asarray(found), np.asarray(right), rtol=1e-12)
    assert len(calls) == 8
    assert max(calls) == 12
    times = np.linspace(0.1, 0.9, 6)
    each = [np.asarray(own.at_each(make(NOISE), times)) for own in (one, two)]
    np.testing.assert_allclose(each[0], each[1], rtol=1e-12)


def test_conditions_that_cannot_lie_side_by_side_are_refused() -> None:
    source = diffusion.Denoiser(lambda x, t, label=None: 0 * x, condition={"label": 7})
    for unconditional, said in (({"label": None}, "a row for each of the 6 samples"), ({}, "the names")):
        guided = diffusion.guidance.classifier_free(source, 2.0, unconditional=unconditional, together=True)
        with pytest.raises(ValueError, match=said):
            diffusion.sample(guided, NOISE, steps=3)
