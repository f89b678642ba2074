"""The same training on different devices: losses side by side, and the loss of a process.

    python scripts/compare_devices.py --steps 50

trains a small model of each family on the embedded corpus, by `nmt train`, on 1, 2, 4 and 8 virtual
CPU devices and in 2 processes of 2 devices each, with batches dealt out and with parameters dealt
out too; and resumes half of a run on other devices. Then it kills one of two processes and tells
how the other one ends. Exit status 0 only if all losses agree with those of one device to
TOLERANCE, and the process that was left ended within a minute with a line that says why.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from running.command_line import ScriptParser, one_line_errors

from nmt.analysis.records import read_records

TOLERANCE = 1e-4  # relative, of the loss of any step
MINUTE = 60.0
SMALL = (
    "data.embedded.num_train=3000 data.embedded.num_validation=20 "
    "data.num_shapes=2 data.batch_pieces=1024 vocabulary.size=600 "
    "validation.every=100000 validation.max_sentences=8 "
    "training.warmup_steps=0 training.schedule=constant training.log_every=1 "
    "training.save_every=25"
)
FAMILIES = {
    "GRU": "model.embedding_dim=64 model.encoder_dim=64 model.decoder_dim=64 "
    "model.alignment_dim=64 model.readout_dim=64 model.dropout=0.2",
    "Transformer": "model.architecture=transformer model.model_dim=64 model.feedforward_dim=128 "
    "model.num_heads=4 model.encoder_layers=2 model.decoder_layers=2 model.norm=pre",
}


class Place(NamedTuple):
    """Where a training runs."""

    processes: int
    devices: int  # of each process
    model_devices: int = 1

    def __str__(self):
        several = f"{self.processes} x " if self.processes > 1 else ""
        spread = f", {self.model_devices} model" if self.model_devices > 1 else ""
        return f"{several}{self.devices}{spread}"


ONE = Place(1, 1)
PLACES = (
    Place(1, 2),
    Place(1, 4),
    Place(1, 8),
    Place(1, 4, model_devices=2),
    Place(1, 4, model_devices=4),
    Place(2, 2),
    Place(2, 2, model_devices=2),
)


@contextlib.contextmanager
def started(place: Place, run: Path, overrides: Sequence[str]) -> Iterator[list[subprocess.Popen]]:
    """The processes of one training; none of them is left."""
    config = run.with_suffix(".yaml")
    config.write_text("data: {path: embedded}\n")
    command = [sys.executable, "-m", "nmt.cli", "train", str(config), "--run", str(run)]
    command += [*SMALL.split(), f"training.model_devices={place.model_devices}", *overrides]
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": str(place.devices),
    }
    flags = ["--coordinator", f"localhost:{free_port()}", "--num-processes", str(place.processes)]
    processes = []
    for number in range(place.processes):
        of_process = [*flags, "--process-id", str(number)] if place.processes > 1 else []
        processes.append(
            subprocess.Popen(
                [*command, *of_process],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()
            process.stderr.close()


def train(place: Place, run: Path, overrides: Sequence[str]) -> list[float]:
    """Trains to the end; returns the loss of every step."""
    print(f"training {run.name}", file=sys.stderr, flush=True)
    with started(place, run, overrides) as processes:
        ends = [(process.communicate()[1], process.returncode) for process in processes]
    for errors, status in ends:
        if status:
            raise SystemExit(f"training on {place} devices ended with {status}: {errors[-2000:]}")
    return [record["loss"] for record in read_records(run / "metrics.jsonl") if "loss" in record]


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return listener.getsockname()[1]


def compare(family: str, steps: int, folder: Path) -> bool:
    """Prints the losses of a family on all places; returns whether they agree."""
    overrides = [*FAMILIES[family].split(), f"training.num_steps={steps}"]
    losses = {str(ONE): train(ONE, folder / f"{family} {ONE}", overrides)}
    for place in PLACES:
        losses[str(place)] = train(place, folder / f"{family} {place}", overrides)
    half = folder / f"{family} resumed"
    train(Place(1, 4), half, [*overrides[:-1], f"training.num_steps={steps // 2}"])
    losses["4, then 2"] = train(Place(1, 2, 2), half, overrides)

    print(f"\n{family}: loss of each step by devices")
    print("step" + "".join(f"{name:>16}" for name in losses))
    for step, row in enumerate(zip(*losses.values(), strict=True), start=1):
        print(f"{step:4}" + "".join(f"{loss:16.6f}" for loss in row))
    expected = losses[str(ONE)]
    print("most" + " " * 16, end="")
    agree = len(expected) == steps
    for name in list(losses)[1:]:
        most = max(abs(a - b) / b for a, b in zip(losses[name], expected, strict=True))
        print(f"{most:16.1e}", end="")
        agree = agree and most <= TOLERANCE
    print("   relative difference from one device")
    return agree


def kill_one(victim: int, folder: Path) -> bool:
    """Kills one of two processes in the middle; returns whether the other one ended as promised."""
    run = folder / f"killed {victim}"
    overrides = [*FAMILIES["GRU"].split(), "training.num_steps=100000"]
    with started(Place(2, 2), run, overrides) as processes:
        while not (run / "metrics.jsonl").exists() or len(read_records(run / "metrics.jsonl")) < 10:
            time.sleep(0.2)
            if any(process.poll() is not None for process in processes):
                errors = processes[victim].communicate()[1]
                raise SystemExit(f"a process ended early: {errors[-2000:]}")
        processes[victim].send_signal(signal.SIGKILL)
        killed = time.monotonic()
        left = processes[1 - victim]
        try:
            errors = left.communicate(timeout=2 * MINUTE)[1]
        except subprocess.TimeoutExpired:
            print(f"process {victim} killed: the other one still ran after two minutes")
            return False
        seconds, last = time.monotonic() - killed, errors.strip().splitlines()[-1]
    print(f"process {victim} killed: the other one ended with status {left.returncode} after")
    print(f"  {seconds:.1f} s: {last}")
    return seconds < MINUTE and left.returncode == 1 and f"process {victim} of 2 is lost" in last


@one_line_errors(__file__)
def main() -> int:
    """Runs everything; returns the exit status."""
    parser = ScriptParser(__file__, __doc__)
    parser.add_argument("--steps", type=int, default=50)
    steps = parser.parse_args().steps
    with tempfile.TemporaryDirectory() as folder:
        good = [compare(family, steps, Path(folder)) for family in FAMILIES]
        print()
        good += [kill_one(victim, Path(folder)) for victim in (1, 0)]
    print("\nall as on one device" if all(good) else "\nNOT as on one device")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
