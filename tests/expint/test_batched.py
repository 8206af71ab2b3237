"""Batches: every trajectory of ``solve_ivp(…, batched=True)`` is what it is alone, whatever its neighbours do."""

import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

import expint
from expint.operators import BlockDiagonal, Dense, Diagonal, Sparse
from expint.run.control import Controller
from expint.run.control.many import EachPolicy
from expint.run.control.steps import StepPolicy, Steps
from expint.run.steppers.batched import is_batched
from expint.solution import Status
from expint.solutions import Solutions

RNG = np.random.default_rng(19)
COUNT = 6
Y0 = RNG.standard_normal((COUNT, 3))
RATES = -np.exp(RNG.uniform(math.log(3), math.log(3e3), (COUNT, 3)))
TURNS = RNG.standard_normal((COUNT, 3, 3))
MATRICES = TURNS - np.swapaxes(TURNS, 1, 2) - np.exp(RNG.uniform(0, 4, (COUNT, 1, 1))) * np.eye(3)
SIDE_BY_SIDE = [name for name in expint.method_names() if is_batched(expint.method(name))]
CURRENT = ("etd34", "expint43", "lawson-dormand-prince54")


def force(t: Any, y: Any) -> Any:
    return np.sin(3 * y) + np.cos(4 * t)


LINEAR: dict[str, tuple[Any, Callable[[int], Any]]] = {
    "a number": (-40.0, lambda i: -40.0),
    "one symbol": (RATES[0], lambda i: RATES[0]),
    "symbols": (RATES, lambda i: RATES[i]),
    "one matrix": (MATRICES[0], lambda i: MATRICES[0]),
    "matrices": (MATRICES, lambda i: MATRICES[i]),
    "a list of symbols": ([Diagonal(own) for own in RATES], lambda i: RATES[i]),
    "a list of matrices": ([Dense(own) for own in MATRICES], lambda i: MATRICES[i]),
}


def alone(i: int, linear: Any, n: Callable[..., Any] = force, **options: Any) -> expint.Solution:
    span = options.pop("t_span", (0.0, 2.0))
    found = expint.solve_ivp(n, span, Y0[i], linear=linear, **options)
    assert isinstance(found, expint.Solution)
    return found


def together(linear: Any, n: Any = force, y0: Any = Y0, **options: Any) -> Solutions:
    span = options.pop("t_span", (0.0, 2.0))
    found = expint.solve_ivp(n, span, y0, linear=linear, batched=True, **options)
    assert isinstance(found, Solutions)
    return found


def assert_same(one: expint.Solution, other: expint.Solution) -> None:
    assert one.status == other.status
    assert (one.stats.steps, one.stats.rejected, one.nfev) == (other.stats.steps, other.stats.rejected, other.nfev)
    np.testing.assert_allclose(one.t, other.t, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(one.y, other.y, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("kind", LINEAR)
def test_trajectories_are_what_solve_ivp_makes_of_each_whatever_the_kind_of_l(kind: str) -> None:
    linear, own = LINEAR[kind]
    found = together(linear, method="expint43", rtol=1e-5)
    assert "one after the other" not in found.remark
    for i in range(COUNT):
        assert_same(found[i], alone(i, own(i), method="expint43", rtol=1e-5))


@pytest.mark.parametrize("method", SIDE_BY_SIDE)
def test_trajectories_are_what_solve_ivp_makes_of_each_by_every_pair(method: str) -> None:
    rates = np.maximum(RATES, -60.0)  # those of Lawson follow every rate of decay
    found = together(rates, method=method, rtol=1e-4, t_span=(0.0, 1.0))
    for i in range(COUNT):
        assert_same(found[i], alone(i, rates[i], method=method, rtol=1e-4, t_span=(0.0, 1.0)))


@pytest.mark.parametrize("kind", LINEAR)
@pytest.mark.parametrize("method", CURRENT)
def test_no_bit_of_a_trajectory_depends_on_its_neighbours(kind: str, method: str) -> None:
    linear, _ = LINEAR[kind]
    rates = kind in ("symbols", "one symbol")
    linear = np.maximum(linear, -60.0) if rates and method.startswith("lawson") else linear
    options: dict[str, Any] = {"method": method, "rtol": 1e-4, "t_eval": [0.1, 0.77, 2.0]}
    whole = together(linear, **options)
    for chosen in ([2], [5, 0, 3, 1]):
        part = linear if kind in ("a number", "one symbol", "one matrix") else [linear[i] for i in chosen]
        part = np.array(part) if isinstance(linear, np.ndarray) else part
        few = together(part, y0=Y0[chosen], **options)
        assert np.array_equal(few.y, whole.y[chosen])
        assert np.array_equal(few.nfev, whole.nfev[chosen])


def test_a_thousand_trajectories_have_the_bits_of_each_alone() -> None:
    rates = -np.exp(np.random.default_rng(1).uniform(2, 9, (1000, 2)))
    y0 = np.random.default_rng(2).standard_normal((1000, 2))
    whole = together(rates, y0=y0, rtol=1e-4)
    assert whole.success.all()
    for i in (0, 499, 999):
        assert np.array_equal(together(rates[i : i + 1], y0=y0[i : i + 1], rtol=1e-4).y_end[0], whole.y_end[i])


@pytest.mark.parametrize("method", CURRENT)
def test_states_between_the_steps_are_those_of_solve_ivp(method: str) -> None:
    rates, times = np.maximum(RATES, -300.0), np.linspace(0.0, 2.0, 13)
    found = together(rates, method=method, rtol=1e-5, t_eval=times, dense_output=True)
    assert found.y.shape == (COUNT, 13, 3)
    for i in range(COUNT):
        own = alone(i, rates[i], method=method, rtol=1e-5, t_eval=times, dense_output=True)
        np.testing.assert_allclose(found.y[i], own.y, rtol=1e-10, atol=1e-11)
        assert np.array_equal(found[i].t, times)
        assert found.sols is not None
        assert own.sol is not None
        np.testing.assert_allclose(found.sols[i](1.234), own.sol(1.234), rtol=1e-10, atol=1e-11)


def test_landing_gives_what_it_gives_alone() -> None:
    found = together(RATES, method="etd34", rtol=1e-5, t_eval=[0.3, 1.0, 2.0], land=True)
    for i in range(COUNT):
        assert_same(found[i], alone(i, RATES[i], method="etd34", rtol=1e-5, t_eval=[0.3, 1.0, 2.0], land=True))


def crossing(t: float, y: Any) -> Any:
    return y[0] - 0.2


def leaving(t: float, y: Any) -> Any:
    return y[1] - 0.4


leaving.terminal = True


@pytest.mark.parametrize("times", [None, [0.5, 1.5]])
def test_events_are_those_of_each_trajectory(times: Any) -> None:
    slow = RATES / 1000 - 0.5
    options: dict[str, Any] = {"method": "expint43", "rtol": 1e-6, "events": [crossing, leaving], "t_eval": times}
    found = together(slow, **options)
    assert set(found.status.tolist()) == {Status.SUCCESS, Status.TERMINATED}
    for i in range(COUNT):
        own = alone(i, slow[i], **options)
        assert_same(found[i], own)
        assert found[i].message == own.message
        assert found.t_events is not None
        assert own.t_events is not None
        assert own.y_events is not None
        for mine, theirs in zip(found.t_events[i], own.t_events):
            np.testing.assert_allclose(mine, theirs, rtol=1e-12)
        assert found.y_events is not None
        assert len(found.y_events[i][0]) == len(own.y_events[0])


def test_every_trajectory_has_a_span_of_its_own_forwards_or_backwards() -> None:
    ends = np.array([1.0, 2.0, 0.5, -1.0, 3.0, -0.25])
    found = together(RATES / 1000, method="expint43", rtol=1e-6, t_span=(0.0, ends))
    assert np.array_equal(found.t_end, ends)
    for i in range(COUNT):
        assert_same(found[i], alone(i, RATES[i] / 1000, method="expint43", rtol=1e-6, t_span=(0.0, ends[i])))
    for times in ([-0.25], [-0.1], [0.0, -0.2]):
        back = together(RATES / 1000, method="etd34", t_span=(0.0, -0.25), t_eval=times)
        own = alone(3, RATES[3] / 1000, method="etd34", t_span=(0.0, -0.25), t_eval=times)
        np.testing.assert_allclose(back.y[3], own.y, rtol=1e-10)
    starts = np.linspace(0.0, 1.0, COUNT)
    times = starts[:, None] + [0.25, 0.5]
    found = together(RATES, method="etd34", t_span=(starts, 2.0), t_eval=times)
    for i in range(COUNT):
        own = alone(i, RATES[i], method="etd34", t_span=(starts[i], 2.0), t_eval=times[i])
        np.testing.assert_allclose(found.y[i], own.y, rtol=1e-10, atol=1e-11)


def test_pulses_and_states_of_zero_are_met_as_alone() -> None:
    def pulses(t: Any, y: Any) -> Any:
        return 40 * np.exp(-(((t - 1.3) / 0.02) ** 2)) + 0 * y

    y0 = np.where(np.arange(COUNT)[:, None] % 2, Y0, 0.0)
    found = together(-2.0, pulses, y0, method="expint43", rtol=1e-6)
    for i in range(COUNT):
        own = expint.solve_ivp(pulses, (0.0, 2.0), y0[i], linear=-2.0, method="expint43", rtol=1e-6)
        assert_same(found[i], own)
    quiet = together(-2.0, lambda t, y: 0.0 * y, Y0, method="expint43")
    assert quiet[0].stats.steps == alone(0, -2.0, lambda t, y: 0.0 * y, method="expint43").stats.steps


def test_a_trajectory_that_fails_ends_alone_with_its_own_status() -> None:
    def wild(t: Any, y: Any, kind: Any) -> Any:
        growth = np.where(kind == 1, y**2, 0.0)  # reaches infinity at t = 1
        hole = np.where((kind == 2) & (t > 0.5), np.nan, 0.0)
        long = np.where(kind == 3, 1e5 * np.cos(1e5 * t), 0.0)
        return growth + hole + long

    kind, y0 = np.array([[0.0], [1.0], [2.0], [3.0]]), np.ones((4, 1))
    found = together(0.0, wild, y0, method="expint43", rtol=1e-4, args=(kind,), max_steps=500)
    assert found.status.tolist() == [
        Status.SUCCESS,
        Status.STEP_TOO_SMALL,
        Status.STEP_TOO_SMALL,
        Status.TOO_MANY_STEPS,
    ]
    for i in range(4):
        own = expint.solve_ivp(
            lambda t, y, i=i: wild(t, y, kind[i]),
            (0, 2),
            y0[i],
            linear=0.0,
            method="expint43",
            rtol=1e-4,
            max_steps=500,
        )
        assert found[i].status == own.status
        assert found[i].message.split(" t = ")[0] == own.message.split(" t = ")[0]
        np.testing.assert_allclose(found.t_end[i], own.t[-1], rtol=1e-4)
    assert found[0].stats.steps < 40  # its neighbours cost it nothing
    nan_at_start = together(0.0, lambda t, y, k: np.where(k == 1, np.nan, -y), y0, method="etd34", args=(kind,))
    assert nan_at_start.status.tolist() == [0, Status.NON_FINITE, 0, 0]


def test_what_a_failed_trajectory_did_not_reach_is_nan() -> None:
    found = together(0.0, lambda t, y: y**2, [[1.0], [0.1]], method="expint43", t_eval=[0.5, 1.5])
    assert np.isfinite(found.y[1]).all()
    assert np.isfinite(found.y[0, 0])
    assert np.isnan(found.y[0, 1])
    assert found[0].t[0] == 0.5
    assert 0.99 < found[0].t[-1] <= 1.0001


def test_n_is_told_the_rows_of_those_that_run() -> None:
    shapes: set[tuple[int, ...]] = set()

    def told(t: Any, y: Any, row: Any, name: str) -> Any:
        assert t.shape == (len(y), 1)
        assert row.shape == y.shape
        assert name == "all"
        assert not y.flags.writeable
        shapes.add(y.shape)
        return row * np.cos(t)

    rows = np.arange(3.0 * COUNT).reshape(COUNT, 3)
    ends = np.linspace(0.1, 2.0, COUNT)
    found = together(RATES, told, args=(rows, "all"), t_span=(0.0, ends), method="etd34", max_step=0.05)
    assert len({shape[0] for shape in shapes}) > 3  # those that are done are told no more
    for i in range(COUNT):
        own = alone(
            i, RATES[i], lambda t, y, i=i: rows[i] * np.cos(t), t_span=(0.0, ends[i]), method="etd34", max_step=0.05
        )
        np.testing.assert_allclose(found.y_end[i], own.y_end, rtol=1e-11)


def test_blocks_and_complex_states_and_scalars_run_side_by_side() -> None:
    k = np.arange(1.0, 5.0)
    blocks = [BlockDiagonal([[0 * k, 1 + 0 * k], [-(k**2) * (1 + i), -0.1 * k]]) for i in range(3)]
    y0 = np.random.default_rng(3).standard_normal((3, 2, 4))
    for linear in (blocks, blocks[1]):
        found = together(linear, lambda t, y: 0.1 * np.tanh(y), y0, method="etd34", t_span=(0, 1))
        assert "one after the other" not in found.remark
        for i in range(3):
            own = linear[i] if isinstance(linear, list) else linear
            one = expint.solve_ivp(lambda t, y: 0.1 * np.tanh(y), (0, 1), y0[i], linear=own, method="etd34")
            assert_same(found[i], one)
    waves = together(1j * RATES / 100, lambda t, y: 1j * abs(y) ** 2 * y, Y0 + 0j, method="expint43", t_span=(0, 1))
    for i in range(COUNT):
        own = expint.solve_ivp(
            lambda t, y: 1j * abs(y) ** 2 * y, (0, 1), Y0[i] + 0j, linear=1j * RATES[i] / 100, method="expint43"
        )
        assert_same(waves[i], own)
    scalars = together(RATES[:, 0], force, Y0[:, 0], method="expint43")
    assert scalars.y_end.shape == (COUNT,)
    exact = expint.solve_ivp(force, (0.0, 2.0), Y0[2, 0], linear=RATES[2, 0], method="expint43")
    np.testing.assert_allclose(scalars.y_end[2], exact.y_end, rtol=1e-11)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"method": "pece4", "linear": RATES}, "pece4"),
        ({"method": "exprb43"}, "without a fixed L"),
        ({"method": "krogstad4", "error": "doubling", "linear": RATES}, "krogstad4"),
        ({"method": "expint43", "linear": Sparse(csr_array(np.diag([-1.0, -20.0, -300.0])))}, "operators"),
    ],
    ids=["order", "linearises", "doubling", "sparse"],
)
def test_what_cannot_run_side_by_side_runs_one_after_the_other_and_says_so(options: Any, why: str) -> None:
    options = dict(options)
    linear = options.pop("linear", None)
    options |= {"rtol": 1e-4, "t_eval": [0.1, 0.2], "t_span": (0.0, 0.2)}
    found = together(linear, force, **options)
    assert "one after the other" in found.remark
    assert why in found.remark
    assert found.remark in found[0].message
    for i in range(COUNT):
        own = linear[i] if isinstance(linear, np.ndarray) else linear
        assert np.array_equal(alone(i, own, **options).y, found.y[i])
    assert np.array_equal(found.y_end, found.y[:, -1])


@pytest.mark.parametrize("method", ["expint43", "pece4"])
def test_the_end_is_known_whatever_is_asked_for(method: str) -> None:
    slow = RATES / 1000 - 0.5
    options: dict[str, Any] = {"method": method, "rtol": 1e-6}
    plain = together(slow, **options)
    asked = together(slow, t_eval=[0.5], **options)
    assert asked.t_end.tolist() == [2.0] * COUNT
    np.testing.assert_allclose(asked.y_end, plain.y_end, rtol=1e-12)
    assert asked.y.shape == (COUNT, 1, 3)
    assert asked[0].t.tolist() == [0.5]
    stopped = together(slow, t_eval=[0.5], events=leaving, **options)
    ended = stopped.status == Status.TERMINATED
    assert ended.any()
    np.testing.assert_allclose(stopped.y_end[ended, 1], 0.4, rtol=1e-9)
    assert [stopped.t_events[i][0][-1] for i in np.flatnonzero(ended)] == stopped.t_end[ended].tolist()


def test_an_exception_in_one_of_several_brings_those_before_it() -> None:
    def breaks(t: Any, y: Any, which: Any) -> Any:
        if which[0] == 3:
            raise RuntimeError("the fourth")
        return -y

    with pytest.raises(RuntimeError, match="the fourth") as caught:
        together(None, breaks, method="exprb43", args=(np.arange(COUNT),))
    assert len(caught.value.solution) in (3, 4)


def test_a_jacobian_of_all_serves_each() -> None:
    found = together(None, lambda t, y: -(y**3), jac=lambda t, y: -3 * y[..., None] ** 2 * np.eye(3), method="exprb43")
    for i in range(COUNT):
        own = alone(i, None, lambda t, y: -(y**3), jac=lambda t, y: -3 * np.diag(y**2), method="exprb43")
        np.testing.assert_allclose(found.y_end[i], own.y_end, rtol=1e-12)


def test_a_batch_of_none_is_solved() -> None:
    found = together(-1.0, y0=np.empty((0, 3)), t_eval=[1.0, 2.0])
    assert len(found) == 0
    assert list(found) == []
    assert found.y.shape == (0, 2, 3)
    assert found.y_end.shape == (0, 3)
    assert "0 trajectories" in repr(found)
    assert together(np.empty((0, 3)), y0=np.empty((0, 3))).t == []


def test_tolerances_are_those_of_each() -> None:
    found = together(RATES, method="expint43", rtol=np.logspace(-3, -8, COUNT)[:, None], atol=1e-9)
    for i in range(COUNT):
        assert_same(found[i], alone(i, RATES[i], method="expint43", rtol=np.logspace(-3, -8, COUNT)[i], atol=1e-9))
    for options in ({"norm": "max"}, {"norm": lambda e: float(np.max(e))}, {"atol": 1e-3}, {"first_step": 1e-3}):
        found = together(RATES, method="etd34", max_step=0.25, **options)
        for i in range(COUNT):
            assert_same(found[i], alone(i, RATES[i], method="etd34", max_step=0.25, **options))


def test_solutions_are_a_sequence_that_can_be_pickled() -> None:
    found = together(RATES, method="etd34", t_eval=[1.0, 2.0])
    copy = pickle.loads(pickle.dumps(found))
    assert len(copy) == COUNT
    assert np.array_equal(copy.y, found.y)
    assert [own.stats.steps for own in copy] == found.stats.steps.tolist()
    assert len(found[1:3]) == 2
    assert found[-1].t.tolist() == [1.0, 2.0]
    assert "6 success" in repr(found)
    assert found.t.shape == (COUNT, 2)
    dense = together(
        RATES, lambda t, y: np.sin(y), method="etd34", dense_output=True
    )  # N cannot be sent, its values can
    again = pickle.loads(pickle.dumps(dense))
    assert np.array_equal(again[4].sol(0.3), dense[4].sol(0.3))
    with pytest.raises(IndexError):
        found[COUNT]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no axis of trajectories": ({"y0": 1.0, "linear": -1.0}, "first axis counts"),
    "symbols of another batch": ({"linear": RATES[:4]}, "broadcasts to the state"),
    "matrices of another batch": ({"linear": MATRICES[:4]}, "broadcasts to the state"),
    "a symbol that may be a matrix": ({"y0": np.ones((3, 3)), "linear": -np.ones((3, 3))}, "say which"),
    "few operators": ({"linear": [Diagonal(RATES[0])] * 2}, "one operator for each"),
    "spans of another batch": ({"t_span": (0.0, [1.0, 2.0])}, "a number for each of the 6"),
    "an empty span": ({"t_span": (0.0, np.array([1.0, 0, 1, 1, 1, 1]))}, "two different finite times"),
    "times of another batch": ({"t_eval": np.ones((2, 2))}, r"t_eval of shape \(m,\)"),
    "times outside a span": ({"t_span": (0.0, np.linspace(1, 2, 6)), "t_eval": [1.5]}, "t_eval within"),
    "arguments of another batch": ({"args": (np.ones(4),)}, "a row for each of the 6"),
    "fixed steps": ({"step": 0.1}, "share their steps"),
    "a callback": ({"callback": print}, "no time is common"),
    "a checkpoint": ({"checkpoint": "run.npz"}, "no trajectory depends on another"),
    "breakpoints": ({"breakpoints": [1.0]}, "piece by piece"),
    "no estimate": ({"method": "krogstad4"}, "error estimate"),
    "a tight tolerance": ({"rtol": 1e-17}, "rtol of at least"),
    "no method": ({"method": None}, "name of expint.method_names"),
    "one time": ({"t_eval": 1.0}, r"t_eval of shape \(m,\)"),
    "half a step": ({"max_steps": 2.5}, "whole number"),
    "no number of steps": ({"max_steps": np.ones(3)}, "max_steps to be a real number"),
    "a Jacobian of nothing": ({"jac": lambda t, y: None, "linear": None, "method": "exprb43"}, "jac"),
    "steps of nothing": ({"max_step": 0.0}, "max_step > 0"),
    "a value of another shape": ({"n": lambda t, y: y[:, :1]}, "that of y, received"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_makes_no_sense_for_a_batch_is_refused(case: str) -> None:
    options, words = WRONG[case]
    given = {"linear": -1.0, **options} if "n" not in options else {"linear": RATES, **options}
    with pytest.raises((ValueError, TypeError), match=words):
        together(**given)


def test_an_exception_brings_what_was_reached() -> None:
    def breaks(t: Any, y: Any) -> Any:
        if np.any(t > 1.0):
            raise RuntimeError("too late")
        return np.cos(t) + 0 * y

    with pytest.raises(RuntimeError, match="too late") as caught:
        together(RATES, breaks, method="etd34", t_eval=[0.5])
    found = caught.value.solution
    assert set(found.status.tolist()) <= {Status.RAISED, Status.SUCCESS}
    assert (found.t_end > 0).all()


def in_library(name: str, dtype: str) -> tuple[Any, Callable[[Any], Any]]:
    library = pytest.importorskip("jax.numpy" if name == "jax" else name)
    return library, lambda values: library.asarray(values, dtype=getattr(library, dtype))


@pytest.mark.parametrize(("name", "dtype"), [("torch", "float64"), ("torch", "float32")])
@pytest.mark.parametrize("kind", ["symbols", "matrices"])
def test_other_libraries_give_the_same_and_no_bit_depends_on_neighbours(name: str, dtype: str, kind: str) -> None:
    library, array = in_library(name, dtype)
    linear = {"symbols": RATES, "matrices": MATRICES}[kind]

    def own_force(t: Any, y: Any) -> Any:
        assert t.shape == (y.shape[0], 1)
        assert t.dtype == y.dtype
        return library.sin(3 * y) + library.cos(4 * t)

    options: dict[str, Any] = {"method": "etd34", "rtol": 1e-4, "t_eval": [0.7, 1.0], "t_span": (0.0, 1.0)}
    found = together(array(linear), own_force, array(Y0), **options)
    assert found.y.dtype == array(Y0).dtype
    plain = together(linear, **options)
    np.testing.assert_allclose(np.asarray(found.y), plain.y, rtol=0, atol=1e-12 if dtype == "float64" else 3e-4)
    one = together(array(linear[2:3]), own_force, array(Y0[2:3]), **options)
    assert np.array_equal(np.asarray(one.y[0]), np.asarray(found.y[2]))


def test_jax_gives_the_same() -> None:
    library, array = in_library("jax", "float32")
    options: dict[str, Any] = {"method": "etd34", "rtol": 1e-2, "t_span": (0.0, 0.02), "first_step": 0.01}

    def own_force(t: Any, y: Any) -> Any:
        return library.sin(3 * y) + library.cos(4 * t)

    found = together(array(RATES[:2]), own_force, array(Y0[:2]), **options)
    plain = together(RATES[:2], y0=Y0[:2], **options)
    np.testing.assert_allclose(np.asarray(found.y_end), plain.y_end, rtol=0, atol=1e-4)
    assert np.array_equal(found.nfev, plain.nfev)


def test_gradients_of_torch_flow_through_the_steps_of_each() -> None:
    torch = pytest.importorskip("torch")
    y0 = torch.asarray(Y0)

    def total(p: Any, y: Any, rtol: float) -> Any:
        def pull(t: Any, y: Any) -> Any:
            return torch.sin(p * y) + torch.cos(4 * t)

        return together(RATES, pull, y, method="etd34", rtol=rtol, t_eval=[0.3, 1.0], t_span=(0.0, 1.0)).y.sum()

    p, y = torch.tensor(1.3, dtype=torch.float64, requires_grad=True), y0.clone().requires_grad_(True)
    total(p, y, 1e-6).backward()
    with torch.no_grad():
        slope = (total(1.3 + 1e-4, y0, 1e-8) - total(1.3 - 1e-4, y0, 1e-8)) / 2e-4
    assert float(p.grad) == pytest.approx(float(slope), rel=1e-4)
    assert y.grad.abs().max() > 0.1


def test_the_policy_decides_for_each_as_that_of_one_does() -> None:
    rng, count, span = np.random.default_rng(4), 200, 3.0
    for rungs, control in ((8, Controller()), (2, Controller((0.49, -0.34, 0.1)))):
        each = EachPolicy(control, 3, np.full(count, span), rungs, 0.8, np.full(count, 0.2))
        one = StepPolicy(control, 3, span, rungs, 0.8, at_rest=0.2)
        which, state = np.arange(count), each.begin(np.arange(count), None, lambda power: rng.uniform(1e-4, 1, count))
        alone = [Steps(float(h), 3, 0.0, (1.0, 1.0, 1.0)) for h in state.h]
        for turn in range(12):
            state, alone = each.prepare(which, state), [one.prepare(own) for own in alone]
            h = state.h * rng.choice([1.0, 1.0, 0.6], count)  # some are shortened to land
            error = 10.0 ** rng.uniform(-12, 0, count) if turn % 4 else 10.0 ** rng.uniform(0, 3, count)
            error[0] = np.inf if turn % 4 == 0 else 0.0
            state = each.accepted(state, h, error) if turn % 4 else each.rejected(state, h, error)
            decide = one.accepted if turn % 4 else one.rejected
            rest = (lambda order: math.nan, 1.0) if turn % 4 else (lambda order: math.nan,)
            alone = [decide(own, float(h[i]), float(error[i]), 3, *rest) for i, own in enumerate(alone)]
            if turn % 3 == 0:
                state, alone = each.watchful(which, state), [one.watchful(own) for own in alone]
            np.testing.assert_allclose(state.h, [own.h for own in alone], rtol=1e-13)
            np.testing.assert_allclose(state.previous, [own.previous for own in alone], rtol=1e-13)
            alone = [own._replace(h=float(h), previous=float(p)) for own, h, p in zip(alone, state.h, state.previous)]
