"""Arrays that change under our hands: what users write to is not the run's, and what they return is the run's alone."""

import mmap
from array import array
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import LinearOperator

import expint
from expint.exchange import ask, lent
from expint.jacobian import Differences, Product
from expint.operators import MatrixFree, TimeDependent

Y0 = np.array([1.0, 0.5, -0.2])

WAYS: dict[str, dict[str, Any]] = {
    "auto": {"linear": -1.0},
    "etd34": {"linear": -1.0, "method": "etd34", "rtol": 1e-4},
    "fixed": {"linear": -1.0, "method": "krogstad4", "step": 0.05},
    "adams": {"linear": -1.0, "method": "adams4", "step": 0.05},
    "symbol": {"linear": np.array([-1.0, -2.0, -0.5])},
    "exprb43": {"method": "exprb43", "rtol": 1e-4},
    "exprb43 fixed": {"method": "exprb43", "step": 0.05, "jac": Differences(central=True)},
    "time-dependent": {"linear": TimeDependent(lambda t: -1 - t), "rtol": 1e-4},
}


def fresh(t: float, y: Any) -> Any:
    return (1 + 0.3 * t) * y * y - y


def views_of_one(make: Callable[..., Any]) -> Callable[..., Any]:
    kept = make(np.zeros((4, 3)))

    def nonlinear(t: float, y: Any) -> Any:
        kept[2] = fresh(t, y)
        return kept[2]

    return nonlinear


def in_turn(count: int) -> Callable[..., Any]:
    def of(make: Callable[..., Any]) -> Callable[..., Any]:
        buffers, calls = [make(np.zeros(3)) for _ in range(count)], [0]

        def nonlinear(t: float, y: Any) -> Any:
            calls[0] += 1
            buffer = buffers[calls[0] % count]
            buffer[:] = fresh(t, y)
            return buffer

        return nonlinear

    return of


def of_one_memory(make: Callable[..., Any]) -> Callable[..., Any]:
    host = np.zeros(3)

    def nonlinear(t: float, y: Any) -> Any:
        host[:] = fresh(t, y)
        return torch.from_numpy(host) if isinstance(y, torch.Tensor) else np.frombuffer(host)

    return nonlinear


REUSED = {
    "row": views_of_one,
    "one": in_turn(1),
    "two": in_turn(2),
    "memory": of_one_memory,
}


def outcome(nonlinear: Callable[..., Any], y0: Any, **options: Any) -> tuple[Any, int]:
    solution = expint.solve_ivp(nonlinear, (0, 0.4), y0, dense_output=True, **options)
    assert solution.success
    return np.concatenate([np.asarray(solution.y_end), np.asarray(solution.sol(0.137))]), solution.stats.steps


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("make", [np.array, torch.tensor])
@pytest.mark.parametrize("reuse", REUSED)
def test_values_may_lie_in_memory_that_is_used_again(reuse: str, make: Callable[..., Any], way: str) -> None:
    if make is torch.tensor and way == "exprb43":
        pytest.skip("torch differentiates no function that writes to what it captures, and says so")
    expected, steps = outcome(fresh, make(Y0), **WAYS[way])
    got, taken = outcome(REUSED[reuse](make), make(Y0), **WAYS[way])
    np.testing.assert_array_equal(got, expected)
    assert taken == steps


def shared(kind: str) -> Iterator[Callable[[np.ndarray], Any]]:
    memory = np.zeros(3)
    if kind == "memoryview":
        yield lambda value: (memory.__setitem__(slice(None), value), memoryview(memory))[1]
    elif kind == "array.array":
        kept = array("d", [0.0] * 3)
        yield lambda value: (np.frombuffer(kept).__setitem__(slice(None), value), kept)[1]
    elif kind == "mapped":
        mapped = np.frombuffer(mmap.mmap(-1, 24))
        yield lambda value: (mapped.__setitem__(slice(None), value), mapped)[1]
    else:
        yield lambda value: value.tolist() if kind == "list" else tuple(value.tolist())


@pytest.mark.parametrize("way", ["auto", "adams", "exprb43"])
@pytest.mark.parametrize("kind", ["memoryview", "array.array", "mapped", "list", "tuple"])
def test_buffers_and_lists_are_values_as_well(kind: str, way: str) -> None:
    (write,) = shared(kind)
    expected, _ = outcome(fresh, Y0, **WAYS[way])
    np.testing.assert_array_equal(outcome(lambda t, y: write(fresh(t, y)), Y0, **WAYS[way])[0], expected)


def writing(t: float, y: Any) -> Any:
    y *= y
    return y


def returning_its_argument(t: float, y: Any) -> Any:
    return y[:]


@pytest.mark.parametrize("way", WAYS)
def test_a_write_into_the_state_is_refused_in_numpy_and_harmless_in_torch(way: str) -> None:
    with pytest.raises(ValueError, match="read-only") as raised:
        expint.solve_ivp(writing, (0, 0.4), Y0, **WAYS[way])
    assert any("work on a copy, y = y.copy()" in note for note in raised.value.__notes__)
    if way != "exprb43":  # torch differentiates y *= y wrongly itself
        squares = expint.solve_ivp(lambda t, y: y * y, (0, 0.4), torch.tensor(Y0), **WAYS[way])
        written = expint.solve_ivp(writing, (0, 0.4), torch.tensor(Y0), **WAYS[way])
        np.testing.assert_array_equal(written.y_end, squares.y_end)
        assert written.stats == squares.stats


@pytest.mark.parametrize("way", WAYS)
def test_a_function_may_return_its_argument(way: str) -> None:
    one, other = (outcome(n, Y0, **WAYS[way]) for n in (returning_its_argument, lambda t, y: 1 * y))
    np.testing.assert_array_equal(one[0], other[0])


@pytest.mark.parametrize("hook", ["events", "callback"])
@pytest.mark.parametrize("make", [np.array, torch.tensor])
def test_events_and_callbacks_cannot_change_a_run(make: Callable[..., Any], hook: str) -> None:
    def spoil(t: float, y: Any) -> float:
        y[0] = 7.0
        return 1.0

    if make is np.array:
        with pytest.raises(ValueError, match="read-only"):
            expint.solve_ivp(fresh, (0, 0.4), Y0, linear=-1.0, **{hook: spoil})
    else:
        spoilt = expint.solve_ivp(fresh, (0, 0.4), make(Y0), linear=-1.0, **{hook: spoil})
        np.testing.assert_array_equal(spoilt.y_end, expint.solve_ivp(fresh, (0, 0.4), make(Y0), linear=-1.0).y_end)


def jacobian(t: float, y: np.ndarray) -> np.ndarray:
    return np.diag(2 * (1 + 0.3 * t) * y - 1)


@pytest.mark.parametrize("options", [{}, {"step": 0.05}])
def test_a_jacobian_may_write_into_one_array(options: dict[str, float]) -> None:
    kept = np.zeros((3, 3))

    def reused(t: float, y: np.ndarray) -> np.ndarray:
        kept[:] = jacobian(t, y)
        return kept

    def along(t: float, y: np.ndarray, v: np.ndarray) -> np.ndarray:
        kept[0] = jacobian(t, y) @ v
        return kept[0]

    options = {"method": "exprb43", **options}
    expected = outcome(fresh, Y0, jac=jacobian, **options)
    got = outcome(fresh, Y0, jac=reused, **options)
    np.testing.assert_array_equal(got[0], expected[0])
    by_products = outcome(fresh, Y0, jac=Product(lambda t, y, v: jacobian(t, y) @ v), **options)
    np.testing.assert_array_equal(outcome(fresh, Y0, jac=Product(along), **options)[0], by_products[0])


class Shared(LinearOperator):
    """Products with the matrix that was set last."""

    def __init__(self, matrix: np.ndarray) -> None:
        super().__init__(float, matrix.shape)
        self.matrix = matrix

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        return self.matrix @ v


@pytest.mark.parametrize("method", ["exprb43", "pexprb54s4", "rosenbrock-ladder5"])
@pytest.mark.parametrize("one_object", [True, False])
def test_an_operator_that_jac_changes_later_is_between_the_steps_what_it_was(method: str, one_object: bool) -> None:
    kept = Shared(np.zeros((3, 3)))

    def reused(t: float, y: np.ndarray) -> LinearOperator:
        kept.matrix = jacobian(t, y)
        return kept if one_object else LinearOperator((3, 3), matvec=lambda v: kept.matrix @ v, dtype=float)

    def crosses(t: float, y: np.ndarray) -> float:
        return y[0] - 0.9

    options: dict[str, Any] = {"method": method, "rtol": 1e-8, "dense_output": True, "events": crosses}
    expected = expint.solve_ivp(fresh, (0, 0.4), Y0, jac=lambda t, y: Shared(jacobian(t, y)), **options)
    got = expint.solve_ivp(fresh, (0, 0.4), Y0, jac=reused, **options)
    times = np.linspace(0.0, 0.4, 33)
    np.testing.assert_array_equal(got.sol(times), expected.sol(times))
    np.testing.assert_array_equal(got.t_events, expected.t_events)


def test_products_and_flows_may_use_their_memory_again() -> None:
    buffers, calls = [np.zeros(3), np.zeros(3)], [0]
    matrix = np.array([[-2.0, 1.0, 0.0], [1.0, -2.0, 1.0], [0.0, 1.0, -2.0]])

    def alternating(v: np.ndarray) -> np.ndarray:
        calls[0] += 1
        return np.matmul(matrix, v, out=buffers[calls[0] % 2])

    one, other = (outcome(fresh, Y0, linear=MatrixFree(f, 3)) for f in (alternating, lambda v: matrix @ v))
    np.testing.assert_array_equal(one[0], other[0])

    def flow(t: float, tau: float, y: np.ndarray) -> np.ndarray:
        buffers[0][:] = y / (1 - tau * y)
        return buffers[0]

    grid, strang = np.linspace(0, 1, 11), expint.method("blanes-moan4")
    reused = expint.run_splitting(strang, -1.0, flow, Y0, grid)
    np.testing.assert_array_equal(
        reused.y, expint.run_splitting(strang, -1.0, lambda t, tau, y: y / (1 - tau * y), Y0, grid).y
    )
    with pytest.raises(ValueError, match="read-only"):
        expint.run_splitting(strang, -1.0, lambda t, tau, y: np.multiply(y, 2, out=y), Y0, grid)


def test_a_solution_does_not_follow_the_array_from_which_it_began() -> None:
    start = Y0.copy()
    solution = expint.solve_ivp(fresh, (0, 0.4), start, linear=-1.0, dense_output=True)
    before = solution.sol(1e-3)
    start[:] = 9.0
    np.testing.assert_array_equal(solution.sol(1e-3), before)


def test_only_new_arrays_are_taken_without_a_copy() -> None:
    kept: list[np.ndarray] = []
    made = ask(lambda: np.ones(3))
    assert made.flags.owndata
    assert not np.shares_memory(ask(lambda: kept.append(np.ones(3)) or kept[-1]), kept[0])
    assert not np.shares_memory(ask(lambda: kept[0][::-1]), kept[0])
    view = lent(made)
    assert np.shares_memory(view, made)
    assert not view.flags.writeable
    assert made.flags.writeable
