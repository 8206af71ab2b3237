"""Doubled φ-functions are those of twice the argument, also after many doublings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from expint.phi import phi_functions
from expint.phi.doubling import doubled


@given(st.lists(st.complex_numbers(max_magnitude=1e3, allow_nan=False), min_size=1, max_size=5), st.integers(0, 8))
def test_doubling_gives_the_functions_of_twice_the_numbers(numbers: list[complex], p: int) -> None:
    z = np.array([complex(-abs(number.real), number.imag) for number in numbers])
    found = doubled(np.stack(phi_functions(z, p)), np.exp(2 * z))
    np.testing.assert_allclose(found, np.stack(phi_functions(2 * z, p)), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("direction", [-1.0, 1.0, 1j], ids=["decaying", "growing", "rotating"])
def test_errors_do_not_grow_over_twenty_doublings(direction: complex) -> None:
    z = direction * np.linspace(0.0, 3e-5, 40)
    values = np.stack(phi_functions(z, 6))
    for m in range(1, 21):
        values = doubled(values, np.exp(2**m * z))
    exact = np.stack(phi_functions(2**20 * z, 6))
    assert np.max(np.abs(values - exact) / np.maximum(np.abs(exact), 1e-3)) < 1e-12


def test_shapes_and_kinds_are_kept() -> None:
    z = -np.ones((2, 3))
    found = doubled(np.stack(phi_functions(z, 3)), np.exp(2 * z))
    assert found.shape == (4, 2, 3)
    assert found.dtype == np.float64
