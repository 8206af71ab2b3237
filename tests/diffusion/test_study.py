"""Studies of samplers: over the core of expint.study, with the measures of images."""

import functools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import diffusion
import diffusion.study
import expint
from diffusion.grids.published import quadratic_in_t, uniform_in_t
from expint.study import Job

NOISE = np.random.default_rng(0).standard_normal((32, 2))
MIXTURE = functools.partial(
    diffusion.models.gaussian_mixture, [0.5, 0.5], [[-1.0, 0.0], [1.0, 0.0]], np.tile(0.1 * np.eye(2), (2, 1, 1))
)
TWO_LAST = replace(diffusion.sampler("ddim", end=diffusion.End(methods=(expint.method("etd1"),) * 2)), name="two-last")


def test_slopes_of_samplers_are_those_of_their_methods() -> None:
    with ThreadPoolExecutor(2) as threads:
        found = diffusion.study.run(
            {"mixture": MIXTURE},
            ["ddim", "dpm2"],
            [20, 40, 80],
            NOISE,
            reference=("deis-rho-rk4", 400),
            executor=threads,
        )
    ddim, dpm2 = found.slopes()
    assert abs(ddim.slope + 1) < 0.2
    assert abs(dpm2.slope + 2) < 0.3
    assert [cell.calls for cell in found.cells] == [20, 40, 80, 40, 80, 160]
    assert found.parameter == "steps"


def test_digits_are_judged_by_their_frechet_distance(tmp_path: Path) -> None:
    noise = diffusion.study.normal_noise(24, (1, 8, 8))
    options = {"measure": "frechet", "cache": tmp_path}
    with ThreadPoolExecutor(1) as threads:
        found = diffusion.study.run(["digits"], ["ddim"], [2, 8], noise, executor=threads, **options)
        again = diffusion.study.run(["digits"], ["ddim"], [2, 8], noise, executor=threads, **options)
    assert found == again  # the wall time, too: it comes from the cache
    poor, good = (cell.error for cell in found.cells)
    assert good < poor
    assert found.measure == "Fréchet distance"
    assert "Fréchet distance" not in found.markdown()  # the values speak in the table; the plot has the label


def test_a_sampler_that_cannot_run_fails_alone() -> None:
    with ThreadPoolExecutor(1) as threads:
        found = diffusion.study.run({"mixture": MIXTURE}, ["ddim", TWO_LAST], [1, 8], NOISE, executor=threads)
    assert [(cell.method, cell.value) for cell in found.failures] == [("two-last", 1)]
    assert "expected at least 2 steps for two-last" in found.failures[0].failure


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"calls": []}, "positive integers"),
        ({"calls": [2.5]}, "positive integers"),
        ({"denoisers": ["digit"]}, "did you mean 'digits'"),
        ({"samplers": ["deis-tab9"]}, "did you mean"),
        ({"measure": "fid"}, "expected a measure"),
        ({"samplers": []}, "models and samplers"),
    ],
)
def test_senseless_studies_are_refused(options: dict[str, object], message: str) -> None:
    usual: dict[str, object] = {"denoisers": ["digits"], "samplers": ["ddim"], "calls": [2], "noise": NOISE}
    with pytest.raises(ValueError, match=message):
        diffusion.study.run(**(usual | options))


def test_names_travel_to_other_processes_and_keys_see_what_they_stand_for() -> None:
    first, second = (
        Job(print, ("ddim",), content=diffusion.sampler("ddim", grid=grid)) for grid in (quadratic_in_t, uniform_in_t)
    )
    assert first.key() != second.key()
    assert first.key() == Job(print, ("ddim",), content=diffusion.sampler("ddim", grid=quadratic_in_t)).key()
    found = diffusion.study.run({"mixture": MIXTURE}, ["ddim"], [4], NOISE, reference=("dpm2", 8))
    assert found.cells[0].calls == 4


def test_noise_is_that_of_its_seed() -> None:
    assert np.array_equal(
        diffusion.study.normal_noise(3, (2,), 1, torch=False), np.random.default_rng(1).standard_normal((3, 2))
    )
    first, second, other = (diffusion.study.normal_noise(2, (1, 8, 8), seed) for seed in (0, 0, 1))
    assert bool((first == second).all())
    assert not bool((first == other).all())
