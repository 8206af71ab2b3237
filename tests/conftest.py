"""Settings and fixtures shared by all tests."""

from collections.abc import Iterator
from types import ModuleType

import pytest
from hypothesis import settings

settings.register_profile("default", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("default")


@pytest.fixture
def jax() -> Iterator[ModuleType]:
    """JAX in double precision, for one test."""
    jax = pytest.importorskip("jax")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield jax
    jax.config.update("jax_enable_x64", before)
