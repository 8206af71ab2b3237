"""Fourier and Chebyshev grids: transforms invert, derivatives are exact, dealiasing removes what would alias."""

import array_api_strict
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from expint.spectral import Chebyshev, Fourier

sizes = st.integers(4, 65)
lengths = st.floats(0.5, 100)
starts = st.floats(-10, 10)


def random_modes(n: int, highest: int, seed: int) -> np.ndarray:
    """Coefficients 0 … n//2 of a real trigonometric polynomial of degree ``highest``."""
    rng = np.random.default_rng(seed)
    v = np.zeros(n // 2 + 1, dtype=complex)
    v[: highest + 1] = rng.normal(size=highest + 1) + 1j * rng.normal(size=highest + 1)
    v[0] = v[0].real
    return v


@settings(max_examples=40)
@given(sizes, lengths, starts, st.booleans())
def test_the_inverse_transform_undoes_the_transform(n: int, length: float, start: float, real: bool) -> None:
    grid = Fourier(n, length, start, real=real)
    rng = np.random.default_rng(n)
    u = rng.normal(size=(2, n)) + (0 if real else 1j * rng.normal(size=(2, n)))
    assert grid.fft(u).shape == (2, *grid.k.shape)
    np.testing.assert_allclose(grid.ifft(grid.fft(u)), u, rtol=0, atol=1e-13)


@settings(max_examples=40)
@given(sizes, lengths, starts, st.booleans())
def test_the_symbols_differentiate_trigonometric_polynomials_exactly(
    n: int, length: float, start: float, real: bool
) -> None:
    grid = Fourier(n, length, start, real=real)
    unit = 2 * np.pi / length
    for mode in range((n - 1) // 2 + 1):
        k = unit * mode
        u, du, dddu = np.sin(k * grid.x + 0.3), k * np.cos(k * grid.x + 0.3), -(k**3) * np.cos(k * grid.x + 0.3)
        scale = 1e-11 * (1 + n * unit) * (1 + np.max(np.abs(k * grid.x)))
        derivative, third = (grid.ifft(symbol * grid.fft(u)) for symbol in (grid.derivative, grid.third_derivative))
        second = grid.ifft(-(grid.k**2) * grid.fft(u))
        np.testing.assert_allclose(derivative, du, rtol=0, atol=scale)
        np.testing.assert_allclose(second, -(k**2) * u, rtol=0, atol=scale * (1 + n * unit))
        np.testing.assert_allclose(third, dddu, rtol=0, atol=scale * (1 + n * unit) ** 2)


@pytest.mark.parametrize("real", [True, False])
@pytest.mark.parametrize("n", [4, 16, 62])
def test_the_nyquist_mode_of_an_even_grid_has_no_odd_derivative(n: int, real: bool) -> None:
    grid = Fourier(n, real=real)
    sawtooth = (-1.0) ** np.arange(n) + (0 if real else 0j)
    for symbol in (grid.derivative, grid.third_derivative):
        np.testing.assert_allclose(grid.ifft(symbol * grid.fft(sawtooth)), 0, atol=1e-15 * n**3)
        assert np.sum(symbol == 0) == 2  # the mean and the Nyquist mode
    np.testing.assert_allclose(grid.ifft(-(grid.k**2) * grid.fft(sawtooth)), -((n / 2) ** 2) * sawtooth, rtol=1e-12)


@pytest.mark.parametrize("real", [True, False])
@pytest.mark.parametrize("n", [5, 17, 63])
def test_an_odd_grid_has_no_nyquist_mode(n: int, real: bool) -> None:
    assert np.sum(Fourier(n, real=real).derivative == 0) == 1


@settings(max_examples=60)
@given(st.integers(6, 65), st.sampled_from([2, 3]), st.integers(0, 2**16))
def test_dealiased_powers_are_the_powers_without_aliases(n: int, power: int, seed: int) -> None:
    grid, keep = Fourier(n), 2 / (1 + power)
    fine = Fourier(8 * n)
    v = grid.dealias(random_modes(n, n // 2, seed), keep)
    padded = np.zeros(8 * n // 2 + 1, dtype=complex)
    padded[: len(v)] = v
    u = fine.ifft(padded) * 8
    exact = fine.fft(u**power)[: len(v)] / 8
    np.testing.assert_allclose(
        grid.dealias(grid.fft(grid.ifft(v) ** power), keep), grid.dealias(exact, keep), rtol=0, atol=1e-11
    )


@settings(max_examples=60)
@given(st.integers(4, 200), st.sampled_from([1 / 3, 0.4, 1 / 2, 2 / 3, 0.9]), st.booleans())
def test_dealiasing_keeps_the_modes_below_the_cut_and_nothing_else(n: int, keep: float, real: bool) -> None:
    grid = Fourier(n, real=real)
    kept = grid.dealias(np.ones(grid.k.shape, dtype=complex), keep)
    modes = np.abs(np.round(grid.k))
    np.testing.assert_array_equal(kept, modes < keep * n / 2 - 1e-9)


def test_dealiased_terms_see_and_return_only_modes_below_the_cut() -> None:
    grid = Fourier(32)
    seen: list[np.ndarray] = []

    def nonlinear(t: float, v: np.ndarray, factor: float) -> np.ndarray:
        seen.append(v)
        return factor * np.ones_like(v)

    v = np.ones(17, dtype=complex)
    result = grid.dealiased(nonlinear)(0.0, v, 3.0)
    np.testing.assert_array_equal(seen[0], grid.dealias(v))
    np.testing.assert_array_equal(result, 3 * grid.dealias(v))
    assert np.sum(result != 0) == 11  # modes 0 … 10, since 3 · 10 < 32 ≤ 3 · 11


@pytest.mark.parametrize(
    "like", [np.zeros(1, np.float32), torch.zeros(1), torch.zeros(1, dtype=torch.float64), array_api_strict.zeros(1)]
)
def test_a_grid_made_like_an_array_lives_where_the_array_lives(like: object) -> None:
    grid = Fourier(16, length=3.0, like=like)
    plain = Fourier(16, length=3.0)
    for name in ("x", "k", "derivative", "third_derivative"):
        assert isinstance(getattr(grid, name), type(like))
        np.testing.assert_allclose(np.asarray(getattr(grid, name)), getattr(plain, name), rtol=1e-6)
    assert grid.x.dtype == grid.k.dtype == like.dtype
    back = grid.ifft(grid.dealias(grid.fft(grid.x)))
    assert back.dtype == like.dtype
    expected = plain.ifft(plain.dealias(plain.fft(plain.x)))
    np.testing.assert_allclose(np.asarray(back), expected, rtol=0, atol=1e-6)


def test_arrays_of_another_library_are_refused() -> None:
    with pytest.raises(
        TypeError, match=r"expected an array of numpy, as the grid was made for.*make the grid with like"
    ):
        Fourier(16).fft(torch.zeros(16))
    with pytest.raises(TypeError, match="expected an array of torch, as the grid was made for"):
        Fourier(16, like=torch.zeros(1)).ifft(np.zeros(9))


def test_grids_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="expected at least 4 grid points, received n = 3"):
        Fourier(3)
    for length in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match=f"expected a positive length, received {length}"):
            Fourier(8, length)
    for keep in (0.0, -0.5, 1.5):
        with pytest.raises(ValueError, match=rf"expected keep in \(0, 1\], received {keep}"):
            Fourier(8).dealias(np.zeros(5), keep)
    with pytest.raises(ValueError, match="expected polynomial degree n of at least 2, received 1"):
        Chebyshev(1)


@pytest.mark.parametrize("n", [2, 3, 8, 17, 32])
def test_the_chebyshev_matrix_differentiates_polynomials_exactly(n: int) -> None:
    grid = Chebyshev(n)
    rng = np.random.default_rng(n)
    p = np.polynomial.Chebyshev(rng.normal(size=n + 1))
    np.testing.assert_allclose(grid.derivative @ p(grid.x), p.deriv()(grid.x), rtol=0, atol=1e-12 * n**4)
    np.testing.assert_allclose(grid.derivative @ np.ones(n + 1), 0, atol=1e-13 * n**2)


@pytest.mark.parametrize("n", [3, 8, 17])
def test_the_inner_laplacian_acts_on_functions_that_vanish_at_the_ends(n: int) -> None:
    grid = Chebyshev(n)
    p = np.polynomial.Polynomial([1, 0, -1]) * np.polynomial.Polynomial(np.arange(1.0, n) / n)
    expected = p.deriv(2)(grid.x[1:-1])
    np.testing.assert_allclose(grid.interior_laplacian @ p(grid.x[1:-1]), expected, rtol=0, atol=1e-13 * n**4)


@pytest.mark.parametrize("n", [2, 5, 64])
def test_chebyshev_points_are_ascending_and_symmetric_to_the_last_bit(n: int) -> None:
    x = Chebyshev(n).x
    np.testing.assert_array_equal(x, -x[::-1])
    np.testing.assert_allclose(x, np.cos(np.pi * np.arange(n, -1, -1) / n), rtol=0, atol=1e-15)
    assert np.all(np.diff(x) > 0)
    assert x[-1] == 1


def test_grids_say_what_they_are() -> None:
    assert repr(Fourier(128, 2.0, -1.0)) == "Fourier(128 points on [-1, 1), real)"
    assert repr(Fourier(16, 1.0, real=False)) == "Fourier(16 points on [0, 1), complex)"
    assert repr(Chebyshev(8)) == "Chebyshev(9 points on [-1, 1])"


@pytest.mark.parametrize("make", [np.asarray, torch.asarray])
def test_complex_values_on_a_real_grid_are_refused_by_name(make):
    grid = Fourier(8, like=make(np.zeros(1)))
    with pytest.raises(TypeError, match=r"expected real values on a real grid, received .*complex128; make the grid"):
        grid.fft(make(np.ones(8) * 1j))
