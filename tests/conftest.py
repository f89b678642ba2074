"""What holds for all tests: compiled programs are kept between runs, and nothing is downloaded."""

import os
from pathlib import Path

import pytest

CACHE = Path(__file__).parents[1] / ".pytest_cache" / "compiled"
os.environ.setdefault("NMT_CACHE", str(CACHE))
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@pytest.fixture(scope="session", autouse=True)
def compilation_cache():
    """What one test has compiled, the next, and the next run of the tests, need not."""
    from nmt.devices import use_compilation_cache

    use_compilation_cache()
