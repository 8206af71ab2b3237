"""Studies: cells that fail fail alone, caches are checked before they are trusted, slopes come with intervals."""

import functools
import json
import math
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import expint
import expint.study
from expint.derive import REST, Tableau, phi
from expint.study import Cell, Study, fingerprint, fit_slope


class Here(Executor):
    """Runs everything at once, in this process, and counts it."""

    def __init__(self) -> None:
        self.jobs: list[object] = []

    def submit(self, fn, /, *args, **kwargs):
        self.jobs.append(fn)
        future: Future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


STEPS = [1 / 10, 1 / 20, 1 / 40, 1 / 80]
LINEAR = functools.partial(expint.problems.prescribed_spectrum, (-1.0, -3.0))


def broken() -> expint.SemilinearProblem:
    raise RuntimeError("no such problem today")


def explosive() -> expint.SemilinearProblem:
    return expint.SemilinearProblem(
        linear=1.0, nonlinear=lambda t, y: y**2, y0=np.array([1.0]), t_span=(0.0, 2.0), exact=lambda t: np.array([1.0])
    )


class Told:
    """A future that knows ``result`` alone, and counts how often it is asked."""

    asked = 0

    def __init__(self, function, broken: bool) -> None:
        self.function, self.broken = function, broken

    def result(self):
        Told.asked += 1
        if self.broken:
            raise OSError("the worker was lost")
        return self.function()


class Elsewhere:
    """An executor that knows ``submit`` alone, as clients of clusters; every third worker is lost."""

    def __init__(self, loses: bool = False) -> None:
        self.loses, self.count = loses, 0

    def submit(self, function):
        self.count += 1
        return Told(function, self.loses and self.count % 3 == 0)


def test_anything_that_submits_and_gives_results_runs_a_study() -> None:
    options = {"problems": {"linear": LINEAR}, "methods": ["etd2rk", "krogstad4"], "steps": STEPS}
    here = expint.study.run(**options, executor=Here())
    there = expint.study.run(**options, executor=Elsewhere())
    assert [cell.error for cell in there.cells] == [cell.error for cell in here.cells]
    lossy = expint.study.run(**options, executor=Elsewhere(loses=True))
    lost = [n for n, cell in enumerate(lossy.cells) if cell.failure]
    assert lost
    assert all("the worker was lost" in lossy.cells[n].failure for n in lost)
    kept = [n for n in range(len(here.cells)) if n not in lost]
    assert [lossy.cells[n].error for n in kept] == [here.cells[n].error for n in kept]


def test_slopes_are_the_orders_and_lie_within_their_intervals() -> None:
    found = expint.study.run({"linear": LINEAR}, ["etd2rk", "krogstad4"], steps=STEPS, executor=Here())
    for slope, order in zip(found.slopes(), (2, 4), strict=True):
        assert slope.points == 4
        assert abs(slope.slope - order) < 0.25
        assert slope.low < slope.slope < slope.high
    assert not found.failures


def test_processes_threads_and_one_process_agree() -> None:
    options = {"problems": {"linear": LINEAR}, "methods": ["etd2rk", "adams3"], "steps": STEPS[:2]}
    with ThreadPoolExecutor(2) as threads:
        by_threads = expint.study.run(**options, executor=threads)
    by_processes, here = expint.study.run(**options), expint.study.run(**options, executor=Here())
    errors = [[cell.error for cell in study.cells] for study in (by_threads, by_processes, here)]
    assert errors[0] == errors[1] == errors[2]


def test_a_failing_cell_says_why_and_the_rest_finishes() -> None:
    found = expint.study.run(
        {"broken": broken, "explosive": explosive, "linear": LINEAR}, ["etd2rk"], steps=STEPS[:2], executor=Here()
    )
    reasons = {cell.problem: cell.failure for cell in found.failures}
    assert len(found.failures) == 4
    assert reasons["broken"].endswith("RuntimeError: no such problem today")
    assert "finite states" in reasons["explosive"]
    assert all(cell.error > 0 for cell in found.cells if cell.problem == "linear")
    assert "failed: explosive, etd2rk, step = 0.1" in found.markdown()
    assert "failed" in found.markdown().splitlines()[4]


def test_a_study_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    class Interrupted(Here):
        def submit(self, fn, /, *args, **kwargs):
            if len(self.jobs) == 2:
                raise KeyboardInterrupt
            return super().submit(fn, *args, **kwargs)

    options = {"problems": {"linear": LINEAR}, "methods": ["etd2rk"], "steps": STEPS, "cache": tmp_path}
    first = expint.study.run(**(options | {"steps": STEPS[:2]}), executor=Here())
    with pytest.raises(KeyboardInterrupt):
        expint.study.run(**options, executor=(interrupted := Interrupted()))
    resumed = Here()
    found = expint.study.run(**options, executor=resumed)
    assert (len(interrupted.jobs), len(resumed.jobs)) == (2, 1)
    assert [cell.error for cell in found.cells[:2]] == [cell.error for cell in first.cells]
    again = Here()
    assert expint.study.run(**options, executor=again) == found
    assert not again.jobs


@pytest.mark.parametrize("damage", ["half-written", "foreign", "another key", "no result"])
def test_a_damaged_cache_is_computed_again(tmp_path: Path, damage: str) -> None:
    options = {"problems": {"linear": LINEAR}, "methods": ["etd2rk"], "steps": STEPS[:1], "cache": tmp_path}
    found = expint.study.run(**options, executor=Here())
    for file in tmp_path.glob("*.json"):
        kept = json.loads(file.read_text())
        texts = {
            "half-written": file.read_text()[:40],
            "foreign": "\x80PICKLE",
            "another key": json.dumps(kept | {"key": "0" * 64}),
            "no result": json.dumps({"key": kept["key"], "result": [1.0]}),
        }
        file.write_text(texts[damage])
    again = Here()
    repaired = expint.study.run(**options, executor=again)
    assert len(again.jobs) == 2
    assert repaired.cells[0].error == found.cells[0].error


def test_another_version_has_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint("the same")
    monkeypatch.setattr(expint, "__version__", "another")
    assert fingerprint("the same") != before


def test_a_key_sees_every_coefficient_and_no_cache() -> None:
    def tableau(weight: Fraction) -> Tableau:
        return Tableau(name="mine", c=(0, Fraction(2, 3)), a=((), (REST,)), b=(REST, weight * phi(2)))

    one, same, other = tableau(Fraction(3, 2)), tableau(Fraction(3, 2)), tableau(Fraction(4, 3))
    assert fingerprint(one) != fingerprint(other)
    assert one.order == 2  # computed now, and kept in the object
    assert fingerprint(one) == fingerprint(same)
    assert fingerprint(expint.Adams(3)) != fingerprint(expint.Adams(3, ramp=True))


def test_a_key_sees_the_code_and_the_closure_of_a_function() -> None:
    def scaled(factor: float):
        return lambda t, y: factor * y

    assert fingerprint(scaled(2.0)) == fingerprint(scaled(2.0))
    assert fingerprint(scaled(2.0)) != fingerprint(scaled(3.0))
    assert fingerprint(lambda t, y: y + 1) != fingerprint(lambda t, y: y + 2)
    assert fingerprint(lambda t: STEPS) != fingerprint(lambda t: LINEAR)
    assert fingerprint(np.array([1.0])) != fingerprint(np.array([1.0], dtype=np.float32))


def test_tolerances_are_studied_with_a_reference_of_their_own() -> None:
    small = functools.partial(expint.problems.burgers, n=32, viscosity=0.2)
    found = expint.study.run([small], ["etd34"], tolerances=[1e-3, 1e-5], executor=Here())
    loose, tight = (cell.error for cell in found.cells)
    assert found.parameter == "rtol"
    assert tight < loose < 1e-2
    assert found.problems() == ["burgers(n=32, viscosity=0.2)"]


def test_the_largest_error_on_the_grid_is_a_measure_too() -> None:
    problem = functools.partial(expint.problems.hochbruck_ostermann, n=19)
    found = expint.study.run([problem], ["etd2rk"], steps=[0.1], error=expint.study.maximum_error, executor=Here())
    solution = expint.solve(problem(), "etd2rk", step=0.1)
    made = problem()
    gap = made.physical(solution.y_end) - made.physical(made.exact(1.0))
    assert found.cells[0].error == pytest.approx(abs(gap).max())


def test_tables_are_markdown_latex_and_records() -> None:
    cells = [Cell("p_1", m, h, h**2, 10, 5, 0.1) for m in ("a", "b") for h in (0.1, 0.2, 0.4)]
    study = Study((*cells[:-1], Cell("p_1", "b", 0.4, failure="it broke")), "step")
    lines = study.markdown().splitlines()
    assert lines[2] == "| method | step 0.1 | step 0.2 | step 0.4 | slope |"
    assert lines[4] == "| a | 1.00e-02 | 4.00e-02 | 1.60e-01 | 2.00 ± 0.00 |"
    assert lines[5] == "| b | 1.00e-02 | 4.00e-02 | failed | 2.00 |"
    assert r"a & 1.00e-02 & 4.00e-02 & 1.60e-01 & 2.00 $\pm$ 0.00 \\" in study.latex()
    assert study.latex().count(r"\toprule") == 1
    assert study.records()[0] == {
        "problem": "p_1",
        "method": "a",
        "step": 0.1,
        "error": 0.1**2,
        "calls": 10,
        "steps": 5,
        "seconds": 0.1,
        "failure": "",
    }


def test_the_interval_of_a_slope_covers_the_truth_about_as_often_as_it_says() -> None:
    rng, x = np.random.default_rng(0), np.array([0.1, 0.05, 0.025, 0.0125, 0.00625])
    hits = 0
    for _ in range(400):
        _, low, high = fit_slope(x, x**3 * np.exp(0.1 * rng.standard_normal(5)))
        hits += low < 3 < high
    assert 360 <= hits <= 396  # 380 expected, standard deviation 4.4


def test_a_slope_of_few_points_has_no_interval() -> None:
    assert fit_slope([0.1, 0.2], [1.0, 2.0])[0] == pytest.approx(1.0)
    assert all(math.isnan(value) for value in fit_slope([0.1, 0.2], [1.0, 2.0])[1:])
    assert math.isnan(fit_slope([0.1], [1.0])[0])
    with pytest.raises(ValueError, match="positive values"):
        fit_slope([0.1, 0.2], [1.0, 0.0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": [0.1], "tolerances": [0.1]}, "received both"),
        ({}, "received neither"),
        ({"steps": [-0.1]}, "positive step sizes"),
        ({"problems": ["burger"], "steps": [0.1]}, "did you mean burgers"),
        ({"methods": ["krogstat4"], "steps": [0.1]}, "did you mean krogstad4"),
        ({"problems": "burgers", "steps": [0.1]}, "a list of problems"),
        ({"methods": [], "steps": [0.1]}, "expected problems and methods"),
        ({"problems": ["burgers", "burgers"], "steps": [0.1]}, "different names"),
        ({"problems": [explosive()], "steps": [0.1]}, "fit for another process"),
    ],
)
def test_senseless_studies_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        expint.study.run(**({"problems": ["burgers"], "methods": ["etd2rk"]} | options))


def test_a_broken_pool_names_the_remedy() -> None:
    from concurrent.futures.process import BrokenProcessPool

    class Broken(Here):
        def submit(self, fn, /, *args, **kwargs):
            future: Future = Future()
            future.set_exception(BrokenProcessPool("died"))
            return future

    with pytest.raises(RuntimeError, match="__main__"):
        expint.study.run({"linear": LINEAR}, ["etd2rk"], steps=[0.1], executor=Broken())
