"""The zoo: exact solutions satisfy their equations, invariants are kept, parameters are those of the literature."""

import inspect
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import expint
from expint import SemilinearProblem, problems
from expint.derive.kinds.predictor_corrector import PredictorCorrector
from expint.operators import BlockDiagonal, Dense, Diagonal, Operator, as_operator
from expint.problems.plane import Plane
from expint.problems.reference import FOLDER

NEED_PARAMETERS = {"hochbruck_ostermann", "prescribed_spectrum"}
MAKERS: dict[str, Callable[[], SemilinearProblem]] = {
    "hochbruck_ostermann local": lambda: problems.hochbruck_ostermann("local"),
    "hochbruck_ostermann nonlocal": lambda: problems.hochbruck_ostermann("nonlocal"),
    "prescribed_spectrum": lambda: problems.prescribed_spectrum([-1.0, 2.0, -5.0]),
    "prescribed_spectrum complex": lambda: problems.prescribed_spectrum([-1j, 2.0 + 1j, -5.0]),
    **{name: partial(problems.make, name) for name in problems.names() if name not in NEED_PARAMETERS},
}
EXACT = sorted(name for name, maker in MAKERS.items() if maker().exact is not None)
UNSPLIT = {"hires", "robertson", "van_der_pol"}
STORED = sorted(path.stem for path in FOLDER.glob("*.npz"))
REAL_LINE = {"allen_cahn", "burgers", "korteweg_de_vries", "kuramoto_sivashinsky", "two_solitons"}  # real FFT


@pytest.fixture(params=MAKERS)
def problem(request: pytest.FixtureRequest) -> SemilinearProblem:
    return MAKERS[request.param]()


def linear_part(problem: SemilinearProblem, y: np.ndarray) -> np.ndarray:
    linear = problem.linear
    if linear is None:
        return 0 * y
    if isinstance(linear, BlockDiagonal):
        return np.einsum("ij...,j...->i...", linear.blocks, y)
    if isinstance(linear, Diagonal):
        return linear.symbol * y
    if isinstance(linear, Dense):
        return y @ linear.matrix.T
    assert not isinstance(linear, Operator), "this test knows no other operators"
    return linear * y


def rate(problem: SemilinearProblem, t: float, y: np.ndarray) -> np.ndarray:
    return linear_part(problem, y) + problem.nonlinear(t, y)


def time_derivative(function: object, t: float, h: float) -> np.ndarray:
    """Fourth-order central differences."""
    return (8 * (function(t + h) - function(t - h)) - (function(t + 2 * h) - function(t - 2 * h))) / (12 * h)


@pytest.mark.parametrize(
    ("name", "step", "tolerance"),
    [
        ("hochbruck_ostermann local", 1e-2, 1e-8),
        ("hochbruck_ostermann nonlocal", 1e-2, 1e-8),
        ("prescribed_spectrum", 1e-3, 1e-10),
        ("prescribed_spectrum complex", 1e-3, 1e-10),
        ("riccati", 1e-3, 1e-11),
    ],
)
def test_exact_solutions_satisfy_their_equations(name: str, step: float, tolerance: float) -> None:
    problem = MAKERS[name]()
    for t in (0.1, 0.4, 0.7):
        y = problem.exact(t)
        residual = time_derivative(problem.exact, t, step) - rate(problem, t, y)
        assert np.max(np.abs(residual)) < tolerance * max(1.0, np.max(np.abs(y)))


@pytest.mark.parametrize("n", [512, 1024])
def test_the_soliton_satisfies_the_equation_of_korteweg_and_de_vries(n: int) -> None:
    problem = problems.korteweg_de_vries(n)
    for t in (0.0, 0.3 * problem.t_span[1], 0.9 * problem.t_span[1]):
        y = problem.exact(t)
        speed = time_derivative(problem.exact, t, 1e-6)
        assert np.max(np.abs(speed - rate(problem, t, y))) < 1e-7 * np.max(np.abs(speed))


@pytest.mark.parametrize("name", ["hochbruck_ostermann local", "korteweg_de_vries", "prescribed_spectrum", "riccati"])
def test_exact_solutions_begin_at_the_initial_state(name: str) -> None:
    problem = MAKERS[name]()
    np.testing.assert_allclose(problem.exact(problem.t_span[0]), problem.y0, rtol=1e-13, atol=1e-13)


def test_the_soliton_is_back_after_its_period() -> None:
    problem = problems.korteweg_de_vries()
    assert problem.t_span[1] == pytest.approx(2 * np.pi / 625)
    np.testing.assert_allclose(problem.exact(problem.t_span[1]), problem.y0, atol=1e-9 * np.max(np.abs(problem.y0)))


def test_the_soliton_is_computed_to_the_accuracy_of_its_grid() -> None:
    problem = problems.korteweg_de_vries(n=256)
    t = problem.t_span[1] / 20
    solution = expint.solve(problem, "luan-ostermann5", t_span=(0, t), step=t / 150, t_eval=[t])
    error = problem.physical(solution.y[-1] - problem.exact(t))
    assert np.max(np.abs(error)) < 2e-6 * 3 * 625


@settings(max_examples=40)
@given(st.sampled_from(sorted(REAL_LINE - {"allen_cahn"})), st.integers(0, 2**16))
def test_conservation_laws_keep_the_mean(name: str, seed: int) -> None:
    problem = MAKERS[name]()
    rng = np.random.default_rng(seed)
    v = problem.y0 * rng.normal(size=problem.y0.shape)
    assert linear_part(problem, v)[0] == 0
    assert problem.nonlinear(0.0, v)[0] == 0


@pytest.mark.parametrize("name", ["korteweg_de_vries", "two_solitons", "burgers", "kuramoto_sivashinsky"])
def test_a_solve_keeps_the_mean_to_rounding(name: str) -> None:
    problem = MAKERS[name]()
    t_end = min(problem.t_span[1], 1.0)
    solution = expint.solve(problem, "krogstad4", t_span=(0, t_end), step=t_end / 300)
    assert solution.success
    means = np.mean(problem.physical(solution.y), axis=-1)
    np.testing.assert_allclose(means, means[0], rtol=0, atol=1e-13 * np.max(np.abs(problem.physical(problem.y0))))


def test_solitons_keep_their_energy() -> None:
    problem = problems.korteweg_de_vries(n=256)
    t = problem.t_span[1] / 20
    solution = expint.solve(problem, "krogstad4", t_span=(0, t), step=t / 200)
    energy = np.sum(problem.physical(solution.y) ** 2, axis=-1)
    np.testing.assert_allclose(energy, energy[0], rtol=1e-5)


def test_burgers_loses_energy_by_viscosity_alone() -> None:
    problem = problems.burgers()
    v = problem.y0
    u, change = problem.physical(v), problem.physical(problem.nonlinear(0.0, v))
    assert abs(np.mean(u * change)) < 1e-7  # ∫ u (u²/2)_x dx = 0
    assert np.mean(u * problem.physical(problem.linear * v)) < -1e-3


def test_allen_cahn_rests_in_its_wells() -> None:
    problem = problems.allen_cahn(n=32)
    for well in (-1.0, 0.0, 1.0):
        constant = 32 * well * np.eye(1, 17)[0] + 0j
        np.testing.assert_allclose(rate(problem, 0.0, constant), 0, atol=1e-12)


def test_allen_cahn_with_walls_keeps_its_boundary_values_and_satisfies_the_equation_inside() -> None:
    problem = problems.allen_cahn_chebyshev(n=24, epsilon=0.01)
    u0 = problem.physical(problem.y0)
    assert u0.shape == problem.x.shape
    np.testing.assert_array_equal(u0[[0, -1]], [-1, 1])
    np.testing.assert_allclose(u0, 0.53 * problem.x + 0.47 * np.sin(-1.5 * np.pi * problem.x), atol=1e-15)
    p = np.polynomial.Polynomial([0, 1, 0.3, 0, -0.3])  # p(±1) = ±1
    u = p(problem.x)
    expected = 0.01 * p.deriv(2)(problem.x) + u - u**3
    np.testing.assert_allclose(rate(problem, 0.0, (u - problem.x)[1:-1]), expected[1:-1], rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "points", "ends", "t_end"),
    [
        ("kuramoto_sivashinsky", 128, (0, 32 * np.pi), 150.0),
        ("burgers", 128, (-np.pi, np.pi), 1.0),
        ("korteweg_de_vries", 256, (-np.pi, np.pi), 2 * np.pi / 625),
        ("two_solitons", 512, (-np.pi, np.pi), 0.006),
        ("allen_cahn", 256, (0, 2 * np.pi), 500.0),
    ],
)
def test_periodic_problems_have_the_parameters_of_the_literature(
    name: str, points: int, ends: tuple[float, float], t_end: float
) -> None:
    problem = MAKERS[name]()
    assert problem.x.shape == (points,)
    assert problem.x[0] == ends[0]
    assert problem.x[0] + points * (problem.x[1] - problem.x[0]) == pytest.approx(ends[1])
    assert problem.t_span == (0.0, t_end)
    assert problem.y0.shape == (points // 2 + 1,)


def test_initial_states_are_those_of_the_literature() -> None:
    def start(problem: SemilinearProblem) -> tuple[np.ndarray, np.ndarray]:
        return problem.x, problem.physical(problem.y0)

    x, u = start(problems.kuramoto_sivashinsky())
    np.testing.assert_allclose(u, np.cos(x / 16) * (1 + np.sin(x / 16)), atol=1e-14)
    x, u = start(problems.burgers())
    np.testing.assert_allclose(u, np.exp(-10 * np.sin(x / 2) ** 2), atol=1e-14)
    x, u = start(problems.korteweg_de_vries())
    np.testing.assert_allclose(u, 3 * 625 / np.cosh(25 * x / 2) ** 2, atol=1e-10)
    x, u = start(problems.two_solitons())
    solitons = (3 * a**2 / np.cosh(a * (x - at) / 2) ** 2 for a, at in ((25, -2), (16, -1)))
    np.testing.assert_allclose(u, sum(solitons), atol=1e-10)


def test_problems_are_made_with_other_parameters() -> None:
    np.testing.assert_allclose(problems.burgers(viscosity=0.1).linear, -0.1 * np.arange(65) ** 2)
    np.testing.assert_allclose(problems.allen_cahn(n=8, epsilon=0.1).linear, 1 - 0.1 * np.arange(5) ** 2)
    assert problems.kuramoto_sivashinsky(n=32, t_end=5.0).t_span == (0.0, 5.0)
    assert problems.hochbruck_ostermann(n=49).y0.shape == (49,)
    with pytest.raises(ValueError, match="expected a positive viscosity, received 0"):
        problems.burgers(viscosity=0)
    with pytest.raises(ValueError, match="expected term to be 'local' or 'nonlocal', received 'global'"):
        problems.hochbruck_ostermann("global")


def test_every_problem_says_what_it_is(problem: SemilinearProblem) -> None:
    assert problem.name
    assert problem.equation
    assert problem.source


def test_every_problem_is_one_the_solver_accepts(problem: SemilinearProblem) -> None:
    slope = problem.nonlinear(0.0, problem.y0)
    assert slope.shape == problem.y0.shape
    assert slope.dtype == problem.y0.dtype
    t_end = problem.t_span[1] / 1000
    options = {"rtol": 1e-3} if problem.linear is None else {"method": "etd2rk", "step": t_end / 2}
    assert expint.solve(problem, t_span=(0, t_end), **options).success


def test_problems_are_found_by_name() -> None:
    assert len(problems.names()) >= 25
    assert {name.split()[0] for name in MAKERS} == set(problems.names())
    assert all(inspect.getdoc(getattr(problems, name)) for name in problems.names())
    assert problems.make("burgers", viscosity=0.2).linear[1] == -0.2
    with pytest.raises(ValueError, match=r"expected the name of a problem, received 'pendulum'; there are advection"):
        problems.make("pendulum")


# period of the central differences, tolerance relative to the rate: that of the differences, or of the exact solution
NEW_EXACT = {
    "ginzburg_landau": (1e-3, 1e-9),
    "hypertest": (1e-3, 1e-8),
    "kawahara": (1e-2, 1e-8),
    "paratest": (1e-3, 1e-8),
    "prothero_robinson": (1e-3, 1e-8),
    "schroedinger_soliton": (1e-3, 1e-8),
    "schroedinger_type": (1e-3, 1e-8),
    "sine_gordon": (1e-3, 1e-6),  # the breather is exact on the line, not in the period
    "taylor_green": (1e-3, 1e-9),
}


@pytest.mark.parametrize("name", NEW_EXACT)
def test_exact_solutions_of_the_zoo_satisfy_their_equations(name: str) -> None:
    problem, (step, tolerance) = MAKERS[name](), NEW_EXACT[name]
    for part in (0.1, 0.6):
        t = part * problem.t_span[1]
        y = problem.exact(t)
        terms = linear_part(problem, y), problem.nonlinear(t, y)
        residual = time_derivative(problem.exact, t, step) - sum(terms)
        assert np.max(np.abs(residual)) < tolerance * max(np.max(np.abs(term)) for term in terms)


@pytest.mark.parametrize("name", EXACT)
def test_every_exact_solution_begins_at_the_initial_state(name: str) -> None:
    problem = MAKERS[name]()
    np.testing.assert_allclose(problem.exact(0.0), problem.y0, rtol=1e-12, atol=1e-12 * np.max(np.abs(problem.y0)))


def test_every_problem_has_an_exact_or_a_stored_solution() -> None:
    without = {name for name, maker in MAKERS.items() if maker().exact is None}
    assert without == set(STORED)


@pytest.mark.parametrize("name", STORED)
def test_stored_solutions_are_confirmed_by_two_methods(name: str) -> None:
    stored = problems.reference(name)
    assert stored.digits >= 6
    assert 0 < stored.t <= problems.make(name).t_span[1]
    assert len(set(stored.methods)) == 2
    assert len(stored.values) <= 64
    assert np.all(np.isfinite(stored.values))


@pytest.mark.parametrize("name", sorted(set(STORED) - UNSPLIT))
def test_stored_solutions_are_reached_by_a_third_method(name: str) -> None:
    stored, problem = problems.reference(name), problems.make(name)
    solution = expint.solve(
        problem, PredictorCorrector(4, ramp=True), t_span=(0, stored.t), rtol=1e-6, t_eval=[stored.t]
    )
    assert solution.success
    error = problems.sample(problem, solution.y_end) - stored.values
    assert np.max(np.abs(error)) < 1e-3 * np.max(np.abs(stored.values))


@pytest.mark.parametrize("name", ["hires", "robertson"])
def test_stored_solutions_of_unsplit_problems_are_reached_by_linearising(name: str) -> None:
    stored, problem = problems.reference(name), problems.make(name)
    assert problem.linear is None
    solution = expint.solve(problem, t_span=(0, stored.t), rtol=1e-4, atol=1e-9, t_eval=[stored.t])
    assert solution.success
    np.testing.assert_allclose(solution.y_end, stored.values, rtol=1e-3)


def test_a_missing_stored_solution_is_named() -> None:
    with pytest.raises(ValueError, match=r"received 'riccati'; stored: advection"):
        problems.reference("riccati")


@pytest.mark.parametrize("name", ["brusselator", "hires", "prothero_robinson", "robertson", "van_der_pol"])
def test_jacobians_are_the_derivatives_of_the_right_hand_side(name: str) -> None:
    problem = problems.brusselator(n=5) if name == "brusselator" else MAKERS[name]()
    rng = np.random.default_rng(1)
    y = problem.y0 * (1 + 0.1 * rng.normal(size=problem.y0.shape)) + 0.01
    matrix, size = problem.jacobian(0.3, y), y.size
    assert matrix.shape == (size, size)
    h = 1e-6
    for j, direction in enumerate(np.eye(size)):
        shift = h * direction.reshape(y.shape)
        column = (rate(problem, 0.3, y + shift) - rate(problem, 0.3, y - shift)).ravel() / (2 * h)
        np.testing.assert_allclose(matrix[:, j], column, rtol=1e-5, atol=1e-6 * np.max(np.abs(matrix)))


def test_the_plane_projects_on_the_modes_that_products_do_not_alias() -> None:
    grid = Plane(24, 2 * np.pi)
    for wave, kept in ((7, 1.0), (8, 0.0), (9, 0.0)):
        u = np.cos(wave * grid.x) + np.sin(wave * grid.y)
        np.testing.assert_allclose(grid.ifft(grid.dealias(grid.fft(u))), kept * u, atol=1e-12)
    u = np.sin(3 * grid.x) * np.cos(2 * grid.y)
    np.testing.assert_allclose(grid.ifft(-grid.k2 * grid.fft(u)), -13 * u, atol=1e-12)
    np.testing.assert_allclose(
        grid.ifft(1j * grid.kx * grid.fft(u)), 3 * np.cos(3 * grid.x) * np.cos(2 * grid.y), atol=1e-12
    )
    noise = grid.smooth_noise(0, 3)
    assert np.max(np.abs(noise)) == 1
    assert abs(np.mean(noise)) < 1e-14


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("schroedinger_soliton", {"speed": 0.3}, "expected speed to be a multiple of 1/4"),
        ("sine_gordon", {"frequency": 1.5}, "expected a frequency between 0 and 1, received 1.5"),
        ("ginzburg_landau", {"wave": 4}, "expected a wave between -3 and 3, received 4"),
    ],
)
def test_parameters_without_meaning_are_refused(name: str, parameters: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        problems.make(name, **parameters)


def test_the_modes_of_hochbruck_and_ostermann_are_those_of_second_differences() -> None:
    problem = problems.hochbruck_ostermann(n=9)
    second = (np.diag(np.ones(8), 1) + np.diag(np.ones(8), -1) - 2 * np.eye(9)) * 100
    modes = np.array([problem.physical(row) for row in np.eye(9)])  # rows: sine modes
    np.testing.assert_allclose(modes @ second, problem.linear[:, None] * modes, atol=1e-10)
    assert isinstance(as_operator(problem.linear, problem.y0), Diagonal)


IN_THE_PLANE = {"double_shear_layer", "ginzburg_landau_plane", "gray_scott_plane", "kolmogorov_flow", "swift_hohenberg"}
ANY_LIBRARY = sorted(
    name for name in problems.names() if "like" in inspect.signature(getattr(problems, name)).parameters
)


@pytest.mark.parametrize("name", ANY_LIBRARY)
def test_periodic_problems_are_made_for_any_array_library_and_precision(name: str) -> None:
    torch = pytest.importorskip("torch")
    size = {"n": 32} if name in IN_THE_PLANE else {}
    ends = {}
    for dtype in (None, torch.float64, torch.float32):
        problem = problems.make(name, like=None if dtype is None else torch.empty(0, dtype=dtype), **size)
        t = problem.t_span[1] / 1000
        solution = expint.solve(problem, "krogstad4", t_span=(0, t), step=t / 2, t_eval=[t])
        ends[dtype] = problem.physical(solution.y_end)
        if problem.exact is not None:
            assert problem.exact(t).dtype == solution.y.dtype
        if dtype is not None:
            assert {ends[dtype].dtype, ends[dtype].real.dtype} <= {dtype, dtype.to_complex()}
            tolerance = {torch.float64: 1e-13, torch.float32: 1e-5}[dtype] * np.max(np.abs(ends[None]))
            np.testing.assert_allclose(ends[dtype].numpy(), ends[None], rtol=0, atol=tolerance)


def test_most_problems_are_made_for_any_array_library() -> None:
    assert len(ANY_LIBRARY) >= 22
