"""Pictures: what is drawn is what was given; what cannot be drawn is refused."""

import builtins
import sys

import matplotlib as mpl
import numpy as np
import pytest

import expint
import expint.plot
from expint.study import Cell, Study

mpl.use("Agg")
import matplotlib.pyplot as plt


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_a_space_time_plot_shows_the_values_on_the_grid() -> None:
    problem = expint.problems.burgers(n=16)
    solution = expint.solve(problem, "etd2rk", step=0.25)
    ax = expint.plot.space_time(solution, problem)
    (mesh,) = ax.collections
    assert np.array_equal(np.asarray(mesh.get_array()).reshape(5, 16), problem.physical(solution.y))
    ax.figure.canvas.draw()


def test_a_problem_without_a_grid_has_no_space_time_plot() -> None:
    problem = expint.problems.riccati()
    with pytest.raises(ValueError, match="one-dimensional grid"):
        expint.plot.space_time(expint.solve(problem, "etd2rk", step=0.2), problem)


def test_a_field_is_drawn_as_it_is() -> None:
    values = np.arange(6.0).reshape(2, 3)
    ax = expint.plot.field(values, title="six")
    assert np.array_equal(ax.images[0].get_array(), values)
    with pytest.raises(ValueError, match="take one component"):
        expint.plot.field(np.zeros((2, 3, 4)))


def test_an_animation_draws_every_frame(tmp_path) -> None:
    frames, drawn = [np.full((2, 2), value) for value in (1.0, 2.0, 3.0)], []

    def draw(frame, ax) -> None:
        drawn.append(frame[0, 0])
        expint.plot.field(frame, ax)

    film = expint.plot.animation(frames, draw, fps=5)
    film.save(tmp_path / "film.gif", writer="pillow")
    assert (tmp_path / "film.gif").read_bytes().startswith(b"GIF")
    assert {1.0, 2.0, 3.0} <= set(drawn)
    with pytest.raises(ValueError, match="at least one frame"):
        expint.plot.animation([], draw)


@pytest.mark.parametrize("order", [-3, -1, 1, 4])
def test_a_triangle_has_the_slope_it_says(order: int) -> None:
    _, ax = plt.subplots()
    expint.plot.order_triangle(ax, order, 0.1, 0.4, 2.0)
    corners = ax.patches[0].get_xy()[:2]
    slope = np.diff(np.log(corners[:, 1])) / np.diff(np.log(corners[:, 0]))
    assert slope[0] == pytest.approx(order)
    assert ax.texts[0].get_text() == str(order)


def test_triangles_stand_below_the_curve_of_their_slope() -> None:
    h = np.array([0.1, 0.05, 0.025, 0.0125])
    ax = expint.plot.curves({"one": (h, h), "four": (h, 1e-3 * h**4)}, orders=[1, 4])
    for patch, (scale, order) in zip(ax.patches, ((1, 1), (1e-3, 4)), strict=True):
        x, y = patch.get_xy()[:2].T
        assert np.all(y < scale * x**order)
        assert np.all(y > 0.2 * scale * x**order)
    ax.figure.canvas.draw()


def test_points_that_logarithms_cannot_show_are_left_out() -> None:
    ax = expint.plot.curves({"some": ([1, 2, 3, 4], [1.0, np.nan, np.inf, 0.0]), "none": ([1], [-1.0])})
    (line,) = ax.get_lines()
    assert line.get_xydata().tolist() == [[1.0, 1.0]]
    with pytest.raises(ValueError, match="positive finite points"):
        expint.plot.curves({"none": ([1], [0.0])})


def test_a_study_is_drawn_over_steps_or_calls() -> None:
    study = Study(tuple(Cell("p", "m", h, h**2, int(4 / h), 1, 0.1) for h in (0.1, 0.2)), "step")
    assert expint.plot.study(study, "p").get_xlabel() == "step"
    line = expint.plot.study(study, "p", over="calls").get_lines()[0]
    assert line.get_xdata().tolist() == [20, 40]
    with pytest.raises(ValueError, match="one of the problems"):
        expint.plot.study(study, "q")
    with pytest.raises(ValueError, match="expected over"):
        expint.plot.study(study, "p", over="time")


def test_without_matplotlib_the_install_line_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def missing(name: str, *args: object, **options: object) -> object:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return original(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot")
    with pytest.raises(ImportError, match=r'pip install "expint\[plot\]"'):
        expint.plot.pyplot()
