"""Shows that a training run that is killed again and again ends as one that was never stopped.

    python scripts/kill_and_resume.py [--kills 30] [--seed 1] [--keep] [--negative-control]

trains a small run twice with `nmt train`: once without a break, and once killed with SIGKILL at
random instants and started again each time by the same command. The instants are spread over what
the run may be doing: its steps, a validation, or a save in the background; and some come before the
first step, while it reads its corpus and compiles. Then everything that the two runs left behind is
compared: each array of each checkpoint bit for bit, and scores, metrics, TensorBoard scalars and
translations, in all but times and rates.

The status is 0 only if nothing differs and (of 20 kills or more) at least 5 fell into each phase.

--negative-control changes one key, training.seed, in the second run. The comparison must then fail,
and the status is 0 only if it does: a comparison that cannot fail would show nothing. --keep leaves
the two runs where they are. Compiled programs are kept in $NMT_CACHE, as always.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from statistics import median

from running.command_line import ScriptParser, one_line_errors

from nmt.config.reader import read_config

PHASES = ("steps", "validation", "saving")
OTHER = "other"  # before the first step
LEAST = 5  # kills in each phase, of 20 or more
TIMES = ("seconds", "tokens_per_second")
SPREAD = 0.85  # the part of the run, from its beginning, over which the kills are spread
WAIT = 600  # seconds that a run may take to come to a phase, or to its end
CONFIG = """\
data:
  path: embedded
  embedded: {num_train: 4000, num_validation: 200, num_test: 10}
  batch_pieces: 1024
  num_shapes: 2
vocabulary: {size: 500, sampling: 0.1}
model: {embedding_dim: 64, encoder_dim: 64, decoder_dim: 128, alignment_dim: 64, readout_dim: 64,
  dropout: 0.2}
training:
  num_steps: 288
  learning_rate: 0.03
  accumulation: 2
  average_decay: 0.95
  schedule: plateau
  plateau_patience: 1
  plateau_factor: 0.8
  patience: 1000
  log_every: 2
  save_every: 5
  keep_last: 2
validation: {every: 12, score: loss, max_sentences: 200, beam_size: 3}
"""


class Failed(Exception):
    """The runs did something else than they should; the message says what."""


class Watch:
    """What a training process is doing, as the files of its run tell anyone who looks."""

    def __init__(self, run: Path):
        """Begins to watch; what is there already was left by processes before."""
        self._log = run / "log.txt"
        self._unfinished = run / "checkpoints" / ".unfinished"
        self._read = self._log.stat().st_size if self._log.exists() else 0
        self._leftover = self._last_change()
        self._validating = self._has_stepped = False
        self.step = 0

    def phase(self) -> str:
        """One of `PHASES` or `OTHER`; a save goes on beside steps and validations, and counts."""
        self._read_log()
        if self._is_saving():
            return "saving"
        if self._validating:
            return "validation"
        return "steps" if self._has_stepped else OTHER

    def _read_log(self) -> None:
        if not self._log.exists():
            return
        with self._log.open("rb") as file:
            file.seek(self._read)
            whole_lines, newline, _ = file.read().rpartition(b"\n")
        self._read += len(whole_lines) + len(newline)
        for line in whole_lines.decode().splitlines():
            found = re.search(r" (?:resuming at )?step (\d+)(.*)", line)
            if found:
                self.step = int(found[1])
                self._validating = found[2] == ": validating"
                self._has_stepped |= found[2] != ""

    def _is_saving(self) -> bool:
        try:
            return any(self._unfinished.iterdir()) and self._last_change() != self._leftover
        except FileNotFoundError:
            return False

    def _last_change(self) -> int | None:
        try:
            return self._unfinished.stat().st_ctime_ns
        except FileNotFoundError:
            return None


def start(config: Path, run: Path, overrides: list[str]) -> subprocess.Popen:
    """Starts or resumes training; what it says goes into a file beside the run."""
    command = [sys.executable, "-m", "nmt.cli", "train", str(config), "--run", str(run), *overrides]
    with run.with_suffix(".stderr").open("ab") as said:
        return subprocess.Popen(command, stdout=said, stderr=said, env=os.environ)


def train_without_a_break(config: Path, run: Path) -> dict[str, float]:
    """Trains to the end; returns how many seconds each phase takes, in the middle."""
    process, watch = start(config, run, []), Watch(run)
    lengths: dict[str, list[float]] = {phase: [] for phase in (OTHER, *PHASES)}
    phase, since = OTHER, time.monotonic()
    while process.poll() is None:
        time.sleep(0.001)
        now = watch.phase()
        if now != phase:
            lengths[phase].append(time.monotonic() - since)
            phase, since = now, time.monotonic()
    check_ended_well(process, run)
    return {phase: median(seconds) for phase, seconds in lengths.items() if seconds}


def check_ended_well(process: subprocess.Popen, run: Path) -> None:
    """Waits for the end of training, which must be a success."""
    if process.wait(WAIT) != 0:
        said = run.with_suffix(".stderr").read_text(errors="replace").strip()
        raise Failed(f"training ended with status {process.returncode}: {said[-2000:]}")


def kill_during(
    phase: str,
    process: subprocess.Popen,
    watch: Watch,
    length: float,
    *,
    first_step: int,
    rng: random.Random,
) -> None:
    """Kills a process at a random instant of a phase.

    Args:
      phase: to wait for.
      process: that is trained in.
      watch: of its run.
      length: how many seconds the phase takes. Other work of the machine makes it longer or
        shorter, so where it ends too early, half as long is tried the next time.
      first_step: not to be killed before this step, unless before its first one.
      rng: chooses the instant.
    """
    begin = time.monotonic()
    while process.poll() is None:
        if time.monotonic() - begin > WAIT:
            raise Failed(f"no {phase} in {WAIT} seconds")
        time.sleep(0.001)
        if watch.phase() != phase or (watch.step < first_step and phase != OTHER):
            continue
        until = time.monotonic() + rng.uniform(0, length)
        while watch.phase() == phase and time.monotonic() < until and process.poll() is None:
            time.sleep(0.0005)
        if watch.phase() == phase or phase == OTHER:  # which does not come again
            process.kill()
            process.wait()
            return
        length /= 2
    raise Failed("training ended before it could be killed as often as was asked for")


def next_phase(counts: Counter, left: int, least: int, rng: random.Random) -> str:
    """Any phase at random, while there are kills enough to have the least in each of them."""
    missing = [phase for phase in PHASES for _ in range(least - counts[phase])]
    return rng.choice(missing if len(missing) >= left else [*PHASES, OTHER])


def train_with_kills(
    config: Path,
    run: Path,
    overrides: list[str],
    kills: int,
    lengths: Mapping[str, float],
    rng: random.Random,
) -> Counter:
    """Trains to the end, killed on the way; prints each kill and counts them by phase."""
    counts: Counter = Counter()
    least = LEAST if kills >= 4 * LEAST else kills // 3
    share = SPREAD * read_config(config).training.num_steps / max(kills, 1)  # of a kill, in steps
    for number in range(1, kills + 1):
        first_step = int(share * (number - rng.random()))
        watch = Watch(run)
        process = start(config, run, overrides)
        try:
            wanted = next_phase(counts, kills - number + 1, least, rng)
            kill_during(wanted, process, watch, lengths[wanted], first_step=first_step, rng=rng)
            phase = watch.phase()  # of a dead process: what was reached in the last moment
        except Failed:
            check_ended_well(process, run)
            raise
        finally:
            process.kill()
            process.wait()
        counts[phase] += 1
        print(f"kill {number} of {kills}: step {watch.step}, {phase}", flush=True)
    check_ended_well(start(config, run, overrides), run)
    too_few = [phase for phase in PHASES if counts[phase] < least]
    if too_few:
        raise Failed(f"fewer than {least} kills hit {' and '.join(too_few)}")
    return counts


def differences(a: Path, b: Path) -> list[str]:
    """Names all that differs between two runs, times and rates left out."""
    found = _differing("checkpoints", _checkpoints(a), _checkpoints(b))
    found += _differing("metrics.jsonl", _metrics(a), _metrics(b))
    found += _differing("tensorboard", _scalars(a), _scalars(b))
    for folder in ("translations", "vocabulary"):
        found += _differing(folder, _files(a / folder), _files(b / folder))
    return found


def _differing(what: str, a: dict, b: dict) -> list[str]:
    """The names whose values differ, or are on one side only."""
    return [f"{what}: {name}" for name in dict.fromkeys((*a, *b)) if a.get(name) != b.get(name)]


def _checkpoints(run: Path) -> dict:
    """Each array of each item of each checkpoint, as bytes; what manifests say; best and last."""
    from nmt.runs.checkpoints import Checkpoints
    from nmt.runs.flat import leaves_by_name

    opened = Checkpoints(run / "checkpoints")
    found = {"last": opened.latest(), "best": opened.best(), "regular": opened.steps()}
    for step in opened.steps():
        manifest = opened.manifest(step)
        found[f"score of {step}"] = manifest.score
        found[f"arrays of {step}"] = manifest.items
        for item in manifest.items:
            for name, leaf in leaves_by_name(opened.load_item(step, item)).items():
                found[f"{step} {item} {name}"] = leaf.tobytes()
    return found


def _metrics(run: Path) -> dict:
    """The records of metrics.jsonl by their number; as text, so that NaN equals itself."""
    from nmt.analysis.records import read_records

    records = read_records(run / "metrics.jsonl")
    kept = [{name: record[name] for name in record if name not in TIMES} for record in records]
    return {f"line {i}, step {record['step']}": repr(record) for i, record in enumerate(kept, 1)}


def _scalars(run: Path) -> dict:
    """The scalars that TensorBoard shows: a start makes it forget the steps from its own on."""
    from tensorboardX.proto.event_pb2 import Event, SessionLog

    shown = {}
    for path in sorted((run / "tensorboard").iterdir()):
        for body in _bodies(path.read_bytes()):
            event = Event.FromString(body)
            if event.session_log.status == SessionLog.START:
                shown = {key: value for key, value in shown.items() if key[1] < event.step}
            for value in event.summary.value:
                if value.tag not in TIMES:
                    shown[value.tag, event.step] = repr(value.simple_value)
    return shown


def _bodies(content: bytes) -> Iterator[bytes]:
    """The records of an event file, each between its length and a checksum; a cut one ends it."""
    while len(content) >= 16:
        end = 12 + int.from_bytes(content[:8], "little")
        if len(content) < end + 4:
            return
        yield content[12:end]
        content = content[end + 4 :]


def _files(folder: Path) -> dict:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def summary(run: Path) -> str:
    """One line about what a run has gone through, to be read beside "the two runs are equal"."""
    from nmt.analysis.records import read_records

    records = read_records(run / "metrics.jsonl")
    rates = [record["learning_rate"] for record in records if "learning_rate" in record]
    cuts = sum(later < earlier for earlier, later in pairwise(rates))
    validations = sum("validation_loss" in record for record in records)
    compared = len(_checkpoints(run)), len(_scalars(run))
    return (
        f"each run: {records[-1]['step']} steps, {validations} validations, {cuts} cuts of the "
        f"learning rate; compared: {compared[0]} arrays and facts of checkpoints, {len(records)} "
        f"records of metrics, {compared[1]} scalars of TensorBoard"
    )


@one_line_errors(__file__)
def main(arguments: list[str] | None = None) -> int:
    """Returns 0 if the runs are as they must be, 1 if not."""
    parser = ScriptParser(__file__, __doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1, help="of the instants")
    parser.add_argument("--keep", action="store_true", help="keep the runs")
    parser.add_argument("--negative-control", action="store_true", help="change a key; must fail")
    options = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="kill_and_resume_"))
    try:
        differences = compare_killed_with_whole(folder, CONFIG, options)
    except Failed as failure:
        print(f"FAILED: {failure}")
        return 1
    finally:
        if options.keep:
            print(f"the runs are in {folder}")
        else:
            shutil.rmtree(folder)
    for difference in differences[:20]:
        print(f"differs: {difference}")
    if options.negative_control:
        print("control: differs, as it must" if differences else "CONTROL FAILED: nothing differs")
        return 0 if differences else 1
    print("FAILED: the runs differ" if differences else "the two runs are equal")
    return 1 if differences else 0


def compare_killed_with_whole(
    folder: Path, config_text: str, options: argparse.Namespace
) -> list[str]:
    """Trains the two runs below a folder and returns what differs; see `main` for the options."""
    config, whole, killed = folder / "small.yaml", folder / "whole", folder / "killed"
    config.write_text(config_text)
    begin = time.monotonic()
    lengths = train_without_a_break(config, whole)
    typical = ", ".join(f"{phase} {seconds:.2f} s" for phase, seconds in lengths.items())
    print(f"trained without a break in {time.monotonic() - begin:.0f} s ({typical})", flush=True)
    overrides = ["training.seed=2"] if options.negative_control else []
    rng = random.Random(options.seed)
    counts = train_with_kills(config, killed, overrides, options.kills, lengths, rng)
    print("kills: " + ", ".join(f"{counts[phase]} in {phase}" for phase in (*PHASES, OTHER)))
    print(summary(whole))
    print(f"all in {time.monotonic() - begin:.0f} s", flush=True)
    return differences(whole, killed)


if __name__ == "__main__":
    sys.exit(main())
