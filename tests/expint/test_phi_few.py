"""Few numbers are evaluated in order of size: what comes out is what many numbers get regime by regime."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from expint.phi import phi_functions
from expint.phi.short_arrays import MOST, phi_of_few

EPS = np.finfo(float).eps
left = st.floats(-800, 0.999) | st.floats(-9, 0.999) | st.floats(-1e-3, 1e-3) | st.just(-np.inf) | st.just(-0.0)
complexes = st.complex_numbers(max_magnitude=50, allow_nan=False, allow_infinity=False)


def among_many(z: np.ndarray, p: int) -> np.ndarray:
    """Return φ_0(z), …, φ_p(z) as evaluated in an array of more than MOST numbers."""
    others = np.resize(np.array([-0.3, -2.0, -20.0]), MOST)
    return np.array(phi_functions(np.concatenate([z.reshape(-1), others]), p))[:, : z.size].reshape(p + 1, *z.shape)


@given(st.lists(left, max_size=60), st.integers(1, 12))
def test_real_numbers_agree_to_the_last_bit(numbers: list[float], p: int) -> None:
    z = np.array(numbers)
    few = phi_of_few(z, p)
    assert few is not None
    np.testing.assert_array_equal(few, among_many(z, p))
    np.testing.assert_array_equal(np.array(phi_functions(z, p)).reshape(few.shape), few)


@given(st.lists(complexes, max_size=60), st.integers(1, 8))
def test_complex_numbers_agree_to_rounding(numbers: list[complex], p: int) -> None:
    """Not to the last bit: NumPy multiplies a single complex number otherwise than many."""
    z = np.array(numbers, dtype=complex)
    few = phi_of_few(z, p)
    assert few is not None
    many = among_many(z, p)
    for k, (one, other) in enumerate(zip(few, many)):
        scale = np.maximum(abs(other), k / ((1 + abs(z)) * float(np.prod(np.arange(1.0, k + 1)))))
        assert np.all(abs(one - other) <= 2 * EPS * scale)


def test_shapes_and_values_that_are_no_numbers_stay_in_place() -> None:
    z = np.array([[-3.0, np.nan, 0.5], [-70.0, -0.0, -1.0]])
    few = phi_of_few(z, 3)
    assert few is not None
    assert few.shape == (4, 2, 3)
    np.testing.assert_array_equal(np.isnan(few[2]), np.isnan(z))
    np.testing.assert_array_equal(few[:, 1], among_many(z[1], 3))


@pytest.mark.parametrize("z", [[-1.0, 1.0], [np.inf], [1j, 601.0 + 0j]])
def test_numbers_of_other_regimes_are_left_to_others(z: list[complex]) -> None:
    assert phi_of_few(np.array(z), 2) is None
