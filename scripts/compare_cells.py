"""Trains every recurrent cell for the same time: parameters, speed and validation BLEU of each.

    python scripts/compare_cells.py FOLDER                               # the embedded corpus
    python scripts/compare_cells.py FOLDER --corpus DIR --minutes 5 data.source_language=de ...

Each is configs/quickstart.yaml, or --config, with two layers in the encoder and in the decoder (a
depth gate needs a layer below it) and a constant learning rate, and differs in model.cell alone.
What stands at the end is laid over that, as for `nmt train`. The minutes are a run's own: with
validation and what compiles, without the preparation of the corpus.

Speed is the median of what training logged, in real target tokens a second, validation left out;
BLEU is greedy, of the validation split, at its best. Cells are trained one after the other, or with
--at-once 2 two side by side, each on its share of the cores. Run again, the script goes on where it
stopped, and trains on what was not trained as long; but not on another machine or with another
--at-once, where a row of the table would not be like the others. The table is printed and written
to FOLDER/table.txt, or as an object with --json, and BLEU by minutes is drawn in FOLDER/bleu.png. A
cell that cannot be trained has a row without figures, and the status is 1.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarking.trained_runs import MEASURED, measured
from running.command_line import ScriptParser, at_least_one, exit_on_sigterm, one_line_errors
from running.trainings import Job, end_all, train_all

from nmt.analysis.curves import curve, plot_curves
from nmt.analysis.records import Record, read_records
from nmt.commands.pictures import check_folder
from nmt.config.reader import read_config, to_yaml
from nmt.errors import NmtError, nearest
from nmt.runs.directory import write_atomically

CONFIG = Path(__file__).parents[1] / "configs" / "quickstart.yaml"
OVERRIDES = (
    "model.encoder_layers=2",
    "model.decoder_layers=2",
    "training.num_steps=1000000",  # the minutes end it
    "training.schedule=constant",
    "training.final_learning_rate=0",
    "training.learning_rate=1e-3",
    "training.save_every=250",
    "validation.every=250",
    "validation.aer=false",
)


def results(
    cells: Sequence[str], folder: Path, config: Path, overrides: Sequence[str], at_once: int
) -> list[dict[str, Any]]:
    """A row of the table for each cell; what was measured of the same training is read again.

    Raises:
      SystemExit: a training was stopped, or never began.
    """
    rows = {cell: {"cell": cell} | dict.fromkeys(MEASURED) for cell in cells}
    jobs = []
    for cell in cells:
        job = Job(cell, config, [*overrides, f"model.cell={cell}"], folder / cell)
        kept = _kept(folder, cell)
        before = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
        is_whole = before.get("result", {}).keys() == rows[cell].keys()
        if before.get("config") == _content(job) and is_whole:
            rows[cell] = before["result"]
        else:
            jobs.append(job)

    def done(job: Job) -> None:
        rows[job.name] |= measured(job.run)
        kept = {"config": _content(job), "result": rows[job.name]}
        write_atomically(_kept(folder, job.name), json.dumps(kept, indent=2))

    def failed(job: Job, status: int) -> None:
        stopped = status < 0 or status >= 128  # by a signal
        if stopped or not (job.run / "metrics.jsonl").exists():  # not the cell's fault
            end_all(job, status)

    train_all(jobs, at_once, done, failed)
    return list(rows.values())


def _content(job: Job) -> str:
    """A cell's whole config."""
    return to_yaml(read_config(job.config, job.overrides))


def _kept(folder: Path, cell: str) -> Path:
    """The file with what was measured of a cell."""
    return folder / f"{cell}.json"


def machine() -> dict[str, Any]:
    """Where this is, as a process says that ends: the trainings want all of an accelerator."""
    from benchmarking.machine import describe_machine

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(describe_machine).result()


def check_conditions(folder: Path, conditions: Mapping[str, Any]) -> None:
    """Sees to it that whatever is trained in a folder, at any time, is trained alike.

    Raises:
      NmtError: naming the conditions that are other ones than before.
    """
    kept = folder / "conditions.json"
    if not kept.exists() and not any(folder.glob("*/config.yaml")):
        write_atomically(kept, json.dumps(conditions, indent=2))
    before = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    changed = [
        f"{name} was {before.get(name, 'not kept')} and is {now}"
        for name, now in conditions.items()
        if before.get(name) != now
    ]
    if changed:
        raise NmtError(
            f"the cells of {folder} were trained otherwise: {'; '.join(changed)}; "
            "choose another folder"
        )


def draw(folder: Path, cells: Sequence[str]) -> None:
    """Validation BLEU against minutes, a line for each cell that was validated."""
    records: dict[str, list[Record]] = {
        cell: read_records(path)
        for cell in cells
        if (path := folder / cell / "metrics.jsonl").exists()
    }
    lines = [
        curve(of_cell, "seconds", "validation_bleu", name=cell, x_unit=60)
        for cell, of_cell in records.items()
    ]
    if any(line.x for line in lines):
        plot_curves(lines, folder / "bleu.png", x_label="minutes", y_label="validation BLEU")


def chosen(text: str) -> list[str]:
    """The names of cells, with commas between them."""
    from nmt.models.cells import CELLS

    names = text.split(",") if text else list(CELLS)
    for name in names:
        if name not in CELLS:
            raise argparse.ArgumentTypeError(f"no cell is named {name!r}{nearest(name, CELLS)}")
    return names


@one_line_errors(__file__)
def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line, trains and reports; returns the exit status."""
    parser = ScriptParser(__file__, __doc__)
    add = parser.add_argument
    add("folder", type=Path, help="for runs, table and picture")
    add("--corpus", default="embedded", metavar="PATH", help="data.path (default: embedded)")
    add("--minutes", type=float, default=5, help="of each cell (default: 5)")
    add("--cells", type=chosen, default="", metavar="NAMES", help="a,b,c (default: all)")
    add("--at-once", type=at_least_one, default=1, metavar="N", help="train N cells side by side")
    add("--config", type=Path, default=CONFIG, help="laid under all (default: quickstart)")
    add("--json", action="store_true", help="print one object instead of a table")
    parser.add_overrides("the config")
    return _compare(parser.parse_intermixed_args(arguments))


def _compare(options: argparse.Namespace) -> int:
    from benchmarking.report import report, table

    folder = options.folder
    overrides = [
        *OVERRIDES,
        f"data.path={options.corpus}",
        f"training.max_minutes={options.minutes}",
        *options.overrides,
    ]
    read_config(options.config, overrides)  # so that a mistake is told before anything is trained
    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    described = machine()
    conditions = {name: described[name] for name in ("processor", "cores_used", "device")}
    check_conditions(folder, {"--at-once": options.at_once} | conditions)
    rows = results(options.cells, folder, options.config, overrides, options.at_once)
    write_atomically(folder / "table.txt", table(rows) + "\n")
    draw(folder, options.cells)
    head = {
        "corpus": options.corpus,
        "minutes": options.minutes,
        "config": options.config.name,
        "overrides": " ".join(options.overrides),
        "machine": described,
    }
    report(head, rows, as_json=options.json)
    return 0 if all(row["validation_bleu"] is not None for row in rows) else 1


if __name__ == "__main__":
    exit_on_sigterm()
    sys.exit(main())
