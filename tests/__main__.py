"""`python -m tests`: pytest, with the allocator that nmt chooses for its own work.

Tests compile for most of their time, which takes 7 % less with it.
"""

import sys

import pytest

from nmt.devices.allocator import choose_allocator, let_signals_come

if __name__ == "__main__":
    choose_allocator()
    let_signals_come()
    sys.exit(pytest.main())
