"""nmt train: from a config to a run directory."""

import contextlib
import sys
from pathlib import Path

from nmt.commands.arguments import Arguments, CommandParser
from nmt.commands.models import signals_put_off
from nmt.config.reader import read_config
from nmt.devices.compiled_programs import (
    use_compilation_cache,
    use_deterministic_programs,
    use_enough_threads,
)
from nmt.devices.processes import ProcessFlags, ending_together, is_first, start_processes


def make_parser() -> CommandParser:
    """What the command takes."""
    parser = CommandParser(
        "train",
        words="CONFIG [section.key=value ...]",
        purpose="Trains a model as the file CONFIG says, from the corpus to the best checkpoint. "
        "A run that was stopped goes on from there: give the same command again. "
        "section.key=value stands in for a line of the file.",
        examples=[
            "nmt train configs/quickstart.yaml",
            "nmt train configs/quickstart.yaml training.num_steps=200 --run runs/short",
        ],
    )
    parser.add_argument(
        "--run",
        metavar="DIR",
        help="the run directory (default: runs/ and the name of CONFIG without its suffix)",
    )
    parser.add_argument(
        "--coordinator",
        metavar="HOST:PORT",
        help="several processes: where the first of them can be reached; Slurm, TPU pods and "
        "Open MPI tell it themselves",
    )
    parser.add_argument("--num-processes", type=int, metavar="N", help="how many there are")
    parser.add_argument("--process-id", type=int, metavar="I", help="which of them this is, from 0")
    return parser


def run(arguments: Arguments) -> int:
    """Trains; see `nmt train --help`."""
    (config_file,) = arguments.named("CONFIG")
    config = read_config(config_file, arguments.overrides)
    options = arguments.options
    arguments.check_named("--run", "a run directory")
    run_directory = Path(options.run or Path("runs") / Path(config_file).stem)

    flags = ProcessFlags(options.coordinator, options.num_processes, options.process_id)

    with signals_put_off():
        use_enough_threads()
        use_compilation_cache()  # whose folder is by the number of threads
        if config.training.deterministic:
            use_deterministic_programs()
        from nmt.training.loop import Interrupted, train

    start_processes(flags)  # the last thing that is not within `ending_together`

    speaks = is_first()  # of several processes, one
    try:
        with ending_together():
            train(config, run_directory)
    except Interrupted as interrupted:
        if speaks:
            with contextlib.suppress(OSError):  # of a terminal that was closed
                print(f"nmt: {interrupted}", file=sys.stderr)
        return 128 + interrupted.signal_number
    return 0
