"""What holds for all tests: compiled programs are kept between runs, and nothing is downloaded."""

import os
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".pytest_cache" / "compiled"
os.environ.setdefault("NMT_CACHE", str(CACHE))
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
