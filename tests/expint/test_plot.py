"""Pictures: what is drawn is what was given; what cannot be drawn is refused."""

import builtins
import sys
from typing import Any

import matplotlib as mpl
import matplotlib.path
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


def log_polygon(patch: Any) -> mpl.path.Path:
    return mpl.path.Path(np.log(patch.get_xy()))


@pytest.mark.parametrize("seed", range(40))
def test_triangles_cover_no_curve_and_no_other_triangle(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.geomspace(*np.sort(10.0 ** rng.uniform(-4, 1, 2) * [1, 3]), rng.integers(1, 7))
    orders = rng.choice([-4, -2, -1, 1, 2, 3, 4, 5], size=rng.integers(1, 5)).tolist()
    lines = {f"{k}": (x, 10.0 ** rng.uniform(-6, 0) * x**slope) for k, slope in enumerate([*orders, 1, 2])}
    lines["levels off"] = (x, np.maximum(1e-3 * x**2, 1e-5))
    ax = expint.plot.curves(lines, orders=sorted(set(orders)))
    polygons = [log_polygon(patch) for patch in ax.patches]
    assert len(polygons) == len(set(orders))
    for n, polygon in enumerate(polygons):
        for a, b in lines.values():
            points = np.stack([np.linspace(np.log(a[0]), np.log(a[-1]), 400)] * 2, axis=1)
            points[:, 1] = np.interp(points[:, 0], np.log(a), np.log(b))
            assert not polygon.contains_points(points).any()
        assert not any(polygon.intersects_path(other) for other in polygons[:n])
    plt.close("all")


@pytest.mark.parametrize(("low", "high"), [(0.0125, 0.1), (1e-3, 1e-2), (1e-5, 1.0), (20, 300), (3, 5)])
def test_the_ticks_of_an_axis_are_written_in_one_way(low: float, high: float) -> None:
    ax = expint.plot.curves({"some": (np.geomspace(low, high, 4), np.geomspace(1e-9, 1e-2, 4))})
    ax.figure.canvas.draw()
    for axis in (ax.xaxis, ax.yaxis):
        first, last = axis.get_view_interval()
        texts = [tick.label1.get_text() for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]]
        shown = [text for text in texts if text]
        assert shown
        assert len({"10^" in text for text in shown}) == 1, (shown, first, last)
    plt.close("all")


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
    with pytest.raises(ImportError, match="pip install matplotlib"):
        expint.plot.pyplot()


def own_solution(dimensions: int, boundary: str = "neumann", real: bool = True):
    grid = expint.Grid((12, 10)[:dimensions], (3.0, 2.0)[:dimensions], boundary=boundary, real=real)
    u0 = np.cos(np.pi * grid.x / 3) * (1 if dimensions == 1 else np.cos(np.pi * grid.y / 2)) * (1.0 if real else 1j)
    times = [0.0, 0.5, 1.0]
    return expint.solve_ivp(lambda t, u: u, (0, 1), u0, linear=0.1 * grid.laplacian, rtol=1e-6, t_eval=times), grid


def test_own_solutions_are_drawn_over_their_coordinates_with_units() -> None:
    solution, grid = own_solution(1)
    ax = expint.plot.space_time(solution, grid, units={"x": "mm", "t": "s", "u": "K"})
    (mesh,) = ax.collections
    np.testing.assert_array_equal(np.asarray(mesh.get_array()).reshape(3, 12), solution.y)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x (mm)", "t (s)")
    assert ax.figure.axes[1].get_ylabel() == "u (K)"
    by_hand = expint.plot.space_time(solution, {"x": grid.coords["x"]})
    np.testing.assert_array_equal(by_hand.collections[0].get_coordinates(), mesh.get_coordinates())


def test_a_field_of_a_solution_has_one_colour_scale_for_all_times() -> None:
    solution, grid = own_solution(2)
    scales = set()
    for at, which in ((0.1, 0), (0.6, 1), (None, 2)):
        ax = expint.plot.field(solution, where=grid, at=at)
        (mesh,) = ax.collections
        np.testing.assert_array_equal(np.asarray(mesh.get_array()).reshape(10, 12), solution.y[which].T)
        assert ax.get_title() == f"t = {solution.t[which]:.4g}"
        scales.add(mesh.get_clim())
    bound = np.max(abs(solution.y))
    assert scales == {(-bound, bound)}


@pytest.mark.parametrize(("dimensions", "real"), [(1, True), (2, True), (2, False)])
def test_a_film_has_a_frame_for_each_time(dimensions: int, real: bool, tmp_path) -> None:
    from PIL import Image

    solution, grid = own_solution(dimensions, real=real)
    film = expint.plot.movie(solution, grid, tmp_path / "film.gif", fps=5, units={"t": "s"})
    with Image.open(tmp_path / "film.gif") as picture:
        assert picture.n_frames == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.gif"]
    ax = film._fig.axes[0]
    assert ax.get_title(loc="left").startswith("t = ")
    if dimensions == 2 and not real:
        assert ax.collections[0].get_clim()[0] >= 0  # the absolute value


def test_states_that_are_coefficients_and_components_are_understood() -> None:
    grid = expint.Grid((16,), 1.0)
    u0 = np.stack([np.cos(2 * np.pi * grid.x), np.sin(2 * np.pi * grid.x)])
    linear = grid.fields(grid.laplacian, 0.0).diagonal
    solution = expint.solve_ivp(None, (0, 1e-2), grid.forward(u0), linear=linear, step=5e-3)
    ax = expint.plot.space_time(solution, grid, component=1)
    np.testing.assert_allclose(np.asarray(ax.collections[0].get_array()).reshape(3, 16)[2], u0[1], atol=1e-12)
    with pytest.raises(ValueError, match="expected component= for fields with several components"):
        expint.plot.space_time(solution, grid)


def test_pictures_that_cannot_be_drawn_are_refused(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    solution, grid = own_solution(2)
    with pytest.raises(ValueError, match="expected a grid of one dimension, received 2"):
        expint.plot.space_time(solution, grid)
    with pytest.raises(ValueError, match=r"expected states of shape \(…, 12\)"):
        expint.plot.movie(solution, {"x": np.arange(12.0)}, component=1)
    with pytest.raises(ValueError, match=r"to end in \.gif or \.mp4, received 'film.avi'"):
        expint.plot.movie(solution, grid, tmp_path / "film.avi")
    with pytest.raises(TypeError, match="expected a solution beside where="):
        expint.plot.field(np.ones((2, 2)), where=grid)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ImportError, match="need ffmpeg"):
        expint.plot.movie(solution, grid, tmp_path / "film.mp4")
    assert not list(tmp_path.iterdir())
