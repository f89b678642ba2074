"""`python -m nmt`, where the command `nmt` is not on the path."""

import sys

from nmt.cli import start

if __name__ == "__main__":
    sys.exit(start())
