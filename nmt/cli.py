"""The command `nmt`: finds the command, and turns what a user can cause into one line and a status.

Status 0 is success, 2 a mistake of the user, 128 + n the end by signal n; 1 is a defect of `nmt`,
which leaves its traceback, or the loss of another process. Neither jax nor datasets is imported
before a command needs it.
"""

import atexit
import contextlib
import gc
import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from importlib import import_module

from nmt.devices.allocator import choose_allocator, let_signals_come
from nmt.devices.ending import exit_at_once
from nmt.errors import NmtError, is_out_of_memory, nearest

COMMANDS = {
    "train": "train a model, from a config to a run directory",
    "translate": "translate lines with a trained run",
    "evaluate": "score a trained run on test sets: BLEU, chrF, TER",
    "compare": "compare runs on a test set: scores, significance, by length",
    "align": "write the word links of given pairs, by one run or by two directions",
    "aer": "score word links against those that people made",
    "score": "write the log-probabilities of given translations",
    "plot": "draw the alignment matrix of a sentence and its translation",
    "average": "average the weights of the last checkpoints",
}
MISTAKE = 2
FULL_COLLECTION = 1000  # after so many of the middle generation; Python's own choice is 10
OUT_OF_MEMORY = (
    "out of memory; try a smaller data.batch_pieces or training.num_seeds for training, or "
    "search.batch_sentences or search.beam_size for translating"
)
HELP = f"""usage: nmt COMMAND ...

Neural machine translation in JAX, with alignments.

commands:
{"".join(f"  {name:<10} {purpose}{chr(10)}" for name, purpose in COMMANDS.items())}
options:
  -h, --help     show this text; nmt COMMAND --help tells all about a command
  --version      show the version

example:
  nmt train configs/quickstart.yaml
  nmt evaluate runs/quickstart
  echo "the cat sleeps ." | nmt translate runs/quickstart
  nmt plot runs/quickstart "the cat sleeps ." --output cat.png"""


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP came: it ends the command as Ctrl-C does; nothing is left half-written."""

    def __init__(self, signal_number: int):
        super().__init__()
        self.signal_number = signal_number


def start() -> int:
    """The command as a process of its own, which may be started anew to suit its work.

    It ends without the interpreter's end, which takes half a second once jax is loaded, and aborts
    when a thread of pyarrow still holds a file of Python (apache/arrow issue 45214).
    """
    if sys.argv[1:2] and sys.argv[1] in COMMANDS:
        choose_allocator()
    # To go through all that libraries and traced programs hold takes a tenth of a short command.
    gc.set_threshold(*gc.get_threshold()[:2], FULL_COLLECTION)
    status = 1  # of a defect, which is raised from here
    atexit.register(lambda: exit_at_once(status))  # the first registered is the last to be called
    status = main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is left is to leave
    if status > 128:  # by a signal: threads that still compile would be waited for
        exit_at_once(status)
    return status


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
      arguments: those after "nmt"; None takes the process's own.
    Returns:
      The exit status.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    _prepare_streams()
    try:
        with _logging_to_stderr(), _raising(signal.SIGTERM), _raising(signal.SIGHUP):
            let_signals_come()
            status = _run(arguments)
            if sys.stdout is not None:
                sys.stdout.flush()
            return status
    except NmtError as error:
        return _end(str(error), MISTAKE)
    except BrokenPipeError:  # whoever read our output has seen enough, as `head` does
        _discard_output()
        return 128 + signal.SIGPIPE
    except Terminated as error:
        return _end("terminated", 128 + error.signal_number)
    except KeyboardInterrupt:
        return _end("interrupted", 128 + signal.SIGINT)
    except OSError as error:
        if error.filename is None:
            _discard_output()
            return _end(f"cannot read or write: {error.strerror or error}", MISTAKE)
        return _end(f"{error.filename}: {error.strerror}", MISTAKE)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return _end(OUT_OF_MEMORY, MISTAKE)


def _run(arguments: list[str]) -> int:
    """Runs the command that the first argument names."""
    if not arguments:
        raise NmtError(f"a command is wanted: {', '.join(COMMANDS)}; nmt --help tells more")
    name, rest = arguments[0], arguments[1:]
    if name in ("-h", "--help"):
        print(HELP)
        return 0
    if name == "--version":
        from importlib import metadata  # takes as long to import as all that is above

        print(f"nmt {metadata.version('nmt')}")
        return 0
    if name not in COMMANDS:
        if name.startswith("-"):
            raise NmtError(f"unknown option {name}{nearest(name, ('--help', '--version'))}")
        raise NmtError(f"unknown command {name!r}{nearest(name, COMMANDS)}")
    command = import_module(f"nmt.commands.{name}")
    parser = command.make_parser()
    parsed = parser.parse(rest)
    if parsed is None:
        print(parser.format_help(), end="")
        return 0
    return command.run(parsed)


def _end(message: str, status: int) -> int:
    """Says why the command ends, on one line whatever was in a name or an argument."""
    with contextlib.suppress(OSError):  # of a terminal that was closed
        print("nmt:", _on_one_line(message), file=sys.stderr)
    return status


def _on_one_line(message: str) -> str:
    """The message with a space for a line feed and every other control spelt out.

    Names may come from a stranger, and a terminal does what controls say.
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in message.replace("\n", " ")
    )


def _prepare_streams() -> None:
    """Makes standard output UTF-8 whatever the locale, with file names as they are.

    A standard stream that is closed (`>&-`) lends its number to the next file that is opened, a
    checkpoint, say, into which a library's messages would go then: the null device takes its place.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, which is this one
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (open to the end)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")


def _discard_output() -> None:
    """Lets the interpreter flush stdout at its end without a second error."""
    with contextlib.suppress(OSError, ValueError):
        output = sys.stdout.fileno()
        os.dup2(os.open(os.devnull, os.O_WRONLY), output)


@contextlib.contextmanager
def _logging_to_stderr() -> Iterator[None]:
    """Shows what the package logs, once, even where a library adds a handler of its own."""
    package = logging.getLogger("nmt")
    handler, level, propagate = logging.StreamHandler(), package.level, package.propagate
    handler.setFormatter(_Formatter())
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    package.propagate = False
    try:
        yield
    finally:
        package.removeHandler(handler)
        package.setLevel(level)
        package.propagate = propagate


class _Formatter(logging.Formatter):
    """The message alone, where it is no warning."""

    def format(self, record: logging.LogRecord) -> str:
        prefix = "warning: " if record.levelno >= logging.WARNING else ""
        return prefix + super().format(record)


@contextlib.contextmanager
def _raising(signal_number: int) -> Iterator[None]:
    """Lets a signal unwind the stack, where it would end the process on the spot."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal_number) is not signal.SIG_DFL:
        yield
        return

    def terminate(number, frame):
        raise Terminated(number)

    signal.signal(signal_number, terminate)
    try:
        yield
    finally:
        signal.signal(signal_number, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(start())
