"""nmt average: the mean of the last checkpoints, as a checkpoint to translate with."""

from nmt.commands.arguments import Arguments, CommandParser, positive
from nmt.commands.models import signals_put_off
from nmt.runs.directory import RunDirectory


def make_parser() -> CommandParser:
    """What the command takes."""
    parser = CommandParser(
        "average",
        words="RUN",
        purpose="Averages the weights of the last checkpoints of RUN (Vaswani et al. 2017, section "
        "6.1) into a checkpoint of its own, which other commands take with --checkpoint average. "
        "It often translates better than each of them. Training keeps training.keep_last "
        "checkpoints.",
        examples=[
            "nmt average runs/mine",
            "nmt average runs/mine --last 3",
            "nmt evaluate runs/mine --checkpoint average",
        ],
    )
    parser.add_argument(
        "--last",
        metavar="N",
        type=positive,
        help="how many checkpoints (default: 5, or as many as are kept)",
    )
    return parser


def run(arguments: Arguments) -> int:
    """Averages; see `nmt average --help`."""
    (path,) = arguments.named("RUN")
    run_directory = RunDirectory.open(path)
    arguments.refuse_overrides()
    config = run_directory.read_config()

    with signals_put_off():
        from nmt.runs.averaging import average_last
        from nmt.runs.checkpoints import Checkpoints

    with run_directory.locked():
        checkpoints = Checkpoints(run_directory.checkpoints, keep_last=config.training.keep_last)
        try:
            steps = average_last(checkpoints, arguments.options.last)
        finally:
            checkpoints.close()
    number = f"{len(steps)} checkpoints" if len(steps) > 1 else "1 checkpoint"
    print(f"averaged {number}, of steps {', '.join(map(str, steps))}: --checkpoint average")
    return 0
