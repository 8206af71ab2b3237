"""Eigenvectors of factors: A V = V diag(λ), as well conditioned as they are to be had."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expint.operators.bases.eigen import eigen


def difference(n: int, cell: float) -> np.ndarray:
    """Advection–diffusion differences with cell Péclet number ``cell``."""
    return np.diag(np.full(n, -2.0)) + np.diag(np.full(n - 1, 1 + cell), 1) + np.diag(np.full(n - 1, 1 - cell), -1)


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 12),
    kind=st.sampled_from(["random", "complex", "symmetric", "skew", "circulant", "differences"]),
)
def test_eigenvectors_rebuild_their_matrix(seed: int, n: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    m = rng.standard_normal((n, n))
    matrix = {
        "random": m,
        "complex": m + 1j * rng.standard_normal((n, n)),
        "symmetric": m + m.T,
        "skew": m - m.T,
        "circulant": np.stack([np.roll(m[0], i) for i in range(n)]),
        "differences": rng.choice([-1, 1]) * difference(n, rng.uniform(-0.9, 0.9)),
    }[kind]
    found = eigen(matrix)
    assert found.vectors is not None
    assert found.inverse is not None
    np.testing.assert_allclose(found.vectors @ found.inverse, np.eye(n), atol=1e-13 * found.condition * n)
    rebuilt = (found.vectors * found.values) @ found.inverse
    np.testing.assert_allclose(rebuilt, matrix, atol=1e-13 * found.condition * n * max(1, np.max(np.abs(matrix))))
    if kind in ("symmetric", "skew", "circulant"):
        assert found.condition <= 1 + 1e-8
    if kind in ("symmetric", "differences"):
        assert not np.iscomplexobj(found.values)


def test_the_condition_of_differences_is_that_of_their_exponential_weight() -> None:
    matrix = difference(20, 0.3)
    found = eigen(matrix)
    assert found.condition == pytest.approx(np.linalg.cond(found.vectors), rel=1e-10)
    assert found.condition == pytest.approx((0.7 / 1.3) ** (-19 / 2), rel=1e-10)


def test_a_matrix_without_enough_eigenvectors_says_so() -> None:
    assert eigen(np.array([[1.0, 1.0], [0.0, 1.0]])).condition == np.inf
