"""Splitting: orders proved in words, and measured on equations whose parts have known flows."""

from fractions import Fraction as F

import numpy as np
import pytest

from expint.derive.splitting import Splitting, splitting_order
from expint.methods.splitting import splitting, splitting_names
from expint.operators import as_operator
from expint.run.split import run_splitting
from expint.solution import Status

WAVENUMBERS = np.fft.fftfreq(32, 1 / 32)
SYMBOL = -1j * WAVENUMBERS**2 / 8


def rotation(t, tau, v):
    """The flow of i (1 + cos t) |u|² u on the grid, exact since |u| stays."""
    u = np.fft.ifft(v)
    return np.fft.fft(np.exp(1j * (tau + np.sin(t + tau) - np.sin(t)) * np.abs(u) ** 2) * u)


def solved(method, steps):
    start = np.fft.fft(np.exp(1j * np.sin(2 * np.pi * np.arange(32) / 32)))
    return run_splitting(method, as_operator(SYMBOL, start), rotation, start, np.linspace(0, 1, steps + 1))


@pytest.mark.parametrize("name", splitting_names())
def test_declared_orders_are_the_proved_ones(name):
    method = splitting(name)
    assert splitting_order(method.a, method.b, max_order=method.order + 1) == method.order


def test_a_splitting_of_commuting_letters_only_is_no_proof():
    assert splitting_order((F(1, 3), F(2, 3)), (1,)) == 1
    assert splitting_order((F(1, 2), F(1, 2)), (F(1, 2),)) == 0  # half of N is left out


@pytest.mark.parametrize("name", splitting_names())
def test_measured_slope_is_the_order_on_a_schroedinger_equation_whose_force_moves(name):
    method = splitting(name)
    reference = solved(splitting("suzuki4"), 512).y_end
    errors = [float(np.max(np.abs(solved(method, steps).y_end - reference))) for steps in (32, 64)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(method.order, abs=0.15)


def test_every_part_keeps_the_norm_and_so_does_the_method():
    solution = solved(splitting("yoshida4"), 16)
    norms = np.linalg.norm(solution.y, axis=1)
    assert np.allclose(norms, norms[0], rtol=1e-12)
    assert solution.success
    assert solution.stats.nonlinear_evaluations == 16 * 3


def test_a_linear_part_alone_is_solved_exactly():
    start = np.array([1.0, 2.0])
    operator = as_operator(np.array([-3.0, 0.5]), start)
    solution = run_splitting(splitting("strang"), operator, lambda t, tau, v: v, start, [0.0, 0.4, 2.0])
    assert np.allclose(solution.y_end, start * np.exp(2 * np.array([-3.0, 0.5])), rtol=1e-14)


def test_states_that_become_infinite_end_the_run_with_a_status():
    start = np.array([1.0])
    operator = as_operator(0.0, start)

    def explosion(t, tau, v):
        return v / (1 - tau * v) if tau * v[0] < 1 else v * np.inf

    solution = run_splitting(splitting("lie"), operator, explosion, start, [0.0, 0.5, 1.5, 2.0])
    assert solution.status is Status.NON_FINITE
    assert solution.t.tolist() == [0.0, 0.5]


def test_methods_that_are_none_are_refused():
    with pytest.raises(ValueError, match="expected one part more in a than in b, received 1 and 1"):
        Splitting("wrong", (1,), (1,), order=1)
    with pytest.raises(ValueError, match="parts a to sum to 1, received 3/2"):
        Splitting("wrong", (1, F(1, 2)), (1,), order=1)
    with pytest.raises(ValueError, match="expected one of the splitting methods lie, strang"):
        splitting("strange")


def test_it_prints_its_parts_and_cites_its_source():
    assert splitting("strang").latex().splitlines()[1] == r"L & \tfrac{1}{2} & \tfrac{1}{2} \\"
    assert splitting("yoshida4").cite().startswith("@article{yoshida1990,")
