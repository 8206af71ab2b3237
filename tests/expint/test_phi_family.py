"""The action of φ-functions on a random family of matrices: what is chosen is right, and nothing is silently wrong."""

import numpy as np
import pytest
from scipy import sparse

import expint
from expint import Status
from expint.operators import Dense, MatrixFree, Sparse
from expint.phi.action import Accuracy, ActionFailure, phi_action
from expint.phi.chebyshev import Chebyshev
from tests.expint.matrix_family import FACTORS, FAMILY, STENCILS, case, judge, second, ways


@pytest.mark.parametrize("kind", FAMILY)
def test_what_is_chosen_is_right_and_no_way_is_silently_wrong(kind: str) -> None:
    rng = np.random.default_rng(sum(map(ord, kind)))
    for factor in ("1", "1", *rng.choice(list(FACTORS), 2)):
        given = case(kind, str(factor), rng, int(rng.integers(24, 60)), reach=3.3)
        operator = Sparse(sparse.csr_array(given.matrix))
        tolerance = float(rng.choice([1e-4, 1e-8, 2e-12]))
        for name, way in ways(operator, given.exact, given.step):
            if name == "krylov, two back" and given.size > 100:
                continue  # many substeps
            verdict, error, _ = judge(given, way, tolerance)
            accepted = ("right",) if name in ("auto", "krylov") else ("right", "failed")
            assert verdict in accepted, (name, given.name, operator.choice(given.step), given.size, tolerance, error)


def symmetric_differences(n: int) -> dict[str, np.ndarray]:
    """Return symmetric operators for which Gershgorin's circles reach far beyond the spectrum, of norm about 1e4."""
    made = {
        f"order {order}, periodic {periodic}": second(n, order, periodic) for order in STENCILS for periodic in (0, 1)
    }
    made |= {f"squared, {name}": -(d @ d) for name, d in made.items()}
    d = second(n, 2, True)
    made |= {"Kuramoto–Sivashinsky": -(d @ d) - 0.01 * d, "sixth": d @ d @ d, "eighth": -np.linalg.matrix_power(d, 4)}
    return {name: 1e4 * matrix / np.linalg.norm(matrix, 2) for name, matrix in made.items()}


@pytest.mark.parametrize("name", symmetric_differences(8))
def test_runs_with_symmetric_differences_are_those_of_the_filled_matrix(name: str) -> None:
    """n exceeds the largest dimension of a Krylov space; steps are of about the number that the filled matrix takes."""
    n = 128
    matrix = symmetric_differences(n)[name]
    y0, options = np.exp(np.cos(np.linspace(0, 2 * np.pi, n))), {"method": "etd34", "rtol": 1e-5}
    radii = np.abs(matrix).sum(axis=1) - np.abs(np.diag(matrix))
    loose = float(np.min(np.diag(matrix) - radii)), float(np.max(np.diag(matrix) + radii))
    span, exact = (0, 0.1), None
    for linear in (
        Dense(matrix),
        Sparse(sparse.csr_array(matrix)),
        MatrixFree(lambda v: matrix @ v, n, symmetry="symmetric", interval=loose),
    ):
        run = expint.solve_ivp(lambda t, u: u - u**3, span, y0, linear=linear, **options)
        assert run.success
        if exact is None:
            exact, steps = run.y_end, run.stats.steps
        assert np.linalg.norm(run.y_end - exact) <= 2e-5 * np.linalg.norm(exact)
        assert run.stats.steps <= 1.2 * steps + 3


@pytest.mark.parametrize("reach", [0.0, 3.0, 30.0, 300.0, 3e3])
def test_chebyshev_series_are_right_on_loose_intervals_or_fail_by_name(reach: float) -> None:
    """Coefficients are as large as e to the end of the interval; nothing of that size may be left in the result."""
    symbol, rng = -np.geomspace(1e-2, 300.0, 40), np.random.default_rng(4)
    v = rng.standard_normal(40)
    expected = np.exp(symbol) * v
    got = phi_action(lambda u: symbol * u, {(0, 1.0): v}, accuracy=1e-9, propagate=Chebyshev(-400.0, reach))
    assert np.linalg.norm(got - expected) <= 1e-9 * np.linalg.norm(v)
    with pytest.raises(ActionFailure, match=r"narrow the interval where L grows less, take action='krylov'"):
        phi_action(
            lambda u: symbol * u, {(0, 1.0): v}, accuracy=Accuracy(1e-9, products=5000), propagate=Chebyshev(-400, 1e5)
        )


def test_a_bound_that_allows_growth_is_no_reason_for_chebyshev_series() -> None:
    free = MatrixFree(lambda v: -v, 500, symmetry="symmetric", interval=(-400.0, 100.0))
    assert free.choice(0.01) == "chebyshev"
    assert free.choice(1.0) == "krylov"
    assert free.choice(-0.001) == "chebyshev"
    assert free.choice(-1.0) == "krylov"
    turning = MatrixFree(lambda v: -v, 500, symmetry="skew", interval=(-400.0, 100.0))
    assert turning.choice(1.0) == "chebyshev"
    assert not turning.damps(1e3)
    assert free.damps(1.0)
    assert not free.damps(1e-3)


def test_growth_that_is_really_there_is_kept() -> None:
    n = 300
    matrix = sparse.csr_array(3.0 * np.eye(n) + 10 * second(n, 4, True))
    y0 = 1 + 1e-3 * np.cos(np.linspace(0, 2 * np.pi, n, endpoint=False))
    for action in ("auto", "krylov", "chebyshev"):
        run = expint.solve_ivp(lambda t, u: 0 * u, (0, 5), y0, linear=Sparse(matrix, action=action), rtol=1e-8)
        assert run.status is Status.SUCCESS
        assert abs(run.y_end.mean() / np.exp(15.0) - 1) < 1e-7
