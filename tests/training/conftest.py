import jax
import pytest


@pytest.fixture(scope="package", autouse=True)
def cheap_compilation():
    """Models this small run in no time; compiling them well would take most of it."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
