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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse names of tests that are whole tables: give ``ids=`` a function that returns names."""
    long = [item.nodeid for item in items if len(item.name) > 200]
    if long:
        raise pytest.UsageError(f"expected names of tests of at most 200 characters, received {long[0]!r}")


def name_of(value: object) -> str:
    """The name of a method for the name of a test."""
    return str(getattr(value, "name", value))
