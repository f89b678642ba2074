"""The command line of a script: its text of help, and a mistake told in one line."""

import argparse
import contextlib
import functools
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from nmt.devices.allocator import let_signals_come
from nmt.errors import NmtError


class ScriptParser(argparse.ArgumentParser):
    """Reads the arguments of a script. A mistake raises NmtError and prints no usage."""

    def __init__(self, file: str, doc: str):
        """Args: `__file__` and `__doc__` of the script; from the latter the help is made."""
        super().__init__(
            prog=f"python scripts/{Path(file).name}",
            description=doc.partition("\n")[0],
            epilog=doc.partition("\n\n")[2],
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def add_overrides(self, configs: str) -> None:
        """Any number of overrides, none too; `configs` says what they are laid over."""
        self.add_argument(
            "overrides",
            nargs="*",
            default=[],  # without which argparse says that one is required
            metavar="section.key=value",
            help=f"laid over {configs}",
        )

    def error(self, message: str) -> NoReturn:
        """What argparse calls for a mistake."""
        raise NmtError(message.removeprefix("argument "))


def at_least_one(text: str) -> int:
    """A number for argparse, 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"1 or more is wanted; got {text}")
    return int(text)


def comma_separated(text: str) -> list[str]:
    """Names for argparse, such as A,B."""
    return [name for name in text.split(",") if name]


def exit_on_sigterm() -> None:
    """Lets SIGTERM end this process by SystemExit, so that what it started is stopped too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


@contextlib.contextmanager
def development_packages(file: str) -> Iterator[None]:
    """Around imports of packages that users need not have: one that is absent is told in one line.

    Args:
      file: `__file__` of the script, whose name stands before the line.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        name = Path(file).stem
        print(f"{name}: {error.name} is missing: pip install -e '.[dev]'", file=sys.stderr)
        sys.exit(2)


def one_line_errors(file: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Of a script's `main`: a mistake is one line on stderr and status 2, being stopped is 130.

    Args:
      file: `__file__` of the script, whose name stands before the line.
    """
    name = Path(file).stem

    def wrap(main: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(main)
        def wrapped(*arguments) -> int:
            try:
                let_signals_come()
                return main(*arguments)
            except NmtError as error:
                print(f"{name}: {error}", file=sys.stderr)
                return 2
            except KeyboardInterrupt:
                print(f"{name}: stopped", file=sys.stderr)
                return 130

        return wrapped

    return wrap
