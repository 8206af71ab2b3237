"""Samplers as plain data: what their numbers say is what is run, and on nothing else than they are made for."""

import pickle
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

import diffusion
import expint
from diffusion.samplers.fitted import FittedSampler
from diffusion.samplers.laid_out import laid_out

pytestmark = pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")  # random rows lead anywhere

VP = diffusion.VP.linear()
SHAPE = (2, 4, 6)
NODES = [1.0, 0.8, 0.8, 0.45, 0.3, 0.2, 0.05, 0.0]  # two points at one time: the first is an inner stage
TIMES = [1.0, 0.82, 0.78, 0.45, 0.33, 0.2, 0.06]  # the network is told others than the nodes
ACCEPTED = [False, True, True, False, True, True, True]
RNG = np.random.default_rng(5)


def network(x: Any, t: Any) -> Any:
    """Return a noise prediction that depends on everything."""
    t = t.reshape(-1, *(1,) * (x.ndim - 1))
    return (x - 0.3 * x**3 / (1.0 + x**2)) * (0.4 + 0.5 * t)


DENOISER = diffusion.Denoiser(network, predicts="noise", schedule=VP)
BANDS = {
    "none": None,
    "pixels": diffusion.bands.pixels(SHAPE, 3),
    "channels": diffusion.bands.channels(SHAPE),
    "frequencies": diffusion.bands.frequencies(SHAPE, 4),
    "mask": diffusion.bands.mask(np.arange(48).reshape(SHAPE) % 5 // 2),
}
PREDICTED = {"data": "data", "noise": "noise", "velocity": "velocity"}


def rows(bands: diffusion.Bands | None, seed: int = 0) -> dict[str, Any]:
    """Return random weights, with and without the last axis of bands, for points of which all but one are evaluated."""
    rng, n = np.random.default_rng(seed), len(NODES) - 1
    last = () if bands is None else (bands.count,)
    lower = np.tri(n).reshape(n, n, *(1,) * len(last))
    D = lower * rng.uniform(-0.3, 0.3, (n, n, *last))
    D[:, 3] = 0.0  # this point is not evaluated
    A = lower * rng.uniform(-0.2, 0.2, (n, n, *last))
    A[:, [1, 4]] = 0.0  # inner stages
    return {"c": rng.uniform(-0.5, 0.5, (n, *last)), "A": A, "D": D}


def fitted(bands: diffusion.Bands | None = None, kind: str = "noise", **changes: Any) -> FittedSampler:
    given = {"times": TIMES, "accepted": ACCEPTED, "gauge": kind, "bands": bands, **rows(bands), **changes}
    return FittedSampler("mine", VP, NODES, **given)


def projected(bands: diffusion.Bands | None, weight: Any, x: np.ndarray) -> np.ndarray:
    """Return Σ_k w_k P_k x, with the projections made by masks and by NumPy's transform."""
    if bands is None:
        return weight * x
    if not bands.axes:
        return sum(w * np.where(bands.numbers == k, x, 0.0) for k, w in enumerate(weight))
    full = np.fft.fft2(x)
    numbers = np.empty(full.shape[1:], int)
    for row, column in product(range(SHAPE[1]), range(SHAPE[2])):
        mirrored = column > SHAPE[2] // 2  # conjugate to one that is there
        place = (-row % SHAPE[1], SHAPE[2] - column) if mirrored else (row, column)
        numbers[:, row, column] = bands.numbers[(slice(None), *place)]
    return np.fft.ifft2(np.asarray(weight)[numbers] * full).real


def by_the_formula(sampler: FittedSampler, x0: np.ndarray) -> list[np.ndarray]:
    points, values = [x0], []
    A = np.zeros((len(TIMES), len(TIMES))) if sampler.A is None else sampler.A
    for i, t in enumerate(TIMES):
        values.append(DENOISER.predict(points[i], t, sampler.gauge.predicts))
        new = projected(sampler.bands, sampler.c[i], x0)
        for j in range(i + 1):
            new = new + projected(sampler.bands, A[i, j], points[j])
            new = new + projected(sampler.bands, sampler.D[i, j], values[j])
        points.append(new)
    return points


# Runs -----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", PREDICTED)
@pytest.mark.parametrize("bands", BANDS)
def test_a_run_is_what_the_rows_say(bands: str, kind: str) -> None:
    sampler, x0 = fitted(BANDS[bands], kind), RNG.standard_normal((3, *SHAPE))
    run = diffusion.trajectory(DENOISER, x0, sampler=sampler)
    points = by_the_formula(sampler, x0)
    states = [x0, *(point for point, accepted in zip(points[1:], ACCEPTED) if accepted)]
    np.testing.assert_allclose(run.y, states, rtol=1e-11, atol=1e-12)
    assert run.calls == sampler.calls == 6
    assert sampler.steps == 5 == len(run.t) - 1


@pytest.mark.parametrize("bands", BANDS)
def test_tensors_of_either_precision_make_the_same_run(bands: str) -> None:
    sampler, x0 = fitted(BANDS[bands]), RNG.standard_normal((3, *SHAPE))
    expected = diffusion.sample(DENOISER, x0, sampler=sampler)
    for dtype, rtol in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        found = diffusion.sample(DENOISER, torch.tensor(x0, dtype=dtype), sampler=sampler)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol)
    single = diffusion.sample(DENOISER, x0.astype(np.float32), sampler=sampler)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, rtol=1e-5, atol=1e-5)


def test_a_sample_does_not_depend_on_its_batch() -> None:
    sampler, x0 = fitted(BANDS["frequencies"]), RNG.standard_normal((5, *SHAPE))
    whole = diffusion.sample(DENOISER, x0, sampler=sampler)
    alone = [diffusion.sample(DENOISER, one[None], sampler=sampler)[0] for one in x0]
    np.testing.assert_allclose(whole, alone, rtol=1e-14, atol=1e-14)


def test_rows_without_first_state_run_by_the_loop_for_tensors_and_tell_the_network_its_times() -> None:
    told: list[float] = []

    def listening(x: Any, t: Any) -> Any:
        told.append(float(t[0]))
        return network(x, t)

    n = len(TIMES)
    weights = {"c": np.zeros(n), "A": np.diag([0.9, 0.0, 0.9, 0.9, 0.0, 0.9, 0.9]), "D": 0.2 * np.tri(n)}
    weights["A"][1, 0] = weights["A"][4, 3] = 0.9
    sampler = fitted(**weights)
    assert sampler.plan_on(VP).layout == (1, 0, False, False)
    x0 = RNG.standard_normal((3, *SHAPE))
    expected = by_the_formula(sampler, x0)[-1]
    denoiser = diffusion.Denoiser(listening, predicts="noise", schedule=VP)
    for state in (x0, torch.tensor(x0)):
        told.clear()
        np.testing.assert_allclose(diffusion.sample(denoiser, state, sampler=sampler), expected, rtol=1e-11)
        assert told == TIMES


def test_gradients_go_through_rows_with_bands() -> None:
    sampler = fitted(BANDS["frequencies"])
    x0 = torch.tensor(RNG.standard_normal((2, *SHAPE)), requires_grad=True)
    direction = torch.tensor(RNG.standard_normal((2, *SHAPE)))
    diffusion.sample(DENOISER, x0, sampler=sampler).sum().backward()
    ahead, behind = (diffusion.sample(DENOISER, (x0 + s * direction).detach(), sampler=sampler) for s in (1e-5, -1e-5))
    assert float((x0.grad * direction).sum()) == pytest.approx(float((ahead - behind).sum()) / 2e-5, rel=1e-7)


def test_dense_output_previews_and_callbacks_are_those_of_the_states() -> None:
    seen: list[float] = []
    sampler = diffusion.freeze("dpmpp-3m", VP, steps=8)
    told = np.append(sampler.nodes[:4] * 0.99, sampler.nodes[4:-1])
    moved = FittedSampler("told", VP, sampler.nodes, sampler.c, sampler.D, sampler.A, told)
    x0 = RNG.standard_normal((3, *SHAPE))
    run = diffusion.trajectory(DENOISER, x0, sampler=moved, dense_output=True, callback=lambda t, _: seen.append(t))
    assert seen == sampler.nodes.tolist() == run.t.tolist()
    np.testing.assert_array_equal(run.sol(run.t), run.y)
    np.testing.assert_array_equal(run.sol.t, sampler.nodes[:-1])
    np.testing.assert_allclose(run.sol.previews[2], DENOISER.predict(run.y[2], float(told[2]), "data"), rtol=1e-12)
    middle = run.sol((run.t[3] + run.t[4]) / 2)
    assert np.abs(middle - run.y[3]).max() < 2 * np.abs(run.y[4] - run.y[3]).max()


def test_a_network_that_fails_is_told_by_its_call() -> None:
    broken = diffusion.Denoiser(lambda x, t: x / 0 if float(t[0]) < 0.4 else network(x, t), schedule=VP)
    with np.errstate(all="ignore"), pytest.raises(diffusion.SamplingError, match=r"call 4 of 6, at t = 0\.33"):
        diffusion.sample(broken, RNG.standard_normal((3, *SHAPE)), sampler=fitted())


@pytest.mark.parametrize("bands", BANDS)
def test_it_can_be_sent_to_another_process(bands: str) -> None:
    sampler, x0 = fitted(BANDS[bands]), RNG.standard_normal((2, *SHAPE))
    other = pickle.loads(pickle.dumps(sampler))
    np.testing.assert_array_equal(
        diffusion.sample(DENOISER, x0, sampler=other), diffusion.sample(DENOISER, x0, sampler=sampler)
    )


# Plans ----------------------------------------------------------------------------------------------------------------
def test_the_canonical_form_has_the_coefficients_of_each_band() -> None:
    bands = BANDS["channels"]
    whole = fitted(bands).plan_on(VP).canonical()
    assert whole.c.shape == (7, 2)
    assert whole.D.shape == (7, 6, 2)
    for k in range(2):
        own = {name: value[..., k] for name, value in rows(bands).items()}
        alone = fitted(**own).plan_on(VP).canonical()
        np.testing.assert_allclose(whole.c[..., k], alone.c, rtol=1e-13)
        np.testing.assert_allclose(whole.D[..., k], alone.D, rtol=1e-13)
        np.testing.assert_array_equal(whole.times, alone.times)


def test_plans_are_equal_where_their_bands_and_weights_are() -> None:
    own = rows(None)
    alike = {name: np.repeat(value[..., None], 2, axis=-1) for name, value in own.items()}
    plain, banded = fitted(**own).plan_on(VP), fitted(BANDS["channels"], **alike).plan_on(VP)
    assert plain == banded
    assert banded == plain
    alike["D"][-1, 0, 1] += 1e-9
    assert fitted(BANDS["channels"], **alike).plan_on(VP) != plain
    one, other = (
        fitted(bands, **rows(BANDS["channels"]))
        for bands in (BANDS["channels"], diffusion.bands.mask(np.arange(48).reshape(SHAPE) % 2))
    )
    assert one.plan_on(VP) != other.plan_on(VP)
    assert one.plan_on(VP) == fitted(diffusion.bands.channels(SHAPE), **rows(BANDS["channels"])).plan_on(VP)


def test_other_times_for_the_network_are_another_map() -> None:
    times = list(TIMES)
    times[2] += 1e-6
    assert fitted(times=times).plan_on(VP) != fitted().plan_on(VP)


@pytest.mark.parametrize("bands", ["none", "channels"])
def test_the_influence_of_a_call_is_what_an_error_of_it_does(bands: str) -> None:
    sampler, x0 = fitted(BANDS[bands], "data"), RNG.standard_normal((1, *SHAPE))
    influence, calls = sampler.plan_on(VP).influence(), 0

    def constant(x: Any, t: Any) -> Any:  # answers to nothing
        nonlocal calls
        calls += 1
        return 0.0 * x + (hit == calls - 1)

    denoiser, hit = diffusion.Denoiser(constant, predicts="data", schedule=VP), -1
    base = diffusion.sample(denoiser, x0, sampler=sampler)
    for hit in range(6):
        calls = 0
        change = np.abs(diffusion.sample(denoiser, x0, sampler=sampler) - base)[0]
        expected = np.broadcast_to(influence[hit], 2).reshape(2, 1, 1)
        np.testing.assert_allclose(change, np.broadcast_to(expected, SHAPE), rtol=1e-9, atol=1e-12)


# Named samplers as data -----------------------------------------------------------------------------------------------
SCHEDULES = {"VP": VP, "EDM": diffusion.EDM(), "flow": diffusion.FlowMatching(shift=3.0)}


@pytest.mark.parametrize("name", [*diffusion.sampler_names(), "krogstad4-velocity", "adams3-edm", "adams2-signal"])
def test_a_frozen_sampler_is_the_same_map_with_the_same_calls(name: str) -> None:
    for schedule, steps in product(SCHEDULES.values(), (1, 5)):
        try:
            chosen, times, to_zero = laid_out(schedule, name, steps, None)
            plan = chosen.plan(schedule, times, to_zero=to_zero)
        except ValueError:
            continue  # presets know some schedules and numbers of steps only
        frozen = diffusion.freeze(name, schedule, steps=steps)
        assert frozen.plan_on(schedule) == plan
        assert (frozen.calls, frozen.steps) == (plan.evaluations, steps)


def test_a_sampler_in_a_gauge_without_a_name_is_frozen_in_the_data() -> None:
    between = diffusion.gauge.interpolated(0.25)
    for method in ("krogstad4", "adams3"):
        sampler = diffusion.Sampler(
            "between", expint.method(method), between, lambda n, s: diffusion.grids.uniform(n, "lambda", schedule=s)
        )
        frozen = diffusion.freeze(sampler, VP, steps=4)
        assert frozen.gauge.predicts == "data"
        assert frozen.plan_on(VP) == sampler.plan(VP, frozen.run_times(None, None, VP)[0])


def test_tables_of_one_network_are_no_numbers_to_freeze() -> None:
    sampler = diffusion.dpm_solver_v3(diffusion.Statistics.of_prediction("data"))
    with pytest.raises(TypeError, match="expected a plan of a Scalar operator, received Affine"):
        diffusion.freeze(sampler, VP, steps=5)


# What it is not made for ----------------------------------------------------------------------------------------------
NOISE = RNG.standard_normal((2, *SHAPE))


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (diffusion.VP.linear(0.1, 19.9), "with α at t ="),
        (diffusion.VP.cosine(t_start=1.0), "with α at t ="),
        (diffusion.FlowMatching(t_start=1.0), "with α at t ="),
        (diffusion.EDM(0.01, 1.0), "with α at t ="),
    ],
)
def test_another_schedule_is_refused(schedule: diffusion.NoiseSchedule, words: str) -> None:
    denoiser = diffusion.Denoiser(network, schedule=schedule)
    with pytest.raises(ValueError, match=f"mine: expected the schedule that it is made for, VPLinear.*{words}"):
        diffusion.sample(denoiser, NOISE, sampler=fitted())


def test_a_schedule_with_the_same_numbers_is_the_same() -> None:
    wider = diffusion.VP.linear(t_end=1e-4)
    sampler = diffusion.freeze("unipc2", VP, steps=4)
    one, other = (
        diffusion.sample(diffusion.Denoiser(network, schedule=s), NOISE, sampler=sampler) for s in (VP, wider)
    )
    np.testing.assert_array_equal(one, other)


def test_flow_networks_that_are_told_another_time_are_refused() -> None:
    after, before = (diffusion.FlowMatching(shift=3.0, tells=tells) for tells in ("after", "before"))
    sampler = diffusion.freeze("euler", after, steps=3)
    with pytest.raises(ValueError, match="the time that networks are told"):
        diffusion.sample(diffusion.Denoiser(network, "flow", before), NOISE, sampler=sampler)


def test_another_scale_of_the_data_is_refused_where_the_prediction_depends_on_it() -> None:
    sampler = diffusion.freeze("adams2-edm", diffusion.EDM(), steps=3)
    with pytest.raises(ValueError, match=r"with sigma_data = 0.5; received EDM\(.*\), with 0.6"):
        sampler.plan_on(diffusion.EDM(sigma_data=0.6))
    diffusion.freeze("euler", diffusion.EDM(), steps=3).plan_on(diffusion.EDM(sigma_data=0.6))


def test_another_prediction_or_shape_is_refused() -> None:
    own = fitted(predicts="eps", shape=SHAPE)
    diffusion.sample(DENOISER, NOISE, sampler=own)
    with pytest.raises(ValueError, match="expected a network that predicts 'noise', as the one that it is fitted to"):
        diffusion.sample(diffusion.Denoiser(network, "velocity", VP), NOISE, sampler=own)
    for sampler in (own, fitted(BANDS["pixels"])):
        with pytest.raises(ValueError, match=r"expected samples of shape \(2, 4, 6\), to which it is fitted"):
            diffusion.sample(DENOISER, NOISE[:, :1], sampler=sampler)


def test_other_steps_and_grids_are_refused_and_its_own_accepted() -> None:
    sampler = fitted()
    expected = diffusion.sample(DENOISER, NOISE, sampler=sampler)
    own = [1.0, 0.8, 0.45, 0.2, 0.05, 0.0]
    for asked in ({"steps": 5}, {"grid": own}):
        np.testing.assert_array_equal(diffusion.sample(DENOISER, NOISE, sampler=sampler, **asked), expected)
    with pytest.raises(ValueError, match="expected steps = 5, which its rows are for, or none given; received 7"):
        diffusion.sample(DENOISER, NOISE, sampler=sampler, steps=7)
    for grid in (own[:-1], [*own[:-2], 0.05 * (1 + 1e-6), 0.0], [1.0, 0.0]):
        with pytest.raises(ValueError, match="expected the times that its rows are for"):
            diffusion.sample(DENOISER, NOISE, sampler=sampler, grid=grid)
    with pytest.raises(ValueError, match="expected a fitted sampler as it is, received 'mine' with another grid"):
        diffusion.sampler(sampler, grid=diffusion.grids.karras)


def test_encoding_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a sampler that can be run from data to noise, received 'mine'"):
        diffusion.encode(DENOISER, NOISE, sampler=fitted())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"c": [np.nan] * 7}, "expected c as finite numbers"),
        ({"c": np.zeros(6)}, r"expected c as finite numbers of shape \(7,\)"),
        ({"D": np.ones((7, 7))}, r"expected a row to look at what is before it, received D\[0, 1\]"),
        ({"A": np.tri(7)}, "expected A to combine states, received weights of inner stages"),
        ({"times": TIMES[1:]}, "expected times as finite numbers"),
        ({"accepted": [True] * 7}, "expected decreasing times of the states"),
        ({"accepted": [False] * 7}, "expected the last point to be a state"),
        ({"accepted": [1] * 7}, "expected accepted as 7 truth values"),
        ({"shape": (1, 2), "bands": BANDS["pixels"]}, "expected the shape of the bands"),
        ({"gauge": "score"}, "expected a kind of slope"),
        ({"predicts": "nosie"}, "did you mean 'noise'"),
    ],
)
def test_rows_that_make_no_sense_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fitted(**changes)


def test_what_it_is_made_of_cannot_be_written_to() -> None:
    given = rows(None)
    sampler = fitted(**given)
    given["D"][:] = 0.0
    assert sampler.D.any()
    with pytest.raises(ValueError, match="read-only"):
        sampler.D[0, 0] = 1.0
