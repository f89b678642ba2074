"""One command of `nmt` in a process of its own, and how its time divides: nmt's own code runs.

    python scripts/benchmarking/timeline.py NUMBERS COMMAND ARGUMENTS...

runs `nmt COMMAND ARGUMENTS...` and writes NUMBERS, a JSON object of seconds since the process was
asked for (which $BENCHMARK_START tells) by stage. The stages of a command follow one another; what
jax traces, lowers and compiles is taken out of the stages in which that happens, a moment in which
several threads do it counted once. `train` ends with its first step, in the place where Ctrl-C ends
it, but without saving. What comes after the last stage, the process's own end, is for whoever waits
for it to tell.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from nmt.devices.allocator import choose_allocator

NOW = time.time()  # before the imports that are to be timed
FIRST_STEP = "first step"
END = "end"
COMPILER_STAGES = {  # of jax's events, what each is in the report
    "/jax/core/compile/jaxpr_trace_duration": "trace",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "lower",
    "/jax/core/compile/backend_compile_duration": "compile or load",
}


class Timeline:
    """Stages as they end, and the spans of the compiler."""

    def __init__(self, start: float):
        self.marks: list[tuple[str, float]] = [("", start)]
        self.spans: list[tuple[str, float, float]] = []

    def mark(self, stage: str) -> None:
        """A stage ends now; the next one begins."""
        self.marks.append((stage, time.time()))

    def listen(self) -> None:
        """Has jax tell when it traces, lowers and compiles."""
        import jax

        def heard(event: str, duration: float, **_) -> None:
            if event in COMPILER_STAGES:
                end = time.time()
                self.spans.append((COMPILER_STAGES[event], end - duration, end))

        jax.monitoring.register_event_duration_secs_listener(heard)

    def seconds(self) -> dict[str, float]:
        """Of each stage, and of the compiler's, which are taken out of the stages."""
        numbers: dict[str, float] = {}
        taken = [(start, end) for _, start, end in self.spans]
        for (_, start), (stage, end) in zip(self.marks, self.marks[1:], strict=False):
            own = end - start - covered(taken, start, end)
            numbers[stage] = numbers.get(stage, 0.0) + own
        first, last = self.marks[0][1], self.marks[-1][1]
        above: list[tuple[float, float]] = []
        for stage in ("compile or load", "lower", "trace"):  # a moment of two counts as the first
            spans = [(start, end) for name, start, end in self.spans if name == stage]
            before = covered(above, first, last)
            above += spans
            numbers[stage] = covered(above, first, last) - before
        return numbers | {"total": last - first}


def covered(spans: Sequence[tuple[float, float]], start: float, end: float) -> float:
    """How much of the time from start to end lies within spans, which may overlap."""
    total, reached = 0.0, start
    for a, b in sorted(spans):
        a, b = max(a, reached), min(b, end)
        if b > a:
            total += b - a
            reached = b
    return total


def _after(timeline: Timeline, holder, name: str, stage: str, before: str) -> None:
    """Marks the time before and after a function that others call by this name."""
    function = getattr(holder, name)

    def timed(*arguments, **named):
        timeline.mark(before)
        try:
            return function(*arguments, **named)
        finally:
            timeline.mark(stage)

    setattr(holder, name, timed)


def _translate(timeline: Timeline) -> None:
    """Divides `nmt translate`."""
    import nmt.decoding.loading  # noqa: F401 (what `nmt translate` imports)
    from nmt.decoding.translator import Translator
    from nmt.runs.checkpoints import Checkpoints

    timeline.mark("imports")
    _after(timeline, Checkpoints, "resolve", "restore", "build")
    _after(timeline, Checkpoints, "restore", "restore", "build")
    _after(timeline, Translator, "translate", "run", "build")


def _train(timeline: Timeline, end: Callable[[], None]) -> None:
    """Divides `nmt train`, up to its first step."""
    import jax

    from nmt.training import loop, opening

    timeline.mark("imports")
    _after(timeline, opening, "prepare", "prepare", "open")
    _after(timeline, loop, "planned", "plan", "open")
    _after(timeline, loop, "resumed", "restore", "open")
    step = loop.CompiledSteps.step

    def first_step(compiled, state, batches):
        timeline.mark("open")
        compiled.wait(batches)
        timeline.mark("open")
        jax.block_until_ready(step(compiled, state, batches))
        timeline.mark(FIRST_STEP)
        end()

    loop.CompiledSteps.step = first_step


def main(arguments: Sequence[str]) -> int:
    """Runs the command; returns its status."""
    numbers, *command = arguments
    timeline = Timeline(float(os.environ["BENCHMARK_START"]))
    timeline.marks.append(("interpreter", NOW))

    def write() -> None:
        Path(numbers).write_text(json.dumps(timeline.seconds()))

    def end() -> None:
        write()
        os._exit(0)  # threads may compile what nobody waits for

    from nmt.cli import start

    choose_allocator()  # starts this process anew, before jax is imported
    from nmt.devices.compiled_programs import use_compilation_cache

    use_compilation_cache()
    timeline.listen()
    if command[0] == "train":
        _train(timeline, end)
    else:
        _translate(timeline)
    sys.argv = ["nmt", *command]
    status = start()
    timeline.mark(END)
    write()
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
