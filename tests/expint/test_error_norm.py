"""The norm in which the error of a step is held to the tolerance."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import expint
from expint import problems
from expint.run import ErrorNorm

FINITE = st.floats(-10, 10, allow_subnormal=False)
VECTORS = st.lists(st.tuples(FINITE, FINITE, FINITE), min_size=1, max_size=6).map(lambda rows: np.array(rows).T)


def by_hand(norm: ErrorNorm, error: Any, before: Any, after: Any) -> float:
    w = norm.atol + norm.rtol * np.maximum(abs(before), abs(after))
    return float(max(np.sqrt(np.mean(abs(error / w) ** 2)), np.linalg.norm(error) / np.linalg.norm(w)))


@given(VECTORS, st.sampled_from([1e-3, 1e-8]), st.floats(1e-9, 1.0))
def test_the_norm_is_the_larger_of_the_mean_and_of_the_whole(vectors: Any, rtol: float, atol: float) -> None:
    norm = ErrorNorm(rtol, atol)
    for phase in (1.0, 1j):
        measured = norm(phase * vectors[0], vectors[1], vectors[2])
        assert measured == pytest.approx(by_hand(norm, vectors[0], *vectors[1:]), rel=1e-12, abs=1e-140)


@given(VECTORS, st.sampled_from([1e-200, 1.0, 1e200]), st.sampled_from([np.float64, np.float32]))
def test_what_a_run_asks_of_few_numbers_is_the_norm(vectors: Any, unit: float, kind: Any) -> None:
    unit = unit if kind is np.float64 else 1.0
    error, before, after = (unit * vectors).astype(kind)
    norm, plain = ErrorNorm(1e-3, 1e-2 * unit), ErrorNorm(1e-3, 1e-2)
    scale, size = norm.measures(before)
    assert scale(before) == pytest.approx(norm.scale(before), rel=1e-6)
    assert scale(before).dtype == kind
    expected = by_hand(plain, vectors[0], *vectors[1:])
    measured = size(error, np.maximum(scale(before), scale(after)))
    assert measured == pytest.approx(expected, rel=1e-12 if kind is np.float64 else 1e-4, abs=1e-30)


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning", "ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("spoilt", [np.nan, np.inf, -np.inf])
def test_few_numbers_that_are_none_and_tolerances_of_zero_are_refused(spoilt: float) -> None:
    _, size = ErrorNorm(1e-3, 0.0).measures(np.zeros(2))
    assert size(np.array([spoilt, 0.0]), np.ones(2)) == np.inf
    assert size(np.ones(2), np.array([1.0, abs(spoilt)])) == np.inf
    assert size(np.ones(2), np.array([1.0, 0.0])) == np.inf
    assert size(np.zeros(2), np.ones(2)) == 0.0


@given(VECTORS)
def test_numpy_and_torch_measure_the_same(vectors: Any) -> None:
    norm = ErrorNorm(1e-4, 1e-6)
    there = norm(*[torch.as_tensor(row) for row in vectors])
    assert norm(*vectors) == pytest.approx(there, rel=1e-12, abs=1e-140)


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
@pytest.mark.parametrize("power", [-28, 0, 28])
def test_the_norm_knows_no_units_even_in_single_precision(kind: Any, power: int) -> None:
    rng = np.random.default_rng(1)
    error, before, after = rng.normal(size=(3, 40))
    unit = 10.0**power
    arrays = [kind((unit * values).astype(np.float32)) for values in (1e-3 * error, before, after)]
    expected = by_hand(ErrorNorm(1e-3, 0.0), 1e-3 * error, before, after)
    assert ErrorNorm(1e-3, np.float32(0.0))(*arrays) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_errors_that_are_no_numbers_are_infinite(kind: Any, value: float) -> None:
    assert ErrorNorm(1e-3, 1e-200)(kind(np.array([value, 0.0])), *[kind(np.array([0.0, 0.0]))] * 2) == np.inf


@given(st.integers(1, 2000))
def test_a_mode_that_carries_the_state_alone_may_err_by_its_own_tolerance(n: int) -> None:
    state, error = np.zeros(n), np.zeros(n)
    state[0], error[0] = 3.0, 3e-6
    assert ErrorNorm(1e-6, 1e-6 * 3 / np.sqrt(n))(error, state, state) >= 0.5


def test_the_norm_of_the_user_replaces_all() -> None:
    state, error = np.array([1.0, 0.0, 0.0, 0.0]), np.array([-1e-3, 0.0, 0.0, 0.0])
    norm = ErrorNorm(1e-3, 1e-3, lambda scaled: float(np.sqrt(np.mean(scaled**2))))
    assert norm(error, state, state) == pytest.approx(0.25)
    assert ErrorNorm(1e-3, 1e-3)(error, state, state) == pytest.approx(1 / np.sqrt(7))


@pytest.mark.parametrize("rtol", [1e-4, 1e-6, 1e-8])
def test_a_plane_wave_keeps_the_tolerance(rtol: float) -> None:
    problem = problems.make("ginzburg_landau")
    assert problem.exact is not None
    solution = expint.solve(problem, t_eval=[problem.t_span[1]], rtol=rtol)
    exact = problem.exact(problem.t_span[1])
    assert np.linalg.norm(solution.y_end - exact) < 10 * rtol * np.linalg.norm(exact)


def test_steps_to_states_that_are_not_finite_are_rejected_without_a_warning() -> None:
    norm, y = ErrorNorm(1e-6, 1e-9), np.ones(3)
    for value in (np.inf, np.nan):
        after = np.array([1.0, value, 2.0])
        assert norm(after, y, after) == np.inf  # warnings are errors here
