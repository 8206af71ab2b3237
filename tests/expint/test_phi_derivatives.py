"""Derivatives of φ-functions under torch and JAX: right, of higher order, batched, traced."""

import math

import numpy as np
import pytest
import torch

from expint.phi import phi_functions, phi_matrices

REAL = [-30.0, -3.0, -1e-9, 0.0, 0.5, 4.0, 20.0]
COMPLEX = [1j, -3 + 2j, 0, 5j, -40 + 1j]


def derivative_exactly(z, k, order=1):
    """The integral ∫ (1−s)^m e^{(1−s)z} s^{k−1}/(k−1)! ds by Gauss–Legendre."""
    if k == 0:
        return np.exp(z)
    nodes, weights = np.polynomial.legendre.leggauss(60)
    s = (nodes + 1) / 2
    integrand = (1 - s) ** order * np.exp(np.multiply.outer(z, 1 - s)) * s ** (k - 1) / math.factorial(k - 1)
    return integrand @ weights / 2


@pytest.mark.parametrize("z", [REAL, COMPLEX], ids=["real", "complex"])
def test_torch_gradients_of_first_and_second_order_pass_the_difference_check(z):
    z = torch.tensor(z, dtype=torch.float64 if z is REAL else torch.complex128, requires_grad=True)
    z = z[:5].detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: tuple(phi_functions(z, 3)), (z,), rtol=1e-4)
    assert torch.autograd.gradgradcheck(lambda z: tuple(phi_functions(z, 2)), (z,), rtol=1e-4)


@pytest.mark.parametrize("k", range(5))
def test_torch_gradients_are_the_integrals(k):
    z = torch.tensor(REAL, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(phi_functions(z, 4)[k].sum(), z)
    np.testing.assert_allclose(gradient, derivative_exactly(np.array(REAL), k), rtol=1e-12)


def test_torch_gradients_of_single_precision_are_taken_in_double():
    z = torch.tensor([-1e4, -1e2, -1.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(phi_functions(z, 2)[2].sum(), z)
    expected = [(x - 2) * math.exp(x) / x**3 + 2 / x**3 + 1 / x**2 for x in z.tolist()]  # of (e^x − 1 − x)/x²
    np.testing.assert_allclose(gradient, expected, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")
def test_torch_transformations_compose():
    z = torch.tensor(REAL, dtype=torch.float64)

    def phi_2(z):
        return phi_functions(z, 3)[2]

    first, second = derivative_exactly(np.array(REAL), 2), derivative_exactly(np.array(REAL), 2, order=2)
    np.testing.assert_array_equal(torch.func.vmap(phi_2)(z), phi_2(z))
    np.testing.assert_allclose(torch.func.vmap(torch.func.grad(phi_2))(z), first, rtol=1e-11)
    np.testing.assert_allclose(torch.func.jvp(phi_2, (z,), (torch.ones_like(z),))[1], first, rtol=1e-11)
    np.testing.assert_allclose(torch.func.vmap(torch.func.grad(torch.func.grad(phi_2)))(z), second, rtol=1e-9)


def test_torch_gradients_pass_through_matrices():
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(2, 3, 3, generator=generator, dtype=torch.float64) * torch.tensor([[[1.0]], [[6.0]]])
    assert torch.autograd.gradcheck(lambda a: tuple(phi_matrices(a, 2)), (matrix.requires_grad_(),), rtol=1e-5)


def test_jax_values_are_those_of_numpy_when_traced(jax):
    z = np.concatenate([np.linspace(-30, 30, 401), [-1e4, -1e-12, 0, 650.0]])
    for values in (
        phi_functions(jax.numpy.asarray(z), 8),
        jax.jit(lambda z: phi_functions(z, 8))(z + jax.numpy.zeros(1)),
    ):
        for value, expected in zip(values, phi_functions(z, 8)):
            np.testing.assert_allclose(value, expected, rtol=5e-15, atol=1e-300)


def test_jax_limits_are_those_of_numpy(jax):
    z = np.array([-np.inf, np.inf, np.nan, 0.0])
    for value, expected in zip(phi_functions(jax.numpy.asarray(z), 3), phi_functions(z, 3)):
        np.testing.assert_array_equal(value, expected)


def test_jax_derivatives_are_the_integrals_under_jit_and_vmap(jax):
    def phi_2(z):
        return phi_functions(z, 3)[2]

    z = jax.numpy.asarray(REAL)
    first, second = derivative_exactly(np.array(REAL), 2), derivative_exactly(np.array(REAL), 2, order=2)
    np.testing.assert_allclose(jax.jit(jax.vmap(jax.grad(phi_2)))(z), first, rtol=1e-11)
    np.testing.assert_allclose(jax.vmap(jax.grad(jax.grad(phi_2)))(z), second, rtol=1e-9)
    complex_slopes = jax.vmap(jax.grad(phi_2, holomorphic=True))(jax.numpy.asarray(COMPLEX, dtype=complex))
    np.testing.assert_allclose(complex_slopes, derivative_exactly(np.array(COMPLEX), 2), rtol=1e-11)


def test_jax_without_double_precision_computes_in_single(jax):
    jax.config.update("jax_enable_x64", False)
    z = np.concatenate([np.linspace(-50, 50, 201), [75.0, 100.0]]).astype(np.float32)
    for k, value in enumerate(phi_functions(jax.numpy.asarray(z), 6)):
        assert value.dtype == np.float32
        with np.errstate(over="ignore"):
            np.testing.assert_allclose(value, phi_functions(z, 6)[k], rtol=3e-6)
