"""φ-functions of numbers: accuracy, identities, array namespaces, ends of the range, refusals."""

import functools
import math

import array_api_strict
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from expint.phi import phi_functions
from expint.phi.recurrences import turn, turn_direct, turn_right

from .phi_reference import phi_exactly, ulps

BOUNDS = [4] * 5 + [8] * 4  # ulp, for φ_0 … φ_8
EPS = np.finfo(float).eps

DIRECTIONS = {
    "negative": lambda size: -size,
    "imaginary": lambda size: 1j * size,
    "minus imaginary": lambda size: -1j * size,
    "left half plane": lambda size: size * np.exp(1j * (0.5 + 0.61803398875 * np.arange(len(size)) % 1) * np.pi),
    "positive": lambda size: size[size <= 50],
}

sizes = st.floats(-16, 4).map(lambda exponent: 10.0**exponent)
moderate = st.complex_numbers(max_magnitude=20).filter(lambda z: z.real <= 5)
left = st.tuples(sizes, st.floats(0.5 * math.pi, 1.5 * math.pi)).map(lambda polar: complex(*to_rectangular(*polar)))


def to_rectangular(size, angle):
    return min(size * math.cos(angle), 0.0), size * math.sin(angle)


def sweep(direction):
    """Every scale from 1e-16 to 1e4, and more densely where the two recurrences meet."""
    return DIRECTIONS[direction](np.concatenate([np.logspace(-16, 4, 150), np.linspace(0.5, 50, 250)]))


def assert_within_bounds(z, values):
    errors = ulps(z, values)
    assert all(error <= bound for error, bound in zip(errors, BOUNDS)), f"z = {z!r}: errors {np.round(errors, 2)} ulp"


@pytest.mark.parametrize("p", [1, 4, 8])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_every_scale_and_direction_is_accurate_to_a_few_ulp(direction, p):
    z = sweep(direction)
    values = phi_functions(z, p)
    errors = np.array([ulps(z_i.item(), [value[i].item() for value in values]) for i, z_i in enumerate(z)])
    worst = errors.argmax(axis=0)
    report = [f"φ_{k}: {errors[i, k]:.2f} ulp at {z[i]}" for k, i in enumerate(worst)]
    assert np.all(errors.max(axis=0) <= BOUNDS[: p + 1]), "; ".join(report)


@pytest.mark.parametrize("p", [1, 2, 4, 8])
@pytest.mark.parametrize("direction", [1, -1, 1j, complex(-0.5, 0.5)])
def test_values_are_accurate_on_both_sides_of_where_the_recurrences_turn(p, direction):
    turns = {turn(k) for k in range(1, p + 1)} | {turn_right(k) for k in range(1, p + 1)} | {turn_direct(p)}
    away = 10.0 ** np.random.default_rng(p).uniform(-16, -0.5, 20)
    z = direction / abs(direction) * np.concatenate([np.concatenate([t - away, [t], t + away]) for t in sorted(turns)])
    together = phi_functions(z, p)
    for i, z_i in enumerate(z):
        assert_within_bounds(z_i.item(), [value[i].item() for value in together])


def test_turns_follow_one_another():
    for follow in (turn, turn_right):
        assert all(1 <= follow(k) <= follow(k + 1) for k in range(1, 40))


@given(sizes)
def test_negative_numbers_are_accurate_to_a_few_ulp(size):
    assert_within_bounds(-size, phi_functions(-size, 8))


@given(st.floats(0, 50))
def test_positive_numbers_are_accurate_to_a_few_ulp(z):
    assert_within_bounds(z, phi_functions(z, 8))


@given(left)
def test_the_left_half_plane_is_accurate_to_a_few_ulp(z):
    assert_within_bounds(z, phi_functions(z, 8))


@given(sizes, st.sampled_from([1, -1]))
def test_imaginary_numbers_are_accurate_to_a_few_ulp(size, sign):
    assert_within_bounds(complex(0, sign * size), phi_functions(complex(0, sign * size), 8))


@given(st.floats(-30, 30), st.integers(9, 25))
def test_indices_beyond_eight_stay_accurate(z, p):
    exact = [float(value) for value in phi_exactly(z, p)]
    np.testing.assert_allclose(phi_functions(z, p), exact, rtol=20 * EPS)


@given(moderate)
def test_recurrence_links_neighbouring_indices(z):
    values = phi_functions(z, 9)
    for k in range(9):
        error = abs(z * values[k + 1] + 1 / math.factorial(k) - values[k])
        assert error <= 12 * EPS * (abs(z * values[k + 1]) + 1 / math.factorial(k))


@given(moderate)
def test_conjugate_arguments_give_conjugate_values(z):
    assert phi_functions(z.conjugate(), 5) == [value.conjugate() for value in phi_functions(z, 5)]


@given(moderate)
def test_doubling_formula_holds_for_complex_arguments(z):
    once, twice = phi_functions(z, 6), phi_functions(2 * z, 6)
    for k in range(7):
        terms = [once[0] * once[k], *(once[j] / math.factorial(k - j) for j in range(1, k + 1))]
        assert abs(sum(terms) / 2**k - twice[k]) <= 30 * EPS * sum(map(abs, terms)) / 2**k


@given(moderate, st.floats(0.01, 1), st.floats(0.01, 1))
def test_two_steps_of_any_lengths_compose_to_one(z, s, t):
    # w_k(t) = t^k φ_k(tz) solves w' = z w + t^(k−1)/(k−1)!
    first, second, both = phi_functions(s * z, 5), phi_functions(t * z, 5), phi_functions((s + t) * z, 5)
    for k in range(6):
        terms = [second[0] * s**k * first[k]]
        terms += [s ** (k - j) / math.factorial(k - j) * t**j * second[j] for j in range(1, k + 1)]
        error = abs(sum(terms) - (s + t) ** k * both[k])
        assert error <= (30 + 4 * abs(z)) * EPS * sum(map(abs, terms))  # s z + t z is not (s + t) z


@given(moderate)
def test_values_are_the_defining_integrals(z):
    nodes, weights = np.polynomial.legendre.leggauss(40)
    s = (nodes + 1) / 2
    for k, value in enumerate(phi_functions(z, 6)[1:], start=1):
        integrand = np.exp((1 - s) * z) * s ** (k - 1) / math.factorial(k - 1)
        rounding = 1e-13 * (weights @ abs(integrand)) / 2  # of NumPy's nodes and weights, 1e-14 or so
        assert abs(weights @ integrand / 2 - value) <= rounding


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_single_precision_is_computed_in_double_and_rounded_once(dtype):
    z = np.concatenate([sweep("negative"), sweep("positive"), sweep("left half plane")])
    z = (z if dtype is np.complex64 else z.real).astype(dtype)
    double = phi_functions(z.astype(np.complex128 if dtype is np.complex64 else np.float64), 5)
    for value, exact in zip(phi_functions(z, 5), double):
        assert value.dtype == dtype
        np.testing.assert_array_equal(value, exact.astype(dtype))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_double_and_rounded_once(dtype):
    z = torch.linspace(-20, 5, 101).to(dtype)
    for value, exact in zip(phi_functions(z, 3), phi_functions(z.double(), 3)):
        assert value.dtype == dtype
        assert torch.equal(value, exact.to(dtype))


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_numpy_torch_and_the_strict_namespace_agree(direction):
    z = sweep(direction)
    expected = phi_functions(z, 8)
    for make, namespace in (
        (torch.as_tensor, torch.Tensor),
        (array_api_strict.asarray, array_api_strict.asarray(0).__class__),
    ):
        for k, (value, reference) in enumerate(zip(phi_functions(make(z), 8), expected)):
            assert isinstance(value, namespace)
            scale = np.maximum(abs(reference), k / ((1 + abs(z)) * math.factorial(k)))
            assert np.all(abs(np.asarray(value) - reference) <= 6 * EPS * scale)


def test_a_value_does_not_depend_on_its_neighbours():
    z = np.random.default_rng(0).permutation(np.concatenate([sweep("negative"), sweep("positive"), [700.0, np.nan]]))
    together = np.array(phi_functions(z, 4))
    np.testing.assert_allclose(np.array([phi_functions(z_i, 4) for z_i in z]).T, together, rtol=2 * EPS)


def test_long_arrays_are_evaluated_in_blocks_without_seams():
    z = np.random.default_rng(0).uniform(-20, 3, (7, 9973))
    for value, pieces in zip(phi_functions(z, 2), zip(*[phi_functions(row, 2) for row in z])):
        np.testing.assert_allclose(value, pieces, rtol=2 * EPS)


@given(st.integers(-30, 30))
def test_integers_count_as_doubles(n):
    assert phi_functions(n, 4) == phi_functions(float(n), 4)
    assert [v.item() for v in phi_functions(np.array([n]), 4)] == phi_functions(float(n), 4)


def test_the_kind_and_the_shape_of_the_argument_are_kept():
    assert all(type(value) is float for value in phi_functions(-1.5, 2))
    assert all(type(value) is complex for value in phi_functions(1j, 2))
    assert all(type(value) is np.float32 for value in phi_functions(np.float32(1), 2))
    assert all(type(value) is np.float64 for value in phi_functions(np.float64(1), 2))
    assert all(value.shape == () for value in phi_functions(np.array(1.0), 2))
    assert all(value.shape == (3, 0, 2) for value in phi_functions(np.zeros((3, 0, 2)), 2))
    assert all(value.shape == (2, 3) and value.dtype == complex for value in phi_functions(np.zeros((2, 3)) + 0j, 2))
    assert all(value.shape == (2,) for value in phi_functions([1, 2.5], 2))
    assert len(phi_functions(1.0, 0)) == 1


@pytest.mark.parametrize(
    "make", [float, np.array, functools.partial(torch.tensor, dtype=torch.float64), array_api_strict.asarray]
)
def test_the_ends_of_the_range_have_their_limits(make):
    def values(z, p=4):
        return [float(value) for value in phi_functions(make(z), p)]

    assert values(-math.inf) == [0] * 5
    assert values(math.inf) == [math.inf] * 5
    assert all(map(math.isnan, values(math.nan)))
    for zero in (0.0, -0.0, 5e-324):
        assert values(zero) == [1 / math.factorial(k) for k in range(5)]
    assert values(-1e300, 2) == pytest.approx([0, 1e-300, 1e-300], rel=1e-15)


def test_complex_minus_infinity_gives_zero():
    for make in (np.array, torch.tensor):
        assert all(complex(value) == 0 for value in phi_functions(make(complex(-math.inf, 0)), 4))


def test_quotients_are_finite_where_only_the_exponential_overflows():
    values = phi_functions(712.0, 3)
    assert values[0] == math.inf
    np.testing.assert_allclose(values[1:], [float(v) for v in phi_exactly(712.0, 3)[1:]], rtol=1e-14)


@pytest.mark.parametrize("p", [-1, 1.0, 1.5, "2", None, True])
def test_an_index_that_is_no_natural_number_is_refused(p):
    with pytest.raises(ValueError, match=r"integer ≥ 0, received"):
        phi_functions(1.0, p)


@pytest.mark.parametrize("z", ["1", None, True, np.array([True]), np.longdouble(1)])
def test_what_is_not_a_number_of_double_precision_is_refused(z):
    if isinstance(z, np.longdouble) and np.finfo(np.longdouble).bits <= 64:
        pytest.skip("long double is double here")
    with pytest.raises(TypeError, match="expected z with a real, complex or integer dtype"):
        phi_functions(z, 2)
