"""Samplers fitted to a network, judged on starts that no fit has seen."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import diffusion
from diffusion.samplers.fitted import FittedSampler
from diffusion.tuning.chart import GridChart, PlanChart
from diffusion.tuning.contest import Contest
from diffusion.tuning.fit import Fit
from diffusion.tuning.gradient import errors_of_run, objective
from diffusion.tuning.least_squares import Robust, minimise
from diffusion.tuning.losses import LOSSES
from diffusion.tuning.search import _cheapest, least_weight
from diffusion.tuning.starts import taught
from diffusion.tuning.structures import Exact
from expint.study import Rank, Ranks

SIZE = 8
UNSEEN = np.random.default_rng(99).standard_normal((128, SIZE))
STARTS = np.random.default_rng(1).standard_normal((64, SIZE))
FEW = STARTS[:24]


def mixture(schedule: Any = None, size: int = SIZE, seed: int = 3) -> diffusion.Denoiser:
    rng = np.random.default_rng(seed)
    spread = rng.normal(size=(4, size, size)) * 0.15
    covariances = spread @ spread.swapaxes(1, 2) + 0.003 * np.eye(size)
    return diffusion.models.gaussian_mixture(
        rng.uniform(0.5, 1.5, 4), rng.normal(size=(4, size)), covariances, schedule or diffusion.VP.linear()
    )


MODEL = mixture()
quickly = partial(diffusion.tune, MODEL, FEW, steps=3, sampler="dpmpp-2m", teacher=24, iterations=3)
"""A tuning of the fewest calls that says anything."""


def errors(samples: Any, model: diffusion.Denoiser = MODEL) -> np.ndarray:
    exact = diffusion.sample(model, UNSEEN, steps=60)
    return np.linalg.norm(np.asarray(samples) - exact, axis=1) / np.linalg.norm(exact, axis=1)


@pytest.fixture(scope="module")
def five() -> FittedSampler:
    return diffusion.tune(MODEL, STARTS, steps=5)


def test_five_tuned_calls_beat_every_hand_made_choice_on_unseen_starts(five: FittedSampler) -> None:
    hand_made = []
    for name in ("auto", "deis-tab3", "ipndm-v", "unipc2", "unipc3", "dpmpp-2m", "deis-logrhoab1"):
        for exponent, clock in ((2.0, "t"), (1.0, "lambda"), (2.0, "flow")):
            grid = diffusion.grids.power(5, exponent, clock, schedule=MODEL.schedule)
            hand_made.append(errors(diffusion.sample(MODEL, UNSEEN, sampler=name, grid=grid)))
    tuned = errors(diffusion.sample(MODEL, UNSEEN, sampler=five))
    assert np.median(tuned) < min(np.median(e) for e in hand_made) / 4
    assert np.mean(tuned) < min(np.mean(e) for e in hand_made) / 2


def test_the_report_says_what_was_gained_and_spent(five: FittedSampler) -> None:
    report = five.report
    assert report is not None
    assert report.starts == (32, 32)
    assert report.after < report.before / 4
    assert report.details["mean after"] < report.details["mean before"]
    assert [name for name, _, _ in report.details["stages"]][:3] == ["untuned", "structure", "times"]
    assert report.details["calls of a start"] == report.calls / 64
    assert report.details["teacher error"] < 1e-3
    assert report.spread is not None
    assert not report.details["interrupted"]
    unseen = np.median(errors(diffusion.sample(MODEL, UNSEEN, sampler=five)))
    assert 0.5 < unseen / report.after < 2.0


def test_calls_are_those_asked_for(five: FittedSampler) -> None:
    run = diffusion.trajectory(MODEL, FEW, sampler=five)
    assert (five.calls, five.steps, run.calls) == (5, 5, 5)


def test_calls_that_tuning_spent_are_those_that_the_network_saw() -> None:
    seen = 0

    def counted(x: np.ndarray, t: np.ndarray) -> np.ndarray:
        nonlocal seen
        seen += len(x)
        return np.asarray(MODEL.network(x, t))

    network = replace(MODEL, network=counted)
    for options in ({}, {"by": "closed-form"}, {"search": "evolution", "what": "grid"}):
        seen = 0
        tuned = diffusion.tune(network, FEW, steps=3, sampler="dpmpp-2m", teacher=24, iterations=2, **options)
        assert tuned.report is not None
        assert tuned.report.calls == seen - 2 * len(FEW), options  # two to see that the network is deterministic


@pytest.mark.parametrize("steps", [1, 2])
def test_one_and_two_calls_are_tuned(steps: int) -> None:
    tuned = diffusion.tune(MODEL, STARTS, steps=steps, teacher=30, iterations=8)
    untuned = errors(diffusion.sample(MODEL, UNSEEN, steps=steps))
    assert np.median(errors(diffusion.sample(MODEL, UNSEEN, sampler=tuned))) < 0.9 * np.median(untuned)


@pytest.mark.parametrize(
    "schedule",
    [
        diffusion.EDM(),
        diffusion.FlowMatching(t_start=1.0, t_end=0.0),
        diffusion.VP.from_betas(np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2),
    ],
    ids=["EDM", "flow from pure noise to clean data", "a table, on to clean data"],
)
def test_every_kind_of_schedule_is_tuned(schedule: Any) -> None:
    model = replace(mixture(schedule), network=mixture(schedule).network)
    tuned = diffusion.tune(model, FEW, steps=3, teacher=24, iterations=8)
    assert tuned.report is not None
    assert tuned.report.after < tuned.report.before / 2
    found, default = (
        diffusion.sample(model, UNSEEN, **{"sampler": tuned} | kw) for kw in ({}, {"sampler": "auto", "steps": 3})
    )
    assert np.median(errors(found, model)) < np.median(errors(default, model)) / 2


def test_tensors_are_tuned_and_sampled_as_tensors() -> None:
    starts = torch.as_tensor(FEW, dtype=torch.float32)
    tuned = diffusion.tune(MODEL, starts, steps=3, sampler="dpmpp-2m", teacher=24, iterations=6)
    samples = diffusion.sample(MODEL, torch.as_tensor(UNSEEN, dtype=torch.float32), sampler=tuned)
    assert isinstance(samples, torch.Tensor)
    assert samples.dtype == torch.float32
    in_double = diffusion.tune(MODEL, FEW, steps=3, sampler="dpmpp-2m", teacher=24, iterations=6)
    assert tuned.report is not None
    assert in_double.report is not None
    assert tuned.report.after == pytest.approx(in_double.report.after, rel=0.1)


def same(one: FittedSampler, other: FittedSampler) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("nodes", "times", "c", "D"))


def test_a_tuning_is_determined_by_its_seed() -> None:
    assert same(quickly(), quickly())
    assert not same(quickly(), quickly(seed=1))


def test_who_runs_the_batches_changes_no_bit() -> None:
    with ThreadPoolExecutor(2) as threads:
        assert same(quickly(batch=5), quickly(batch=5, executor=threads))


def test_processes_that_run_the_batches_change_no_bit() -> None:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as processes:
        assert same(quickly(batch=3, iterations=2), quickly(batch=3, iterations=2, executor=processes))


OVER_RANKS: tuple[dict[str, Any], ...] = ({}, {"by": "closed-form"})


def on_rank(number: int, pipe: Any, results: Any) -> None:
    """Tune on one of two ranks, which reach each other through a pipe."""

    def allgather(part: Any) -> list[Any]:
        if number == 0:
            pipe.send(part)
            return [part, pipe.recv()]
        received = pipe.recv()
        pipe.send(part)
        return [received, part]

    ranks = Ranks(Rank(number, 2), allgather)
    for options in OVER_RANKS:
        found = quickly(batch=5, iterations=2, executor=ranks, **options)
        results.put([getattr(found, name).tobytes() for name in ("nodes", "times", "c", "D")])


def test_what_two_ranks_find_is_what_one_finds_to_the_last_bit() -> None:
    spawn = multiprocessing.get_context("spawn")
    results = spawn.Queue()
    ranks = [spawn.Process(target=on_rank, args=(k, end, results)) for k, end in enumerate(spawn.Pipe())]
    for rank in ranks:
        rank.start()
    found = [results.get(timeout=60.0) for _ in range(2 * len(OVER_RANKS))]
    for rank in ranks:
        rank.join()
    alone = [quickly(batch=5, iterations=2, **options) for options in OVER_RANKS]
    expected = [[getattr(one, name).tobytes() for name in ("nodes", "times", "c", "D")] for one in alone]
    assert sorted(found) == sorted(2 * expected)


def test_batches_change_only_rounding() -> None:
    np.testing.assert_allclose(quickly(batch=5, iterations=2).D, quickly(iterations=2).D, atol=1e-3)


def test_a_tuned_sampler_runs_to_the_same_bits_after_saving(tmp_path: Path, five: FittedSampler) -> None:
    five.save(tmp_path / "five.safetensors")
    loaded = diffusion.load_sampler(tmp_path / "five.safetensors")
    assert same(five, loaded)
    one, other = (diffusion.sample(MODEL, FEW, sampler=sampler) for sampler in (five, loaded))
    assert np.array_equal(one, other)
    assert loaded.report == five.report


def test_more_calls_than_have_all_weights_free_are_tuned_as_well() -> None:
    tuned = diffusion.tune(MODEL, FEW, steps=14, sampler="dpmpp-2m", teacher=60, iterations=3)
    untuned = diffusion.sample(MODEL, UNSEEN, sampler="dpmpp-2m", steps=14)
    assert np.median(errors(diffusion.sample(MODEL, UNSEEN, sampler=tuned))) < np.median(errors(untuned)) / 2


def test_a_tuned_grid_has_the_exact_weights_of_its_sampler() -> None:
    tuned = quickly(what="grid", iterations=6)
    assert tuned.plan_on(MODEL.schedule) == diffusion.sampler("dpmpp-2m").plan(MODEL.schedule, tuned.nodes)
    assert not np.allclose(tuned.nodes, diffusion.sampler("dpmpp-2m").grid(3, MODEL.schedule))


def test_tuned_rows_keep_the_times() -> None:
    tuned = quickly(what="rows", iterations=12)
    np.testing.assert_array_equal(tuned.nodes, diffusion.sampler("dpmpp-2m").grid(3, MODEL.schedule))
    assert tuned.report is not None
    assert tuned.report.after < tuned.report.before / 2


def test_a_consistent_plan_solves_constant_data_exactly() -> None:
    tuned, free = quickly(consistent=True), quickly()
    constant = diffusion.Denoiser(lambda x, t: 0.0 * x + 0.7, "data", MODEL.schedule)
    exact = diffusion.sample(constant, FEW, sampler="ddim", steps=3)
    fitted = [replace(sampler, predicts="data") for sampler in (tuned, free)]
    one, other = (diffusion.sample(constant, FEW, sampler=sampler) for sampler in fitted)
    np.testing.assert_allclose(one, exact, rtol=1e-10)
    assert not np.allclose(other, exact, rtol=1e-4)


def test_features_are_what_is_fitted() -> None:
    def half(x: np.ndarray) -> np.ndarray:
        return x[:, :4]

    exact = half(diffusion.sample(MODEL, UNSEEN, steps=60))
    tuned, whole = (
        diffusion.tune(MODEL, STARTS, steps=3, sampler="dpmpp-2m", loss=of, iterations=8) for of in (half, "endpoint")
    )
    found, untuned = (
        half(diffusion.sample(MODEL, UNSEEN, **kw)) for kw in ({"sampler": tuned}, {"sampler": "dpmpp-2m", "steps": 3})
    )
    apart, before = (np.median(np.linalg.norm(x - exact, axis=1)) for x in (found, untuned))
    assert apart < 0.3 * before
    assert not same(tuned, whole)


def test_a_trajectory_is_followed_at_every_point() -> None:
    def off_path(sampler: FittedSampler) -> float:
        path = diffusion.trajectory(MODEL, UNSEEN, steps=60, dense_output=True)
        run = diffusion.trajectory(MODEL, UNSEEN, sampler=sampler)
        return float(np.mean([np.median(np.abs(y - path.sol(t))) for t, y in zip(run.t[1:-1], run.y[1:-1])]))

    path, end = (quickly(loss=loss, what="rows", iterations=10) for loss in ("trajectory", "endpoint"))
    assert off_path(path) < 0.5 * off_path(end)


@pytest.mark.parametrize("by", ["differences", "closed-form"])
def test_bands_get_weights_of_their_own(by: str) -> None:
    def network(x: np.ndarray, t: np.ndarray) -> np.ndarray:  # Gaussian data whose entries vary differently
        alpha, sigma = (part(t)[:, None] for part in (MODEL.schedule.alpha, MODEL.schedule.sigma))
        return np.asarray(alpha * variance / (alpha**2 * variance + sigma**2) * x)

    variance = np.array([1.0, 0.3, 0.1, 0.01])[np.arange(SIZE) % 4]
    gaussian = diffusion.Denoiser(network, "data", MODEL.schedule)
    bands = diffusion.bands.mask(np.arange(SIZE) % 4)
    kw: Any = {"steps": 1, "sampler": "dpmpp-2m", "teacher": 30, "by": by, "what": "rows", "iterations": 8}
    plain, tuned = (diffusion.tune(gaussian, FEW, bands=chosen, **kw) for chosen in (None, bands))
    assert tuned.bands == bands
    assert not np.allclose(tuned.D[..., 0], tuned.D[..., 1])
    assert tuned.report.after < 0.5 * plain.report.after


def test_rows_in_closed_form_cost_a_few_runs() -> None:
    tuned = quickly(by="closed-form", what="rows")
    assert tuned.report is not None
    assert tuned.report.after < 0.8 * tuned.report.before
    assert tuned.report.details["calls of a start"] < 24 + 12 + 6 * 3


def test_the_gradient_through_a_run_is_that_of_differences() -> None:
    starts, schedule = torch.as_tensor(FEW), MODEL.schedule
    network = diffusion.Denoiser(TorchMixture(), "data", schedule)
    lessons = taught(network, starts, [np.arange(24)], 24, to_zero=False)
    sampler = diffusion.sampler("dpmpp-2m")
    exact = Exact(sampler, schedule, 3, to_zero=False)(sampler.grid(3, schedule))
    assert exact is not None
    later = exact._replace(times=np.append(0.9, exact.times[1:]))
    end = (float(schedule.alpha(schedule.t_end)), float(schedule.sigma(schedule.t_end)))
    chart, measure = PlanChart(schedule, later, end), Robust(1e-3, 0.2)
    parameters = chart.parameters(later)
    fit = Fit(chart, lessons.shards, LOSSES["endpoint"])
    errors = fit.errors(parameters)
    assert errors is not None
    _, expected = fit.normal(parameters, measure.weights(errors))
    free = torch.tensor(parameters, requires_grad=True)
    contest = Contest(lessons.shards, lessons.shards, LOSSES["endpoint"], measure)
    objective(torch, errors_of_run(torch, chart, free, lessons.shards[0], contest), measure).backward()
    assert free.grad is not None
    np.testing.assert_allclose(free.grad.numpy(), expected, rtol=1e-4, atol=1e-5 * abs(expected).max())


def test_a_descent_along_the_gradient_lowers_the_error() -> None:
    network = diffusion.Denoiser(TorchMixture(), "data", MODEL.schedule)
    kw: Any = {"steps": 2, "sampler": "dpmpp-2m", "teacher": 24, "what": "rows"}
    tuned = diffusion.tune(network, torch.as_tensor(FEW), by="gradient", iterations=4, **kw)
    assert tuned.report is not None
    assert tuned.report.after < 0.9 * tuned.report.before


def test_under_guidance_the_gradient_moves_the_weights_alone() -> None:
    guided = diffusion.guidance.thresholded(diffusion.Denoiser(TorchMixture(), "data", MODEL.schedule))
    kw: Any = {"steps": 2, "sampler": "dpmpp-2m", "teacher": 24}
    tuned = diffusion.tune(guided, torch.as_tensor(FEW), by="gradient", iterations=2, **kw)
    assert tuned.report is not None
    assert "the network takes no times" in tuned.report.details["stages"][-1][0]


class TorchMixture(torch.nn.Module):
    """Two Gaussians of equal width, whose posterior mean is a hyperbolic tangent."""

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        alpha, sigma = (part(t)[:, None] for part in (MODEL.schedule.alpha, MODEL.schedule.sigma))
        variance = 0.01 * alpha**2 + sigma**2
        centre = torch.tanh(alpha * x.sum(dim=1, keepdim=True) / variance)
        return centre + 0.01 * alpha / variance * (x - alpha * centre)


def test_dynamic_programming_finds_the_cheapest_way() -> None:
    cost = np.full((5, 5), np.inf)
    cost[np.triu_indices(5, 1)] = [5, 1, 9, 30, 1, 1, 30, 4, 9, 2]  # 0→2→3→4 costs 1 + 4 + 2
    assert _cheapest(cost, 3) == [0, 2, 3, 4]
    assert _cheapest(cost, 1) == [0, 4]


def test_dynamic_programming_betters_a_poor_grid_without_further_calls() -> None:
    poor = diffusion.sampler("ddim", grid=partial(_uniform, "t"))
    tuned = diffusion.tune(MODEL, FEW, steps=4, sampler=poor, search="dp", what="grid", teacher=24)
    assert tuned.report is not None
    assert tuned.report.after < 0.8 * tuned.report.before
    assert tuned.report.details["calls of a start"] < 24 + 12 + 4 * 4


def test_the_least_weight_of_ddim_is_that_of_equal_steps_in_lambda() -> None:
    schedule = MODEL.schedule  # Σ_j (e^{Δλ_j} − 1) is least where all Δλ are equal
    ddim = replace(diffusion.sampler("ddim"), gauge=diffusion.gauge.DATA)
    chart = GridChart(schedule, Exact(ddim, schedule, 5, to_zero=False), (schedule.t_start, schedule.t_end), 4)
    found = least_weight(chart, _uniform("t", 5, schedule))
    np.testing.assert_allclose(found, _uniform("lambda", 5, schedule), rtol=0.02)


def _uniform(clock: str, steps: int, schedule: diffusion.NoiseSchedule) -> np.ndarray:
    return diffusion.grids.uniform(steps, clock, schedule=schedule)


def test_an_evolution_lowers_the_fitness_of_its_user() -> None:
    target = diffusion.sample(MODEL, FEW, steps=60).std()
    found = quickly(search="evolution", what="grid", fitness=lambda x: abs(float(x.std()) - target), iterations=4)
    assert found.report is not None
    assert found.report.details["fitness after"] < found.report.details["fitness before"]


def test_where_nothing_does_better_the_untuned_sampler_is_kept() -> None:
    constant = diffusion.Denoiser(lambda x, t: 0.0 * x + 0.7, "data", MODEL.schedule)  # every sampler is exact
    tuned = diffusion.tune(constant, FEW, steps=3, teacher=12, iterations=3)
    assert tuned.report is not None
    assert tuned.report.after <= tuned.report.before + 1e-12
    assert tuned.report.details["mean after"] <= tuned.report.details["mean before"]


@pytest.mark.parametrize("width", [0.02, 1.0, 30.0])
@pytest.mark.parametrize("schedule", [diffusion.VP.linear(1.0, 1.0, t_start=10.0, t_end=0.01), diffusion.EDM()])
def test_a_teacher_that_is_in_doubt_is_the_better_of_two(schedule: Any, width: float) -> None:
    model = diffusion.models.gaussian_mixture([1, 2], width * np.eye(2), [width**2 / 9 * np.eye(2)] * 2, schedule)
    starts = FEW[:, :2]

    def apart(**half: Any) -> float:
        fine, coarse = (diffusion.sample(model, starts, **{key: of(n) for key, of in half.items()}) for n in (6, 3))
        return float(np.median(np.linalg.norm(fine - coarse, axis=1) / np.linalg.norm(fine, axis=1)))

    errors = [apart(steps=int), apart(grid=lambda n: diffusion.grids.power(n, 1.0, "lambda", schedule=schedule))]
    asked = errors if errors[0] >= 3e-3 else errors[:1]
    lessons = taught(model, starts, [np.arange(24)], 6, to_zero=False)
    assert lessons.error == pytest.approx(min(asked), rel=1e-6)
    assert ("λ" in lessons.name) == (min(asked) < errors[0])
    assert lessons.calls == len(asked) * (6 + 3) * 24


def test_conditions_of_each_start_are_cut_with_the_starts() -> None:
    shift = np.linspace(-1.0, 1.0, len(FEW))[:, None]

    def network(x: np.ndarray, t: np.ndarray, shift: np.ndarray) -> np.ndarray:
        assert len(shift) == len(x)
        return np.asarray(MODEL.network(x - 0.1 * shift, t))

    conditioned = diffusion.Denoiser(network, MODEL.predicts, MODEL.schedule, condition={"shift": shift})
    tuned = diffusion.tune(conditioned, FEW, steps=2, sampler="dpmpp-2m", teacher=12, iterations=2, batch=7)
    assert diffusion.sample(conditioned, FEW, sampler=tuned).shape == FEW.shape


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, MemoryError])
@pytest.mark.parametrize(("after", "judged"), [(30, False), (400, True)])
def test_an_interrupted_tuning_keeps_the_best_so_far(after: int, judged: bool, kind: type[BaseException]) -> None:
    calls = 0

    def network(x: np.ndarray, t: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls > after:
            raise kind
        return np.asarray(MODEL.network(x, t))

    with pytest.raises(kind) as stopped:
        diffusion.tune(replace(MODEL, network=network), FEW, steps=3, sampler="dpmpp-2m", teacher=24)
    if not judged:
        return
    assert isinstance(stopped.value, diffusion.TuningInterrupted) == (kind is KeyboardInterrupt)
    best = stopped.value.sampler
    assert best is not None
    assert best.report is not None
    assert best.report.details["interrupted"]
    assert best.report.after < best.report.before


def test_a_network_that_is_not_deterministic_is_refused() -> None:
    layer = torch.nn.Dropout(0.2)
    noisy = diffusion.Denoiser(lambda x, t: layer(x), "noise", MODEL.schedule)
    with pytest.raises(ValueError, match=r"depends on its input alone.*network\.eval\(\)"):
        diffusion.tune(noisy, torch.as_tensor(FEW), steps=3)


def test_a_gradient_of_a_network_without_one_is_refused() -> None:
    with pytest.raises(TypeError, match=r"can be differentiated for by='gradient', received ndarray.*by='differences'"):
        quickly(by="gradient")


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"what": "times"}, ValueError, "grid"),
        ({"by": "magic"}, ValueError, "closed-form"),
        ({"search": "grid"}, ValueError, "total-weight"),
        ({"loss": "lpips"}, ValueError, "endpoint"),
        ({"steps": 0}, ValueError, "steps"),
        ({"steps": 2.5}, TypeError, "steps"),
        ({"iterations": 0}, ValueError, "iterations"),
        ({"teacher": 1}, ValueError, "teacher"),
        ({"teacher": 3}, ValueError, "more than steps = 3"),
        ({"batch": 0}, ValueError, "batch"),
        ({"sampler": "edm-heun"}, ValueError, "one call a step"),
        ({"sampler": "dpmpp-3s"}, ValueError, "one call a step"),
        ({"fitness": len}, ValueError, "search='evolution'"),
        ({"bands": diffusion.bands.mask(np.arange(8) % 2), "what": "grid"}, ValueError, "whose weights"),
        ({"bands": diffusion.bands.mask(np.arange(4) % 2)}, ValueError, "shape"),
        ({"bands": "pixels"}, TypeError, "bands"),
        ({"by": "closed-form", "what": "grid"}, ValueError, "whose weights it fits"),
        ({"search": "dp", "what": "rows"}, ValueError, "whose times it finds"),
        ({"consistent": True, "what": "grid"}, ValueError, "consistent"),
        ({"consistent": True, "by": "closed-form"}, ValueError, "consistent"),
        ({"loss": "trajectory", "by": "closed-form"}, ValueError, "another loss"),
        ({"loss": lambda x: 1.0}, ValueError, "an entry for each of 12 samples"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        quickly(**options)


@pytest.mark.parametrize(
    ("noise", "said"), [(FEW[:7], "at least 8 starts"), (np.where(FEW > 2.0, np.nan, FEW), "finite array")]
)
def test_starts_that_are_too_few_or_not_finite_are_refused(noise: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        diffusion.tune(MODEL, noise, steps=3)


def test_a_tuned_sampler_is_no_place_to_start_from(five: FittedSampler) -> None:
    with pytest.raises(TypeError, match="rule for times"):
        quickly(sampler=five)


def test_robust_weights_are_those_of_the_gradient_of_the_measure() -> None:
    errors, measure = np.array([0.3, 0.01, 1.5]), Robust(floor=1e-4, tail=0.2)
    steps = 1e-6 * errors
    slopes = [
        (measure.value(errors + h * e) - measure.value(errors - h * e)) / (2 * h) for h, e in zip(steps, np.eye(3))
    ]
    np.testing.assert_allclose(slopes, measure.weights(errors) * errors, rtol=1e-5)


def test_minimise_finds_the_robust_fit_of_a_line() -> None:
    x = np.linspace(-1.0, 1.0, 21)
    y = 0.5 + 2.0 * x
    y[3] += 40.0  # one start that is far off

    class Line:
        def errors(self, p: np.ndarray) -> np.ndarray:
            return np.abs(p[0] + p[1] * x - y)

        def normal(self, p: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            columns = np.stack([np.ones_like(x), x])
            return columns * weights @ columns.T, columns * weights @ (p[0] + p[1] * x - y)

    *_, last = minimise(Line(), np.zeros(2), Robust(floor=1e-9, tail=0.0), iterations=60)
    np.testing.assert_allclose(last.parameters, [0.5, 2.0], atol=1e-6)
