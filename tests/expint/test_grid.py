"""Grids with boundary conditions: eigenfunctions, derivatives and lifts are right on every basis."""

import copy
import itertools
import math
import pickle
import warnings

import numpy as np
import pytest
import scipy.integrate
import torch
from scipy.optimize import brentq

import expint
from expint.operators import Dense, KroneckerSum, Sparse, Transformed
from expint.spectral import (
    BoundaryWarning,
    Chebyshev,
    Cosine,
    Differences,
    Fourier,
    Grid,
    Sine,
    dirichlet,
    neumann,
    robin,
)

LENGTH, START = 1.7, -0.4
ENDS = ["dirichlet", "neumann"]
PAIRS = list(itertools.product(ENDS, ENDS))


def eigenfunction(walls, mode, length=LENGTH, start=START):
    """Return u, u' and -u''/u of an eigenfunction of d²/dx² with conditions of value zero."""
    if walls == "periodic":
        k = 2 * np.pi * mode / length
        return lambda x: np.sin(k * (x - start) + 0.3), lambda x: k * np.cos(k * (x - start) + 0.3), k * k
    low, high = walls
    k = np.pi / length * (mode if low == high else mode - 0.5)
    if low == "dirichlet":
        return lambda x: np.sin(k * (x - start)), lambda x: k * np.cos(k * (x - start)), k * k
    return lambda x: np.cos(k * (x - start)), lambda x: -k * np.sin(k * (x - start)), k * k


@pytest.mark.parametrize("n", [12, 17])
@pytest.mark.parametrize("basis", ["series", "chebyshev"])
@pytest.mark.parametrize("walls", ["periodic", *PAIRS])
def test_eigenfunctions_are_eigenfunctions_to_rounding(walls, basis, n):
    if walls == "periodic" and basis == "chebyshev":
        pytest.skip("Chebyshev points have walls")
    grid = Grid(n if basis == "series" else n + 12, LENGTH, start=START, boundary=walls, basis=basis)
    for mode in range(1, n // 2 if basis == "series" else 4):
        f, slope, eigenvalue = eigenfunction(walls, mode)
        u, scale = f(grid.x), 1e-12 * (1 + eigenvalue) * n**2
        np.testing.assert_allclose(grid.laplacian @ u, -eigenvalue * u, rtol=0, atol=scale)
        np.testing.assert_allclose(grid.derivative() @ u, slope(grid.x), rtol=0, atol=scale)
        np.testing.assert_allclose(grid.derivative(0, 4) @ u, eigenvalue**2 * u, rtol=0, atol=scale * n**2 * 30)
        np.testing.assert_allclose(grid.matrix(0, 1) @ u, slope(grid.x), rtol=0, atol=scale)
        np.testing.assert_allclose(grid.matrix() @ u, -eigenvalue * u, rtol=0, atol=10 * scale)


@pytest.mark.parametrize("a", [0.5, 3.0])
def test_robin_conditions_have_the_eigenvalues_of_their_transcendental_equation(a):
    """With u' = a u at 0 and u' = -a u at L: tan kL = 2ak / (k² - a²)."""
    grid = Grid(28, LENGTH, start=START, boundary=robin(a))
    for mode in range(1, 5):
        equation = lambda k: (k * k - a * a) * np.sin(k * LENGTH) - 2 * a * k * np.cos(k * LENGTH)
        k = brentq(equation, (mode - 1) * np.pi / LENGTH + 1e-9, mode * np.pi / LENGTH - 1e-9)
        u = np.cos(k * (grid.x - START)) + a / k * np.sin(k * (grid.x - START))
        np.testing.assert_allclose(grid.laplacian @ u, -k * k * u, rtol=0, atol=1e-8)
    assert np.max(grid.laplacian.symbol) < 0


MIXED = [
    (("periodic", ("neumann", "dirichlet")), "auto"),
    ((("dirichlet", "dirichlet"), "periodic"), "auto"),
    ((("neumann", "neumann"), ("dirichlet", "neumann")), "auto"),
    (("periodic", "periodic"), "auto"),
    (("periodic", ("dirichlet", "dirichlet")), ["series", "chebyshev"]),
    ((("dirichlet", "neumann"), ("neumann", "neumann")), ["chebyshev", "series"]),
    (("periodic", "periodic", ("neumann", "neumann")), "auto"),
    ((("dirichlet", "dirichlet"), "periodic", ("neumann", "dirichlet")), ["chebyshev", "series", "series"]),
    ((("dirichlet", "dirichlet"), ("neumann", "neumann"), ("neumann", "dirichlet")), "auto"),
]


@pytest.mark.parametrize("real", [True, False])
@pytest.mark.parametrize(("walls", "basis"), MIXED)
def test_mixed_axes_have_products_of_eigenfunctions(walls, basis, real):
    shape, lengths, starts = (18, 19, 20)[: len(walls)], (1.3, 2.1, 0.9)[: len(walls)], (0.0, -1.0, 2.0)[: len(walls)]
    grid = Grid(shape, lengths, start=starts, boundary=walls, basis=basis, real=real)
    own = [eigenfunction(*args) for args in zip(walls, (2, 1, 1), lengths, starts)]
    values = [f(x) for (f, _, _), x in zip(own, grid.points)]
    factor = 1.0 if real else 1.0 - 2.0j
    u = factor * np.prod(values, axis=0)
    eigenvalue = sum(e for _, _, e in own)
    np.testing.assert_allclose(grid.laplacian @ u, -eigenvalue * u, rtol=0, atol=1e-8)
    np.testing.assert_allclose(grid.backward(grid.forward(np.stack([u, 2 * u]))), [u, 2 * u], rtol=0, atol=1e-12)
    for axis, (_, slope, _) in enumerate(own):
        expected = factor * np.prod(
            [slope(x) if i == axis else v for i, (x, v) in enumerate(zip(grid.points, values))], axis=0
        )
        np.testing.assert_allclose(grid.derivative(axis) @ u, expected, rtol=0, atol=1e-9)
    moved = expint.solve_ivp(None, (0, 0.1), u, linear=0.5 * grid.laplacian - 1.0, step=0.1).y_end
    np.testing.assert_allclose(moved, np.exp(-0.1 * (0.5 * eigenvalue + 1.0)) * u, rtol=0, atol=1e-11)


@pytest.mark.parametrize("stretch", [None, lambda s: s + 0.12 * np.sin(2 * np.pi * s) / np.pi])
@pytest.mark.parametrize("order", [2, 4, 6])
@pytest.mark.parametrize("walls", ["periodic", *PAIRS, "robin"])
def test_finite_differences_converge_with_their_order(walls, order, stretch):
    """Of u'' + d u' on smooth functions that meet the conditions, on equal and stretched distances."""
    errors = []
    for n in (60, 120):
        boundary = (robin(1.0), robin(2.0)) if walls == "robin" else walls
        grid = Differences(n, LENGTH, start=START, order=order, boundary=boundary, stretch=stretch)
        x = grid.x - START
        if walls == "robin":  # u' = u at 0, u' = -2u at L
            k = brentq(lambda k: 3 * np.cos(k * LENGTH) + (2 / k - k) * np.sin(k * LENGTH), 2.0, 3.5)
            u, slope = np.cos(k * x) + np.sin(k * x) / k, np.cos(k * x) - k * np.sin(k * x)
            second = -k * k * u
        else:
            f, f1, e = eigenfunction(walls, 2)
            u, second, slope = f(grid.x), -e * f(grid.x), f1(grid.x)
        errors.append([np.max(abs(grid.matrix() @ u - second)), np.max(abs(grid.derivative() @ u - slope))])
        if n == 60:  # eigenvectors of a few points say it as well as those of many
            np.testing.assert_allclose(grid.laplacian @ u, grid.matrix() @ u, rtol=0, atol=1e-8)
            assert np.max(np.real(grid.laplacian.symbol)) < 1e-9
    rates = np.log(np.array(errors[0]) / errors[1]) / np.log(120 / 60 if walls == "periodic" else 121 / 61)
    assert np.all(rates > order - 0.35), (rates, errors)


def solution(t, x):
    return np.exp(-t) * np.cos(x) + np.sin(2 * t) * x**2


def slope(t, x):
    return -np.exp(-t) * np.sin(x) + 2 * np.sin(2 * t) * x


def source(t, x):
    """u_t - u_xx of it."""
    return 2 * np.cos(2 * t) * x**2 - 2 * np.sin(2 * t)


HIGH = START + LENGTH
CONDITIONS = {
    "dirichlet": (dirichlet(lambda t: solution(t, START)), dirichlet(lambda t: solution(t, HIGH))),
    "neumann": (neumann(lambda t: -slope(t, START)), neumann(lambda t: slope(t, HIGH))),
    "dirichlet-neumann": (dirichlet(lambda t: solution(t, START)), neumann(lambda t: slope(t, HIGH))),
    "robin": (
        robin(1.5, lambda t: 1.5 * solution(t, START) - 0.5 * slope(t, START), b=0.5),
        robin(0.7, lambda t: 0.7 * solution(t, HIGH) + slope(t, HIGH)),
    ),
}


@pytest.mark.parametrize("name", CONDITIONS)
@pytest.mark.parametrize(("basis", "n", "within"), [("chebyshev", 18, 1e-9), ("differences", 40, 2e-7)])
def test_the_heat_equation_with_moving_conditions_has_its_exact_solution(name, basis, n, within):
    grid = Grid(n, LENGTH, start=START, boundary=CONDITIONS[name], basis=basis, order=6)
    options = {"rtol": 1e-10, "atol": 1e-11, "t_eval": [0.0, 0.3, 1.0], "dense_output": True}
    sol = expint.solve_ivp(
        lambda t, u: source(t, grid.x), (0, 1), solution(0.0, grid.x), linear=grid.laplacian, **options
    )
    for t, u in zip(sol.t, sol.y):
        np.testing.assert_allclose(u, solution(t, grid.x), rtol=0, atol=within)
    np.testing.assert_allclose(sol.sol(0.61), solution(0.61, grid.x), rtol=0, atol=within)
    np.testing.assert_allclose(sol.sol([0.2, 0.9])[1], solution(0.9, grid.x), rtol=0, atol=within)
    frozen = grid.at(0.4)
    u = solution(0.4, grid.x)
    second = -np.exp(-0.4) * np.cos(grid.x) + 2 * np.sin(0.8)
    np.testing.assert_allclose(frozen.laplacian @ u, second, rtol=0, atol=2e3 * within)
    np.testing.assert_allclose(frozen.derivative() @ u, slope(0.4, grid.x), rtol=0, atol=1e2 * within)
    np.testing.assert_allclose(
        frozen.operator(2.0, 3.0, 4.0) @ u, 2 * second + 3 * slope(0.4, grid.x) + 4 * u, atol=4e3 * within
    )


def test_rates_of_conditions_may_be_given_and_are_found_where_they_are_not() -> None:
    for wall, exact in ((dirichlet(np.sin), np.cos(0.7)), (dirichlet(lambda t: np.exp(-30 * t)), -30 * np.exp(-21.0))):
        assert wall.rate_at(0.7) == pytest.approx(exact, rel=1e-8, abs=1e-12)
    assert dirichlet(np.sin, rate=lambda t: 5.0).rate_at(0.7) == 5.0
    assert dirichlet(3.0).rate_at(0.7) == 0.0
    switched = dirichlet(lambda t: np.sin(t) + 5 * (t > 0.7))
    assert switched.rate_at(0.66) == pytest.approx(np.cos(0.66), abs=1e-6)
    with pytest.raises(ValueError, match=r"expected a value at a wall that is smooth around t = 0.7, .* rate="):
        switched.rate_at(0.7)
    with pytest.raises(ValueError, match=r"expected a value at a wall that is known around t = 0, .* rate="):
        dirichlet(lambda t: math.sqrt(t)).rate_at(0.0)


def test_values_that_jump_are_met_with_breakpoints_and_rates() -> None:
    """After both ends jump to 1, u = 1 - Σ 4 / (kπ) sin(kπx) exp(-k²π²(t - 1)) over odd k."""
    step = dirichlet(lambda t: float(t > 1), rate=lambda t: 0.0)
    for basis in ("chebyshev", "series"):
        rod = Grid(40, 1.0, boundary=(step, step), basis=basis)
        with pytest.warns(BoundaryWarning):
            sol = expint.solve_ivp(
                lambda t, u: 0 * u,
                (0, 2),
                np.zeros(40),
                linear=rod.laplacian,
                rtol=1e-8,
                breakpoints=[1.0],
                t_eval=[0.5, 1.05],
            )
        series = sum(
            4 / (k * np.pi) * np.sin(k * np.pi * rod.x) * np.exp(-((k * np.pi) ** 2) * 0.05) for k in range(1, 40, 2)
        )
        np.testing.assert_allclose(sol.y[0], 0, atol=1e-12)
        np.testing.assert_allclose(sol.y[1], 1 - series, atol=2e-3 if basis == "series" else 1e-6)


def test_what_a_run_shows_with_conditions_that_move_is_the_field_itself() -> None:
    """Events, callbacks and what is saved see u, not u - w; a nonlinear term sees it, too."""
    grid = Grid(16, 1.0, boundary=(dirichlet(lambda t: t), dirichlet(lambda t: t)))
    ends, seen = [], []
    event = lambda t, u: u[8] - 0.3
    options = {"rtol": 1e-8, "atol": 1e-10}
    # u = t everywhere: u' = u_xx + 1
    sol = expint.solve_ivp(
        lambda t, u: seen.append(float(abs(u - t).max())) or 1 + 0 * u,
        (0, 1),
        np.zeros(16),
        linear=grid.laplacian,
        events=event,
        callback=lambda t, u: ends.append(abs(u - t).max()),
        **options,
    )
    assert max(seen) < 1e-8
    assert max(ends) < 1e-8
    assert sol.t_events[0] == pytest.approx([0.3], abs=1e-7)
    np.testing.assert_allclose(sol.y_events[0], 0.3, atol=1e-7)
    kept = expint.solve_ivp(
        lambda t, u: 1 + 0 * u, (0, 1), np.zeros(16), linear=grid.laplacian, save=lambda t, u: u.mean(), **options
    )
    np.testing.assert_allclose(kept.saved, kept.t, atol=1e-8)
    np.testing.assert_allclose(kept.y_end, 1.0, atol=1e-8)
    broken = expint.solve_ivp(None, (0, 1), np.zeros(16), linear=grid.laplacian, breakpoints=[0.5], rtol=1e-8)
    whole = expint.solve_ivp(None, (0, 1), np.zeros(16), linear=grid.laplacian, rtol=1e-8)
    np.testing.assert_allclose(broken.y_end, whole.y_end, atol=1e-7)


def test_a_rectangle_with_a_profile_along_one_wall_has_its_steady_state() -> None:
    """u = sinh(πx) sin(πy) / sinh π is harmonic, zero at three walls and sin πy at the fourth."""
    profile = dirichlet(1.0, profile=lambda y: np.sin(np.pi * y))
    grid = Grid((24, 20), 1.0, boundary=(("dirichlet", profile), "dirichlet"))
    exact = np.sinh(np.pi * grid.x) * np.sin(np.pi * grid.y) / np.sinh(np.pi)
    np.testing.assert_allclose(grid.laplacian @ exact, 0, atol=1e-8)
    sol = expint.solve_ivp(None, (0, 3), exact + grid.x * 0, linear=grid.laplacian, rtol=1e-8)
    np.testing.assert_allclose(sol.y_end, exact, atol=1e-8)
    warm = Grid((12, 12), 1.0, boundary=dirichlet(2.5))
    sol = expint.solve_ivp(None, (0, 3), np.full((12, 12), 2.5), linear=warm.laplacian, rtol=1e-8)
    np.testing.assert_allclose(sol.y_end, 2.5, atol=1e-8)
    flux = Grid((12, 12), 1.0, boundary=((neumann(0.0), neumann(2.0)), (neumann(1.0), neumann(0.0))))
    u = flux.x**2 + (1 - flux.y) ** 2 / 2
    np.testing.assert_allclose(flux.laplacian @ u, 3.0, atol=1e-8)


VARYING = {
    "periodic": (lambda x: 2 + np.sin(2 * np.pi * x), lambda x: np.cos(2 * np.pi * x), lambda x: np.sin(4 * np.pi * x)),
    "dirichlet": (lambda x: 1 + x, lambda x: x**2, lambda x: np.sin(np.pi * x) * np.exp(x)),
}


@pytest.mark.parametrize("basis", ["series", "chebyshev", "differences"])
@pytest.mark.parametrize("walls", VARYING)
def test_coefficients_that_vary_along_their_axis(walls, basis):
    """∇·(D∇u) + a·∇u + cu against the derivatives written out, with coefficients as functions and as arrays."""
    if (walls == "periodic" and basis == "chebyshev") or (walls == "dirichlet" and basis == "series"):
        pytest.skip("no such axis, or a flux that is no cosine series")
    d, a, u = VARYING[walls]
    grid = Grid(48 if basis != "chebyshev" else 28, 1.0, boundary=walls, basis=basis, order=6)
    h, x = 1e-3, grid.x

    def first(f, x):
        return sum(w * f(x + j * h) for j, w in zip((-3, -2, -1, 1, 2, 3), np.array([-1, 9, -45, 45, -9, 1]) / 60)) / h

    expected = first(lambda s: d(s) * first(u, s), x) + a(x) * first(u, x) - 3 * u(x)
    within = 1e-7 if basis != "differences" else 2e-2
    for coefficients in ((d, a), (d(x), a(x))):
        operator = grid.operator(*coefficients, -3.0)
        assert isinstance(operator, Dense)
        np.testing.assert_allclose(operator @ u(x), expected, rtol=0, atol=within * np.max(abs(expected)))


def test_the_cheapest_operator_is_told_by_its_kind() -> None:
    varying = lambda x, y: 1 + 0.5 * np.sin(x) * np.cos(y)
    periodic, walls = Fourier((16, 16), 2 * np.pi), Grid((16, 16), 2 * np.pi, boundary="neumann", basis="differences")
    assert isinstance(periodic.operator(1.0, (1.0, -2.0), 0.3), Transformed)
    assert isinstance(Cosine((16, 16), 3.0).operator((1.0, 2.0)), Transformed)
    assert isinstance(walls.operator(advection=(1.0, 0.0)), KroneckerSum)
    assert isinstance(walls.operator([lambda x, y: 1 + x, lambda x, y: 2 + y]), KroneckerSum)
    assert isinstance(walls.operator(varying), Sparse)
    assert "D ∇u" in repr(periodic.operator(varying))
    assert isinstance(Differences(1500, 1.0).laplacian, Sparse)
    u = np.cos(periodic.x) * np.sin(2 * periodic.y)
    exact = -2 * varying(periodic.x, periodic.y) * u  # D∇²u = -5 D u, and ∇D·∇u by products below
    product = periodic.operator(varying) @ u
    dx = 0.5 * np.cos(periodic.x) * np.cos(periodic.y) * -np.sin(periodic.x) * np.sin(2 * periodic.y)
    dy = -0.5 * np.sin(periodic.x) * np.sin(periodic.y) * 2 * np.cos(periodic.x) * np.cos(2 * periodic.y)
    np.testing.assert_allclose(product, 2.5 * exact + dx + dy, atol=1e-12)


def test_sparse_and_axiswise_operators_of_differences_agree_with_the_same_equation_solved_by_scipy() -> None:
    grid = Differences((9, 10), (1.0, 1.5), boundary=("neumann", "dirichlet"), order=4)
    varying = lambda x, y: 1 + 0.5 * x * y
    operator = grid.operator(varying, (0.5, -0.3), -1.0)
    u0 = np.cos(np.pi * grid.x) * np.sin(np.pi * grid.y / 1.5)
    ours = expint.solve_ivp(lambda t, u: u**2, (0, 0.1), u0, linear=operator, rtol=1e-8).y_end
    flat = lambda t, u: operator.matrix @ u + u**2
    theirs = scipy.integrate.solve_ivp(flat, (0, 0.1), u0.ravel(), "Radau", rtol=1e-9, atol=1e-11).y[:, -1]
    np.testing.assert_allclose(ours.ravel(), theirs, atol=1e-7)
    a, b = grid.operator(2.0, (1.0, 2.0)), Sparse(2 * grid.operator(lambda x, y: 1 + 1e-13 * x * y).matrix)
    axes = KroneckerSum(2 * grid.matrix(0, 2) + grid.matrix(0, 1), 2 * grid.matrix(1, 2) + 2 * grid.matrix(1, 1))
    np.testing.assert_allclose(a @ u0, axes @ u0, atol=1e-10)
    np.testing.assert_allclose(b @ u0, 2 * (grid.laplacian @ u0), atol=1e-8)


def test_operators_of_a_grid_form_an_algebra() -> None:
    grid = Grid((16, 17), (3.0, 2.0), boundary=("neumann", "periodic"))
    u = np.random.default_rng(1).normal(size=grid.shape)
    laplace = grid.laplacian
    swift = 0.3 - (1 + laplace) ** 2
    np.testing.assert_allclose(swift @ u, 0.3 * u - (u + 2 * (laplace @ u) + laplace @ (laplace @ u)), rtol=1e-9)
    np.testing.assert_allclose((1 - laplace) ** -1 @ (u - laplace @ u), u, atol=1e-10)
    np.testing.assert_allclose((laplace @ grid.derivative(1)) @ u, laplace @ (grid.derivative(1) @ u), atol=1e-8)
    assert isinstance(2 * laplace - grid.derivative(1) + 0.1, Transformed)
    two = grid.fields(laplace, 3 * laplace - 1)
    pair = np.stack([u, u])
    np.testing.assert_allclose(two @ pair, [laplace @ u, 3 * (laplace @ u) - u], rtol=1e-12, atol=1e-12)
    rates = expint.operators.Diagonal([[[-1.0]], [[-2.0]]])
    np.testing.assert_allclose((laplace + rates) @ pair, [laplace @ u - u, laplace @ u - 2 * u], atol=1e-9)
    other = expint.solve_ivp(None, (0, 0.2), pair, linear=two, step=0.2).y_end
    alone = expint.solve_ivp(None, (0, 0.2), u, linear=3 * laplace - 1, step=0.2).y_end
    np.testing.assert_allclose(other[1], alone, atol=1e-14)
    assert copy.deepcopy(grid) == grid
    assert pickle.loads(pickle.dumps(grid)).laplacian.basis == grid
    assert Grid((16, 17), (3.0, 2.5), boundary=("neumann", "periodic")) != grid


def test_states_may_be_values_or_coefficients() -> None:
    grid = Cosine((24, 24), 20.0)
    u0 = 0.1 * np.cos(2 * np.pi * grid.x / 20) * np.cos(np.pi * grid.y / 20)
    reaction = lambda t, u: u - u**3
    values = expint.solve_ivp(reaction, (0, 3), u0, linear=grid.laplacian, step=0.1, method="krogstad4")
    modes = expint.solve_ivp(
        grid.pseudospectral(reaction),
        (0, 3),
        grid.forward(u0),
        linear=grid.laplacian.diagonal,
        step=0.1,
        method="krogstad4",
    )
    np.testing.assert_allclose(grid.backward(modes.y), values.y, atol=1e-13)


@pytest.mark.parametrize("keep", [2 / 3, 1 / 2])
def test_dealiasing_keeps_the_modes_below_the_cut_and_their_products(keep):
    grid, power = Grid((16, 18), 2 * np.pi, boundary=("neumann", "periodic")), {2 / 3: 2, 1 / 2: 3}[keep]
    fine = Grid((96, 96), 2 * np.pi, boundary=("neumann", "periodic"))
    modes = [(i, j) for i in range(16) for j in range(9) if i < 16 * keep - 1e-9 and j < 9 * keep - 1e-9]
    drawn = np.random.default_rng(3).normal(size=len(modes))
    field = lambda g: sum(a * np.cos(i * g.x / 2) * np.cos(j * g.y) for a, (i, j) in zip(drawn, modes))
    u = field(grid)
    np.testing.assert_allclose(grid.backward(grid.dealias(grid.forward(u), keep)), u, atol=1e-12)
    found = grid.forward(grid.dealiased(lambda t, v: v**power, keep)(0.0, u))
    exact = fine.forward(field(fine) ** power) * (16 * 18) / 96**2
    kept = [tuple(np.array(own)) for own in modes]
    for i, j in kept:
        assert found[i, j] == pytest.approx(exact[i, j], abs=1e-8 * np.max(abs(exact)))
    same = grid.pseudospectral(lambda t, v: v**power, keep)(0.0, grid.forward(u))
    np.testing.assert_allclose(same, found, atol=1e-8)


@pytest.mark.parametrize("walls", [*PAIRS, "periodic"])
@pytest.mark.parametrize("n", [7, 8])
def test_torch_has_the_same_transforms_and_carries_gradients(walls, n):
    grid = Grid((n, n + 1), 1.0, boundary=[walls, "neumann"])
    u = np.random.default_rng(n).normal(size=(2, n, n + 1))
    tensor = torch.tensor(u, requires_grad=True)
    np.testing.assert_allclose(grid.forward(tensor).detach().numpy(), grid.forward(u), atol=1e-12)
    np.testing.assert_allclose(grid.backward(grid.forward(tensor)).detach().numpy(), u, atol=1e-12)
    np.testing.assert_allclose((grid.derivative(0) @ tensor).detach(), grid.derivative(0) @ u, atol=1e-9)
    run = expint.solve_ivp(lambda t, v: -(v**3), (0, 0.02), tensor, linear=grid.laplacian, step=0.01).y_end
    host = expint.solve_ivp(lambda t, v: -(v**3), (0, 0.02), u, linear=grid.laplacian, step=0.01).y_end
    np.testing.assert_allclose(run.detach().numpy(), host, atol=1e-12)
    (gradient,) = torch.autograd.grad((run**2).sum(), tensor)
    way = np.random.default_rng(0).normal(size=u.shape)
    ends = [
        expint.solve_ivp(lambda t, v: -(v**3), (0, 0.02), u + e * way, linear=grid.laplacian, step=0.01).y_end
        for e in (1e-5, -1e-5)
    ]
    change = (np.sum(ends[0] ** 2) - np.sum(ends[1] ** 2)) / 2e-5
    assert float((gradient.numpy() * way).sum()) == pytest.approx(change, rel=1e-6)


def test_torch_runs_with_conditions_that_move_and_in_single_precision() -> None:
    grid = Grid(12, LENGTH, start=START, boundary=CONDITIONS["robin"], like=torch.zeros(1, dtype=torch.float32))
    u0 = torch.tensor(solution(0.0, grid.x.numpy()), dtype=torch.float32)
    assert grid.x.dtype == u0.dtype == torch.float32
    sol = expint.solve_ivp(lambda t, u: source(t, grid.x), (0, 1), u0, linear=grid.laplacian, rtol=1e-4)
    assert sol.y.dtype == torch.float32
    np.testing.assert_allclose(sol.y_end.numpy(), solution(1.0, grid.x.numpy()), atol=2e-3)


def test_jax_has_the_same_transforms() -> None:
    jax = pytest.importorskip("jax")
    grid = Grid((8, 9), 1.0, boundary=[("dirichlet", "neumann"), "periodic"])
    u = np.random.default_rng(2).normal(size=(8, 9)).astype(np.float32)
    found = jax.jit(lambda v: grid.laplacian @ v)(jax.numpy.asarray(u))
    np.testing.assert_allclose(np.asarray(found), grid.laplacian @ u, rtol=0, atol=2e-3)


@pytest.mark.parametrize("walls", ["dirichlet", "neumann", robin(2.0)])
def test_a_start_that_contradicts_the_conditions_is_told(walls):
    grid = Grid((16, 16), 1.0, boundary=[walls, "periodic"])
    wrong = np.cos(2 * np.pi * grid.y) * (1 + grid.x)
    with pytest.warns(BoundaryWarning, match=r"expected a start that meets .* received one off by .* of axis 0"):
        expint.solve_ivp(None, (0, 0.1), wrong, linear=grid.laplacian, step=0.1)


@pytest.mark.parametrize("walls", ["dirichlet", "neumann", robin(2.0), "periodic"])
def test_starts_that_meet_the_conditions_and_noise_are_not_warned_of(walls):
    grid = Grid((24, 24), 1.0, boundary=[walls, "neumann"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(5):
            rng = np.random.default_rng(seed)
            noise = rng.normal(size=grid.shape)
            smooth = 0.1 * grid.backward(np.exp(0.004 * grid.laplacian.symbol) * grid.forward(noise))
            for u in (noise, smooth, 0 * noise, 1e-3 * noise + smooth):
                expint.solve_ivp(None, (0, 0.1), u, linear=grid.laplacian, step=0.1)


REFUSED = {
    "expected positive lengths, received 0": lambda: Grid(8, 0),
    "expected positive lengths, received .1, -2.": lambda: Fourier((8, 8), (1, -2)),
    "expected the number of points to be an integer ≥ 4, received 3": lambda: Grid((3, 8), 1.0),
    "expected length for each of 2 axes, or one for all, received 3": lambda: Grid((8, 8), (1, 2, 3)),
    "expected order 2, 4 or 6 of finite differences, received 3": lambda: Differences(16, 1.0, order=3),
    "expected at least 7 points for order 6, received n = 5": lambda: Differences(5, 1.0, order=6),
    "expected a boundary condition 'periodic', 'dirichlet' or 'neumann', received 'robin'": lambda: Grid(
        8, 1.0, boundary="robin"
    ),
    "expected a boundary condition for each of 2 axes, received 3": lambda: Grid((8, 8), 1.0, boundary=["neumann"] * 3),
    "expected two walls, or an axis that is 'periodic' as a whole": lambda: Grid(
        8, 1.0, boundary=("periodic", "neumann")
    ),
    "expected periodic, Dirichlet or Neumann conditions for a series": lambda: Grid(
        8, 1.0, boundary=robin(1.0), basis="series"
    ),
    "expected walls at both ends of an axis of Chebyshev points": lambda: Grid(8, 1.0, basis="chebyshev"),
    "expected stretch for basis='differences'": lambda: Grid(8, 1.0, stretch=np.sqrt),
    "increasing points from 0 to 1, walls included": lambda: Differences(16, 1.0, stretch=lambda s: 1 - s),
    "expected conditions that agree at the corners": lambda: Grid(
        (8, 8), 1.0, boundary=(("dirichlet", dirichlet(1.0)), "dirichlet")
    ),
    "expected a condition a u . b ∂u/∂n = g with a or b not zero": lambda: robin(0.0, b=0.0),
    "expected a grid fine enough to keep modes below keep = 0.3": lambda: Fourier((4, 64), 1.0).dealiased(
        lambda t, u: u, 0.3
    ),
    r"expected keep in \(0, 1\], received 1.5": lambda: Fourier((8, 8), 1.0).pseudospectral(lambda t, u: u, 1.5),
    r"expected values on the grid, of shape \(…, 8, 8\), received shape \(8, 7\)": lambda: (
        Cosine((8, 8), 1.0).laplacian @ np.ones((8, 7))
    ),
    "for states that are coefficients pass linear=operator.diagonal": lambda: expint.solve_ivp(
        None, (0, 1), np.ones((8, 5)) + 0j, linear=Fourier((8, 8), 1.0).laplacian, step=1.0
    ),
    r"expected coefficients of shape \(…, 8, 5\), received shape \(8, 8\)": lambda: Fourier((8, 8), 1.0).backward(
        np.ones((8, 8))
    ),
    "expected real values on a grid of real fields, received dtype complex128; make the grid with real=False": lambda: (
        Sine(8, 1.0).laplacian @ (np.ones(8) + 1j)
    ),
    "expected complex values on a grid of complex fields": lambda: Sine(8, 1.0, real=False).laplacian @ np.ones(8),
    "expected values of single or double precision, .* received dtype float16": lambda: (
        Sine(8, 1.0).laplacian @ np.ones(8, np.float16)
    ),
    "expected an array of floating-point numbers, received dtype torch.int32": lambda: (
        Sine(8, 1.0).laplacian @ torch.ones(8, dtype=torch.int32)
    ),
    "expected a real factor for an operator on real values": lambda: 1j * Cosine(8, 1.0).laplacian,
    "expected an operator without eigenvalue zero for a negative power": lambda: Cosine(8, 1.0).laplacian ** -1,
    "expected an operator on functions that vanish at the walls to raise to a power": lambda: (
        Grid(8, 1.0, boundary=dirichlet(1.0)).laplacian ** 2
    ),
    r"expected diffusion of shape \(8, 8\), that of the grid, received shape \(4,\)": lambda: Cosine(
        (8, 8), 1.0
    ).operator(np.ones(4)),
    "expected no jac= beside Lifted": lambda: expint.solve_ivp(
        None, (0, 1), np.ones(8), linear=Grid(8, 1.0, boundary=dirichlet(1.0)).laplacian, jac=np.eye(8), step=1.0
    ),
    "expected the value at a wall at t = 0 to be a real number": lambda: expint.solve_ivp(
        None, (0, 1), np.ones(8), linear=Grid(8, 1.0, boundary=dirichlet(lambda t: "warm")).laplacian, step=1.0
    ),
    "expected a linear part that does not depend on time": lambda: expint.begin(
        None, 0.0, np.ones(8), linear=Grid(8, 1.0, boundary=dirichlet(1.0)).laplacian, method="krogstad4"
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_makes_no_sense_is_refused_by_name(message):
    with pytest.raises((ValueError, TypeError), match=message):
        REFUSED[message]()


def test_grids_have_their_names_and_say_what_they_are() -> None:
    assert repr(Fourier((8, 9), 2.0)) == "Grid(8×9 points on 2×2, Fourier × Fourier, real)"
    assert repr(Sine((8,), 2.0)) == "Grid(8 points on 2, sine, real)"
    assert repr(Chebyshev((8, 6))) == "Grid(8×6 points on 2×2, Chebyshev points × Chebyshev points, real)"
    assert Chebyshev((8, 6)).start == (-1.0, -1.0)
    assert expint.Grid is Grid
    old = Fourier(16, 3.0)
    u = np.sin(2 * np.pi * old.x / 3)
    np.testing.assert_allclose(old.laplacian @ u, old.ifft(-(old.k**2) * old.fft(u)), atol=1e-12)
    grid = Grid((8, 6, 5), (1, 2, 3), boundary=["periodic", "neumann", "dirichlet"])
    assert list(grid.coords) == ["x", "y", "z"]
    assert grid.z.shape == (8, 6, 5)
    np.testing.assert_array_equal(grid.z[0, 0], grid.coords["z"])
    with pytest.raises(AttributeError, match="expected a grid of 3 dimensions, received one of 2"):
        _ = Sine((8, 8), 1.0).z
