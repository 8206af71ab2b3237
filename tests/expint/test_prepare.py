"""One verb prepares an operator for a run; rows read tables that were computed before; nothing made is thrown away."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import expint
import expint.scipy
from expint.lower import cache
from expint.lower.memory import PLAIN
from expint.operators import Dense, KroneckerSum, MatrixFree, Sum, as_operator
from expint.operators.base import Use
from expint.operators.bases.in_basis import Eigenbasis
from expint.operators.columns import Columns
from tests.expint.operator_family import apply_row, forms_of_sum

SUMS: list[Any] = [{(0, 1): 1}, {(1, 1): 1, (2, 0.5): -2}, {}]
USES = [
    Use(),
    *(Use(steps) for steps in ("equal", "changing", "between")),
    Use(tolerance=(1e-10, 1e-10)),
    Use(whole=True),
]
RNG = np.random.default_rng(4)
A, B = RNG.standard_normal((2, 4, 4))


@pytest.mark.parametrize("use", USES, ids=str)
def test_a_prepared_operator_applies_the_same_rows(use: Use) -> None:
    for name, (operator, shape) in forms_of_sum(A + A.T, B).items():
        columns = [RNG.standard_normal(shape) for _ in SUMS]
        expected = apply_row(operator, columns, SUMS, 0.3)
        found = apply_row(operator.prepare(use), columns, SUMS, 0.3)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * np.linalg.norm(expected), err_msg=name)


def test_a_matrix_is_prepared_for_each_use_as_it_costs_least() -> None:
    symmetric = np.diag(np.full(100, -2.0)) + np.diag(np.ones(99), 1) + np.diag(np.ones(99), -1)
    operator, skewed = Dense(symmetric), Dense(symmetric + np.diag(np.full(99, 0.1), 1))
    assert operator.prepare(Use("equal")) is operator  # products with small matrices cost no more
    assert isinstance(operator.prepare(Use("changing")), Eigenbasis)
    assert skewed.prepare(Use("changing")) is skewed
    assert isinstance(operator.prepare(Use("between")), Eigenbasis)


def test_a_row_reads_its_table_and_does_not_fill_it() -> None:
    for name, (operator, shape) in forms_of_sum(A, B).items():
        needed = operator.needs(Columns(SUMS))
        values = {c: np.stack(operator.phi(k, 0.3 * c)) for c, k in needed.items()}
        table: Any = SimpleNamespace(step=0.3, values=values.__getitem__)
        columns = [RNG.standard_normal(shape) for _ in SUMS]
        found = operator.combine(operator.row(Columns(SUMS), [1.0] * 3, table, columns[0]), columns)
        np.testing.assert_array_equal(found, apply_row(operator, columns, SUMS, 0.3), err_msg=name)


def test_a_run_works_with_what_a_sum_along_axes_is_applied_by() -> None:
    whole = KroneckerSum(A, B)
    assert isinstance(as_operator(whole, np.ones((4, 4))), Eigenbasis)
    assert isinstance(as_operator(Sum(whole, 1.0), np.ones((4, 4))), Eigenbasis)
    assert as_operator(whole, np.ones((4, 4)), whole=True) is whole


def test_a_method_that_chooses_its_orders_makes_no_other_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a cache of steps that no run uses")

    monkeypatch.setattr(cache.StepCache, "__init__", refuse)
    assert expint.solve_ivp(lambda t, y: -y, (0, 1), np.ones(3), linear=-1.0, rtol=1e-6).success


RATES = np.linspace(1.0, 200.0, 300)


def products_between_steps(door: str, tolerance: float | None) -> int:
    """The products with L that the states between the steps of a run to a tolerance of 1e-3 take."""
    calls = [0]

    def multiply(v: np.ndarray) -> np.ndarray:
        calls[0] += 1
        return np.roll(v, 1) - RATES * v

    linear = MatrixFree(multiply, 300, tolerance=tolerance)
    how: dict[str, Any] = {"rtol": 1e-3, "atol": 1e-3, "dense_output": True, "linear": linear}
    if door == "solve_ivp":
        solution: Any = expint.solve_ivp(lambda t, y: np.cos(y), (0, 1), np.ones(300), method="etd34", **how)
    else:
        own = {"method": expint.scipy.ETD34}
        solution = solve_ivp(lambda t, y: multiply(y) + np.cos(y), (0, 1), np.ones(300), **own, **how)
    calls[0] = 0
    for t in (solution.t[:-1] + solution.t[1:]) / 2:
        solution.sol(t)
    return calls[0]


@pytest.mark.parametrize("door", ["solve_ivp", "scipy"])
def test_dense_output_is_no_more_exact_than_its_run_at_any_door(door: str) -> None:
    assert products_between_steps(door, None) < 0.75 * products_between_steps(door, 1e-12)


def test_caches_keyed_by_identity_hold_their_keys() -> None:
    """What is dropped and made anew may get the same identity; 500 stages and columns show it if it is not held."""
    basis = KroneckerSum(A, B).prepare()
    combine = basis.combiner()
    for number in range(500):
        stage = expint.derive.Stage(
            c=1, state={(0, 1): number + 1.0}, stages=(), past=(), evaluate=False, accept=True, remember=False
        )
        assert cache.columns_of(stage, (), PLAIN)[0] == {(0, 1): number + 1.0}
        column = np.full((4, 4), float(number))
        np.testing.assert_allclose(combine((1.0,), (column,)), column, atol=1e-9)
