"""The comparison with other solvers, as far as it needs neither them nor a network."""

import math
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.contest import Answer, Choice, Point, Solver, Task, choose, table, time_in_turn, walk
from benchmarks.peers.environment import OURS, PEERS, REQUIREMENTS, install, surroundings
from benchmarks.peers.forms import real_form
from benchmarks.peers.scipy_solvers import solvers
from benchmarks.work_precision import PROBLEMS, by_hand, diagonal, etdrk4, ours, task, values

TASK = Task("a number", np.array([1.0]))


def solver(order: int, name: str = "ours", parameter: str = "steps", limit: int = 13) -> Solver:
    """Return a solver whose error is steps^-order."""

    def prepare(steps: float) -> Callable[[], Answer]:
        return lambda: Answer(np.array([1 + steps**-order]), int(steps))

    return Solver(name, parameter, [2.0**k for k in range(1, limit)], prepare)


@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize("target", [1e-2, 3e-4])
def test_the_setting_found_is_nearly_the_cheapest_that_reaches_the_target(order: int, target: float) -> None:
    chosen = choose(solver(order), walk(solver(order), TASK, [target], patience=math.inf), target, TASK)
    if target ** (-1 / order) > 2**12:
        assert chosen.point is None
        return
    assert chosen.point is not None
    assert chosen.point.error <= target
    assert target ** (-1 / order) <= chosen.point.setting <= 1.1 * target ** (-1 / order) + 1


def test_one_walk_serves_several_targets() -> None:
    points = walk(solver(2), TASK, [1e-2, 1e-5])
    assert [point.setting for point in points] == sorted(point.setting for point in points)
    for target, least in ((1e-2, 10), (1e-5, 317)):
        point = choose(solver(2), points, target, TASK).point
        assert point is not None
        assert least <= point.setting <= 1.1 * least


def test_a_solver_that_raises_or_returns_nonsense_does_not_reach_the_target(capsys: pytest.CaptureFixture[str]) -> None:
    def raises(setting: float) -> Callable[[], Answer]:
        raise ArithmeticError("no convergence")

    failing = Solver("theirs", "rtol", [1e-3], raises)
    points = walk(failing, TASK, [1e-2])
    assert points[0].error == math.inf
    assert "theirs, rtol = 0.001: ArithmeticError: no convergence" in capsys.readouterr().out
    assert choose(failing, points, 1e-2, TASK).point is None
    assert TASK.error(np.array([np.nan])) == math.inf
    assert TASK.error(np.array([1.0, 2.0])) == math.inf
    assert TASK.error(np.array([0.9])) == pytest.approx(0.1)


def test_an_impatient_search_ends_early() -> None:
    assert len(walk(solver(1), TASK, [1e-9], patience=0.0)) == 1


def test_the_table_counts_time_in_units_of_the_first_solver() -> None:
    hand = Choice(solver(4, "by hand"), Point(100, 1e-5, "400", 0.001, 0.02), None, [0.03, 0.02])
    theirs = Choice(solver(4, "theirs", "rtol"), Point(1e-6, 2e-5, "70 + 3 J", 0.07, 0.01), None, [0.01])
    lost = Choice(solver(1, "lost"), None)
    assert table([hand, theirs, lost]).splitlines()[2:] == [
        "| by hand | 100 steps | 1e-05 | 400 | 1.0 | 20.0 | 1.00 | 1.05 |",
        "| theirs | rtol 1.0e-06 | 2e-05 | 70 + 3 J | 70.0 | 10.0 | 0.50 | 4.00 |",
        "| lost | not reached | | | | | | |",
    ]


def test_runs_are_repeated_in_turn() -> None:
    order: list[str] = []

    def recorded(name: str) -> Choice:
        return Choice(solver(1, name), Point(2, 0.0, "1", 0.0, 10.0), lambda: order.append(name))

    choices = [recorded("a"), Choice(solver(1, "lost"), None), recorded("b")]
    time_in_turn(choices, rounds=3)
    assert order == ["a", "b"] * 3
    assert [len(choice.times) for choice in choices] == [3, 0, 3]


@pytest.mark.parametrize("title", PROBLEMS)
def test_every_solver_is_given_the_same_equation(title: str) -> None:
    problem = PROBLEMS[title][0]()
    form = real_form(title, problem)
    np.testing.assert_allclose(form.values(form.y0), values(problem, problem.y0), atol=1e-12)
    linear, nonlinear, start, back = diagonal(problem)
    expected = values(problem, back(linear * start + nonlinear(0.0, start)))
    scale = np.max(np.abs(expected))
    np.testing.assert_allclose(form.values(form.f(0.0, form.y0)), expected, atol=1e-9 * scale)


@pytest.mark.parametrize(
    "title", ["KS, t = 30", "Allen–Cahn, t = 30", "NLS, breather, t = 2", "Brusselator, 200 unknowns, t = 10"]
)
def test_jacobians_given_to_the_peers_are_derivatives(title: str) -> None:
    form = real_form(title, PROBLEMS[title][0]())
    matrix = form.jacobian(0.0, form.y0)
    matrix = matrix.toarray() if hasattr(matrix, "toarray") else matrix
    direction = np.random.default_rng(0).normal(size=form.y0.shape)
    h = 1e-6
    difference = (form.f(0.0, form.y0 + h * direction) - form.f(0.0, form.y0 - h * direction)) / (2 * h)
    np.testing.assert_allclose(matrix @ direction, difference, rtol=0, atol=1e-6 * np.max(np.abs(difference)))
    if form.band:
        rows, columns = np.nonzero(matrix)
        assert np.max(np.abs(rows - columns)) == form.band


def test_all_solvers_agree_on_burgers() -> None:
    given, problem, t_end = task("Burgers, t = 1", 200)
    found = [ours(problem, t_end, "auto"), *solvers("Burgers, t = 1", problem, t_end)]
    assert [given.error(solver.prepare(1e-6)().values) < 1e-4 for solver in found] == [True] * 4
    assert given.error(by_hand(problem, t_end).prepare(100)().values) < 1e-6


@pytest.mark.parametrize("symbol", [-3.0, 3.0j])
def test_the_loop_by_hand_is_of_order_four_on_real_and_imaginary_spectra(symbol: complex) -> None:
    L, start = np.array([symbol]), np.array([1.0 + 0j])  # y' = Ly + y²: y = L / ((L/y0 + 1) e^{-Lt} - 1)
    exact = symbol / ((symbol + 1) * np.exp(-symbol) - 1)
    errors = [abs(etdrk4(L, lambda t, y: y**2, start, 1.0, n)()[0] - exact) for n in (20, 40)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(4, abs=0.3)


def requirements() -> list[str]:
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_every_peer_is_pinned() -> None:
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][A-Za-z0-9.]*", line) for line in requirements())
    pinned = {line.partition("==")[0].lower() for line in requirements()}
    assert {*OURS, *PEERS, "jax", "jaxlib"} <= pinned


class Recorder:
    """Stands in for the shell: remembers commands, and fails on those that end with one of some words."""

    def __init__(self, *failing: str) -> None:
        self.failing, self.commands = failing, []

    def __call__(self, command: Sequence[str]) -> int:
        self.commands.append(list(command))
        return int(command[-1] in self.failing)


def test_peers_are_installed_one_by_one_into_an_environment_of_their_own(tmp_path: Path) -> None:
    shell = Recorder("exponax")
    assert install(tmp_path / "apart", shell) == (["rkstiff", "diffrax"], ["exponax"])
    assert shell.commands[0] == [sys.executable, "-m", "venv", str(tmp_path / "apart")]
    for command in shell.commands[1:]:
        assert Path(command[0]).is_relative_to(tmp_path / "apart")
        assert str(REQUIREMENTS) in command
    assert [command[-1] for command in shell.commands[2:]] == list(PEERS)


def test_the_environment_in_use_is_never_touched(tmp_path: Path) -> None:
    shell = Recorder()
    with pytest.raises(ValueError, match="expected an environment apart, received the one in use"):
        install(Path(sys.prefix), shell)
    assert shell.commands == []
    with pytest.raises(RuntimeError, match="expected to make a virtual environment"):
        install(tmp_path, Recorder(str(tmp_path)))
    with pytest.raises(RuntimeError, match="expected to install numpy"):
        install(tmp_path, Recorder(OURS[-1]))


def test_the_peers_run_in_one_thread_with_this_checkout_on_their_path() -> None:
    found = surroundings()
    assert found["OMP_NUM_THREADS"] == "1"
    assert "intra_op_parallelism_threads=1" in found["XLA_FLAGS"]
    assert (Path(found["PYTHONPATH"]) / "expint" / "__init__.py").is_file()
