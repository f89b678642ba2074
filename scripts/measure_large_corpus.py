"""Measures memory and time of training on a corpus that is larger than memory may hold.

    python scripts/measure_large_corpus.py FOLDER

writes a corpus of 5 million pairs into FOLDER, trains a small model on it for 100 steps with the
real `nmt train`, in a process of its own, and looks at that process's anonymous memory (RssAnon of
/proc/PID/status: what the system cannot drop, unlike mapped files) several times a second. The
same is done with a corpus of 20,000 pairs first: what that takes is the model's own, the compiler
and the libraries included. The tables have seconds, seconds of all cores, and memory by phase. The
status is 0 if the large corpus took less than 2 GiB while it was prepared, and less than 2 GiB more
than the small one in all; 1 if not; 2 where a training failed.

The text is made up: words of syllables, drawn by Zipf's law from a lexicon of 60,000; sentences of
5 to 40 words; each word has one translation, neighbours change places now and then, and some pairs
come twice. Sentences are drawn from one seed, so the corpus is always the same.
"""

import os
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from running.command_line import ScriptParser, at_least_one, one_line_errors

from nmt.commands.pictures import check_folder

GIB = 1 << 20  # in KiB, as /proc has it
CHUNK = 10_000  # pairs that are made at a time
LEXICON = 60_000
REPEATED = 0.03  # of the pairs are copies of an earlier one
BASELINE_PAIRS = 20_000

CONFIG = """
data:
  path: {corpus}
  num_shapes: 4
  batch_pieces: 2048
vocabulary:
  size: 8000
  max_sentences: {max_sentences}
model:
  architecture: recurrent
  embedding_dim: 128
  encoder_dim: 128
  decoder_dim: 256
  alignment_dim: 128
  readout_dim: 128
training:
  num_steps: {num_steps}
  log_every: 20
validation:
  every: 1000000
  max_sentences: 20
"""

# What `nmt train` says when a phase begins or ends: the phases, each with the line that ends it.
PREPARATION = ("cleaning", "vocabulary", "encoding", "shapes and batches")
PHASES = (
    ("cleaning", r"cleaning: .* pairs in "),
    ("vocabulary", r"vocabulary: "),
    ("encoding", r"encoding: .* pairs in "),
    ("shapes and batches", r"[\d,]+ parameters"),
    ("compiling", r"step 20, "),
    ("steps", r"finished "),
    ("end", r"$^"),  # no line is like this
)


@cache
def make_lexicon(side: str) -> np.ndarray:
    """Different words of one to four syllables, frequent ones short, as an array of objects."""
    consonants, vowels = list("bcdfghjklmnpqrstvwxz"), ["a", "e", "i", "o", "u", "é", "ü", "ai"]
    syllables = [c + v for c in consonants for v in vowels]
    rng = random.Random(f"lexicon, {side}")
    words: dict[str, None] = {}
    while len(words) < LEXICON:
        most = 1 + min(3, int(np.log10(len(words) + 1)))
        words["".join(rng.choices(syllables, k=rng.randint(1, most)))] = None
    return np.array(list(words), object)


def make_pairs(num_pairs: int, seed: int) -> Iterator[tuple[str, str]]:
    """The pairs of a corpus; the lexicons are the same for all seeds."""
    lexicons = [make_lexicon(side) for side in ("source", "target")]
    cumulative = np.cumsum(1 / np.arange(1, LEXICON + 1))
    rng = np.random.default_rng(seed)
    for start in range(0, num_pairs, CHUNK):
        ends = np.cumsum(rng.integers(5, 41, min(CHUNK, num_pairs - start)))
        ids = np.searchsorted(cumulative, rng.random(ends[-1]) * cumulative[-1])
        swapped = np.flatnonzero(rng.random(len(ids) // 2) < 0.2) * 2
        moved = ids.copy()
        moved[swapped], moved[swapped + 1] = ids[swapped + 1], ids[swapped]
        sides = lexicons[0][ids], lexicons[1][moved]
        pairs = [
            tuple(" ".join(side[begin:end]) for side in sides)
            for begin, end in zip([0, *ends[:-1]], ends, strict=True)
        ]
        for copy in np.flatnonzero(rng.random(len(pairs)) < REPEATED):
            pairs[copy] = pairs[rng.integers(0, copy + 1)]
        yield from pairs


def write_corpus(folder: Path, num_pairs: int) -> None:
    """Writes train, validation and test as parallel text, unless they are there already."""
    done = folder / "complete"
    if done.exists() and done.read_text() == str(num_pairs):
        return
    folder.mkdir(parents=True, exist_ok=True)
    done.unlink(missing_ok=True)  # what is written over is no corpus until all of it is there
    for seed, (split, size) in enumerate(
        (("validation", 500), ("test", 500), ("train", num_pairs))
    ):
        with (
            (folder / f"{split}.en").open("w", encoding="utf-8") as source,
            (folder / f"{split}.fr").open("w", encoding="utf-8") as target,
        ):
            for source_text, target_text in make_pairs(size, seed):
                source.write(f"{source_text}\n")
                target.write(f"{target_text}\n")
    done.write_text(str(num_pairs))


@dataclass
class Watch:
    """What was seen of a process, by phase.

    Attributes:
      seconds, core_seconds: by the clock, and of work summed over cores.
      peaks: the most anonymous memory, in KiB.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    core_seconds: dict[str, float] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)
    _phase: int = 0
    _begun: tuple[float, float] = (0.0, 0.0)  # by the clock, and core seconds
    _worked: float = 0.0

    def begin(self) -> None:
        """The process starts now."""
        self._begun = time.monotonic(), 0.0

    def peak(self, phases: Iterable[str]) -> int:
        """The most of some phases."""
        return max((self.peaks.get(phase, 0) for phase in phases), default=0)

    def hear(self, line: str) -> None:
        """A line that the process said: the phase ends that such a line ends, and those before."""
        for number in range(self._phase, len(PHASES)):
            if re.match(PHASES[number][1], line):
                now = time.monotonic(), self._worked
                phase = PHASES[number][0]
                self.seconds[phase] = now[0] - self._begun[0]
                self.core_seconds[phase] = now[1] - self._begun[1]
                self._phase, self._begun = number + 1, now
                return

    def look(self, pid: int) -> None:
        """Looks at the memory of the process now."""
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        except OSError:
            return  # it has just ended
        if found := re.search(r"RssAnon:\s+(\d+) kB", status):
            phase = PHASES[self._phase][0]
            self._worked = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
            self.peaks[phase] = max(self.peaks.get(phase, 0), int(found[1]))


def train_watched(corpus: Path, run: Path, *, num_steps: int, max_sentences: int) -> Watch:
    """Trains in a process of its own; exits with 2 where that fails."""
    config = corpus / "config.yaml"
    text = CONFIG.format(corpus=corpus, num_steps=num_steps, max_sentences=max_sentences)
    config.write_text(text, "utf-8")
    command = [sys.executable, "-m", "nmt.cli", "train", str(config), "--run", str(run)]
    watch = Watch()
    cold = os.environ | {"NMT_CACHE": str(run.with_name(f"{run.name}_compiled"))}  # compiles anew
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=cold) as process:
        watch.begin()

        def listen() -> None:
            for line in process.stderr:
                print(f"    {line}", end="", flush=True)
                watch.hear(line)

        listener = threading.Thread(target=listen)
        listener.start()
        while process.poll() is None:
            watch.look(process.pid)
            time.sleep(0.05)
        listener.join()
    if process.returncode:
        print(f"nmt train ended with status {process.returncode}", file=sys.stderr)
        sys.exit(2)
    return watch


def table(watch: Watch, num_pairs: int) -> str:
    """Phases with seconds, pairs a second and memory."""
    row = "{:<20} {:>9} {:>13} {:>9} {:>18}".format
    lines = [row("phase", "seconds", "core seconds", "pairs/s", "peak RssAnon, MiB")]
    for phase, _ in PHASES:
        if phase in watch.seconds:
            seconds, worked = watch.seconds[phase], watch.core_seconds[phase]
            goes_through_all = phase in PREPARATION and phase != "vocabulary"
            rate = f"{num_pairs / seconds:,.0f}" if goes_through_all else ""
            peak = f"{watch.peak([phase]) / 1024:,.0f}"
            lines.append(row(phase, f"{seconds:.1f}", f"{worked:.1f}", rate, peak))
    return "\n".join(lines)


@one_line_errors(__file__)
def main(arguments: list[str] | None = None) -> int:
    """Reads the command line; 0 if the corpus takes less memory than the limit, 1 if not."""
    parser = ScriptParser(__file__, __doc__)
    parser.add_argument("folder", type=Path, help="for the corpora and the runs")
    parser.add_argument("--num-pairs", type=at_least_one, default=5_000_000)
    parser.add_argument("--num-steps", type=at_least_one, default=100)
    parser.add_argument(
        "--max-sentences", type=int, default=1_000_000, help="vocabulary.max_sentences"
    )
    parser.add_argument("--limit-gib", type=float, default=2.0, help="above the small corpus")
    options = parser.parse_args(arguments)
    check_folder(options.folder)
    all_phases = [phase for phase, _ in PHASES]
    watches = []
    for name, num_pairs in (("small", BASELINE_PAIRS), ("large", options.num_pairs)):
        start = time.monotonic()
        corpus = options.folder / name
        write_corpus(corpus, num_pairs)
        print(f"{name}: {num_pairs:,} pairs, made in {time.monotonic() - start:.0f} s", flush=True)
        watch = train_watched(
            corpus,
            options.folder / f"run_{name}_{time.strftime('%Y%m%d_%H%M%S')}",
            num_steps=options.num_steps,
            max_sentences=options.max_sentences,
        )
        print(table(watch, num_pairs), flush=True)
        watches.append(watch)
    own, whole = (watch.peak(all_phases) / GIB for watch in watches)
    preparing = watches[1].peak(PREPARATION) / GIB
    print(f"the large corpus, while it was prepared: {preparing:.2f} GiB")
    print(f"all of it: {whole:.2f} GiB, {whole - own:+.2f} GiB to the model's own {own:.2f} GiB")
    print(f"less than {options.limit_gib:g} GiB is wanted of both")
    return 0 if max(preparing, whole - own) < options.limit_gib else 1


if __name__ == "__main__":
    sys.exit(main())
