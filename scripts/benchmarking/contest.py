"""Training steps of several models, timed in turn.

What is timed are the programs that `nmt train` runs, over batches of every shape of the corpus. The
models take turns shape by shape, round by round, and matrix products with them, so that whatever
else the machine does meets all of them alike. A round over all shapes gives each a time; the
medians over the rounds, each as often as its shape has batches, are the time of an epoch, and so
the shapes count in their real proportions.
"""

import statistics
from collections import Counter
from collections.abc import Sequence

import jax

from benchmarking.ledger import collected_lines, compiled
from benchmarking.machine import Clock
from benchmarking.products import SquareProducts
from benchmarking.report import say
from nmt.config.schema import Config
from nmt.data.batching import Batch, Batches
from nmt.data.shapes import Shape
from nmt.devices.mesh import make_mesh, to_devices
from nmt.training.compilation import CompiledSteps
from nmt.training.members import Members
from nmt.training.preparation import Prepared
from nmt.training.resuming import initial

LONG_ENOUGH = 0.1  # seconds of one timing; shorter steps are timed several at a time
MOST_STEPS = 64  # in one timing


class Contestant:
    """A model with its training programs, its state, and a batch of each shape on the device."""

    def __init__(self, name: str, config: Config, prepared: Prepared):
        """Compiles.

        Args:
          name: of the model.
          config: of its training; `training.num_seeds` models are trained at once.
          prepared: its corpus.
        """
        self.name, self.config = name, config
        self.batches: Batches = prepared.batches
        self.vocabulary_size = len(prepared.vocabularies.target)
        self.members = Members(config.training.seeds)
        mesh = make_mesh(config.training.model_devices)
        trainer, self._state = initial(config, self.members, prepared.vocabulary_sizes, mesh)
        self.shape_counts = shape_counts(self.batches)
        plans, place = self.members.batches(self.batches), self.members.by_rows(mesh)
        self._examples: dict[Shape, Batch] = {
            shape: to_devices(place, self.members.batch(plans, index))
            for shape, index in _first_batches(self.batches).items()
        }
        self.times: dict[Shape, list[float]] = {shape: [] for shape in self.shape_counts}
        self._steps_at_a_time = {}
        with collected_lines() as lines:
            self._compiled = CompiledSteps(
                trainer,
                self._state,
                list(self.shape_counts),
                mesh,
                accumulation=1,
                members=self.members,
                check=lambda: None,
            )
            self._compiled.wait()
            for shape in self.shape_counts:  # the second is the first one without a delay
                self._run(shape, 2)
        self.compiled = compiled(lines)

    def time(self, shape: Shape, clock: Clock) -> float:
        """Times steps of a shape; returns the seconds that it took in all."""
        steps = self._steps_at_a_time.get(shape, 1)
        start = clock()
        self._run(shape, steps)
        taken = clock() - start
        if shape not in self._steps_at_a_time:
            wanted = int(LONG_ENOUGH / max(taken, LONG_ENOUGH / MOST_STEPS)) or 1
            self._steps_at_a_time[shape] = wanted
            if wanted > 1:
                return taken  # too short to be told
        self.times[shape].append(taken / steps)
        return taken

    def epoch_seconds(self) -> float:
        """Of all batches of an epoch, by the median times of their shapes."""
        return sum(n * statistics.median(self.times[s]) for s, n in self.shape_counts.items())

    def _run(self, shape: Shape, steps: int) -> None:
        """Takes steps, and waits for the last one only, as the training loop does."""
        for _ in range(steps):
            self._state, _ = self._compiled.step(self._state, [self._examples[shape]])
        jax.block_until_ready(self._state)


def run_rounds(
    contestants: Sequence[Contestant],
    products: Sequence[SquareProducts],
    clock: Clock,
    *,
    seconds: float,
) -> int:
    """Times all in turn, in whole rounds, until each has had its time; returns the rounds.

    Args:
      contestants: compiled and warm.
      products: timed in turn with them, a size of each after every shape.
      clock: times the contestants.
      seconds: for each of them; one round is made in any case.
    """
    spent, rounds = [0.0] * len(contestants), 0
    for of_precision in products:
        of_precision.time_all()  # each size has a time, however few shapes there are
    while not rounds or min(spent) < seconds:
        for place in range(max(len(c.shape_counts) for c in contestants)):
            for number, contestant in enumerate(contestants):
                shapes = list(contestant.shape_counts)
                if place < len(shapes):
                    spent[number] += contestant.time(shapes[place], clock)
            for of_precision in products:
                of_precision.time_next()
        if all(all(c.times.values()) for c in contestants):  # not so after a first, short try
            rounds += 1
            say(f"round {rounds}")
    return rounds


def shape_counts(batches: Batches) -> Counter[Shape]:
    """How many batches of an epoch have each shape."""
    return Counter(batches.shape_of(index) for index in range(batches.num_batches))


def _first_batches(batches: Batches) -> dict[Shape, int]:
    """A batch of each shape, by its index."""
    return {batches.shape_of(index): index for index in reversed(range(batches.num_batches))}
