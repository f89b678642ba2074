"""Measures alignments: recurrent beside Transformer, by method, in both directions, symmetrised.

    python scripts/compare_alignments.py FOLDER --corpus europarl-de-en --gold de-en
    python scripts/compare_alignments.py FOLDER --embedded

Trains, for each family, a model in each direction; takes what they agree on as the links of the
training text; and trains both again, guided by them. All of them are measured against gold links.
With --embedded the corpus is the built-in grammar, whose own links, which are exact, are the guide.

The first form reads raw text CORPUS/train.de, train.en, dev.de and dev.en, tokenises it as Moses
does, and measures on GOLD/test.de, test.en and test.talp (links from 1, 'ipj' possible only); all
may be .gz. --eflomal PROGRAM is eflomal-align (pip install eflomal): it aligns the very pairs that
the models were trained on, with the gold text behind them, for it aligns only what it is given.

What no gold link may decide, agreement decides: row offset, layer and head are those with which the
two directions agree best on the first pairs of the validation split. --at-once 2 trains the two
directions side by side, a core each on 2 cores, which takes little longer than one of them. Run
again, the script goes on where it stopped, and measures anew what is of another text, gold, config,
checkpoint or code. The table is printed and written to FOLDER/table.md.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import cache, cached_property, partial
from pathlib import Path
from typing import NamedTuple

from alignment_tasks.task import (
    FAMILIES,
    Pairs,
    Task,
    digest,
    embedded_task,
    file_task,
    made,
    write_lines,
)
from running.command_line import ScriptParser, at_least_one, exit_on_sigterm, one_line_errors
from running.trainings import Job, train_all

import nmt
from nmt.analysis.aer import alignment_scores
from nmt.analysis.pharaoh import GoldLinks, Link, format_links, parse_links
from nmt.analysis.symmetrize import symmetrize
from nmt.commands.evaluations import PACKAGE, TRANSLATING, code_fingerprint
from nmt.commands.models import find_checkpoint
from nmt.commands.pictures import check_folder
from nmt.config.reader import read_config, to_yaml
from nmt.data.kept_text import load_kept
from nmt.data.text_files import read_lines
from nmt.decoding.heads import choose_head
from nmt.decoding.methods import METHODS, SALIENCY, AlignmentMethod
from nmt.decoding.translator import Translator
from nmt.errors import NmtError, RunError
from nmt.runs.directory import RunDirectory, write_atomically

RULES = ("intersection", "grow-diag", "grow-diag-final-and")
GUIDE_RULE = "grow-diag"
WEIGHT = 0.5  # of the loss of guided alignment
GUIDED_HEAD = {"gru": [], "transformer": ["model.alignment_head=0"]}  # one head is enough
AGREEMENT_PAIRS = 300  # of the validation split

Links = list[list[Link]]  # of each pair


class Row(NamedTuple):
    """AER of one way to align, in percent; None where it does not exist."""

    model: str
    method: str
    forward: float | None
    reverse: float | None
    symmetrised: list[float | None]


class Comparison:
    """The models of a folder, trained when they are first asked for."""

    def __init__(self, task: Task, folder: Path, at_once: int):
        self.task, self.folder, self.at_once = task, folder, at_once
        self.translators = cache(self._translators)

    def job(self, family: str, *, reverse: bool, guided: bool) -> Job:
        """The training of a model; a guided one waits for those that make its links."""
        languages = self.task.languages[::-1] if reverse else self.task.languages
        direction = "-".join(languages)
        overrides = [
            *self.task.overrides,
            f"data.source_language={languages[0]}",
            f"data.target_language={languages[1]}",
        ]
        if guided:
            overrides += [f"training.alignment_weight={WEIGHT}", *GUIDED_HEAD[family]]
            if self.task.overrides:  # text files, which have no links of their own
                corpus = self.linked_corpus(family)
                overrides += [f"data.path={corpus}", f"data.links=links.{direction}"]
        name = f"{family}.{direction}{'.guided' if guided else ''}"
        return Job(name, self.task.configs[family], overrides, self.folder / name)

    def _translators(self, family: str, *, guided: bool) -> tuple[Translator, Translator]:
        """The models of both directions, trained to their ends."""
        forward, reverse = self.jobs(family, guided=guided)
        train_all([forward, reverse], self.at_once, done=lambda job: None)
        return nmt.load(forward.run), nmt.load(reverse.run)

    def jobs(self, family: str, *, guided: bool) -> list[Job]:
        """The trainings of both directions."""
        return [self.job(family, reverse=reverse, guided=guided) for reverse in (False, True)]

    def made_from(self, family: str, *, guided: bool) -> str:
        """A digest of what two models and their links depend on."""
        jobs = self.jobs(family, guided=guided)
        return digest(
            [to_yaml(read_config(job.config, job.overrides)) for job in jobs],
            [checkpoint_of(job.run) for job in jobs],
            self.task.fingerprint,
            code_fingerprint(PACKAGE, (*TRANSLATING, "analysis")),
            Path(__file__).read_text("utf-8"),
        )

    def linked_corpus(self, family: str) -> Path:
        """The cleaned training text, with the links that the plain models agree on."""
        source, target = self.task.languages

        def link(beside: Path) -> None:
            aligner = Aligner(self.translators(family, guided=False), self.task.validation)
            plain = self.job(family, reverse=False, guided=False).run
            kept = load_kept(RunDirectory.open(plain).data / "cleaned", "train")
            pairs = Pairs(list(kept.source), list(kept.target))
            links = symmetrised(*aligner.links(aligner.best_method(), pairs), GUIDE_RULE)
            for language, lines in zip((source, target), pairs, strict=True):
                write_lines(beside / f"train.{language}", lines)
                for name in (f"dev.{language}", f"test.{language}"):
                    (beside / name).write_bytes((self.folder / "corpus" / name).read_bytes())
            write_lines(beside / f"train.links.{source}-{target}", map(format_links, links))
            write_lines(beside / f"train.links.{target}-{source}", map(format_links, turned(links)))

        made_from = partial(self.made_from, family, guided=False)
        return made(self.folder / f"corpus.{family}", made_from, link)


def checkpoint_of(run: Path) -> str | None:
    """The fingerprint of a run's best checkpoint; None where it has none."""
    try:
        return find_checkpoint(RunDirectory.open(run), "best").fingerprint
    except RunError:
        return None


class Aligner:
    """Two models of opposite directions, and what they agree on."""

    def __init__(self, models: tuple[Translator, Translator], validation: Pairs):
        self.forward, self.reverse = models
        pairs = zip(*validation, strict=True)
        pairs = [pair for pair in pairs if all(pair)][:AGREEMENT_PAIRS]
        self.validation = Pairs(*map(list, zip(*pairs, strict=True)))

    def exists(self, method: str) -> bool:
        """Whether the models can be aligned so."""
        try:
            self.forward.check_method(AlignmentMethod(method))
        except NmtError:
            return False
        return True

    def methods(self, name: str) -> tuple[AlignmentMethod, AlignmentMethod]:
        """A method for each direction, with the layer and head of the best agreement."""
        if name == SALIENCY or self.forward.cross_attentions.num_heads == 1:
            return AlignmentMethod(name), AlignmentMethod(name)
        return self._chosen[name]

    @cached_property
    def _chosen(self) -> dict[str, tuple[AlignmentMethod, AlignmentMethod]]:
        chosen = {}
        for name in filter(self.exists, METHODS):
            if name == SALIENCY:
                continue
            sides = (
                (self.forward, self.reverse, *self.validation),
                (
                    self.reverse,
                    self.forward,
                    *self.validation[::-1],
                ),
            )
            chosen[name] = tuple(
                method_of(name, choose_head(model, source, target, method=name, reverse=other)[0])
                for model, other, source, target in sides
            )
        return chosen

    def links(
        self, methods: tuple[AlignmentMethod, AlignmentMethod], pairs: Pairs
    ) -> tuple[Links, Links]:
        """Links by both models, all from source to target."""
        forward = self.forward.align_all(pairs.source, pairs.target, method=methods[0])
        reverse = self.reverse.align_all(pairs.target, pairs.source, method=methods[1])
        return [a.links() for a in forward], turned([a.links() for a in reverse])

    def best_method(self) -> tuple[AlignmentMethod, AlignmentMethod]:
        """The method with which the two directions agree best."""

        def disagreement(methods):
            forward, reverse = self.links(methods, self.validation)
            agreed = [GoldLinks(frozenset(links), frozenset(links)) for links in reverse]
            return alignment_scores(forward, agreed).aer

        return min(map(self.methods, filter(self.exists, METHODS)), key=disagreement)


def method_of(name: str, head) -> AlignmentMethod:
    """The method with a ranked layer and head."""
    return AlignmentMethod(name, head.layer, head.head)


def turned(links: Links) -> Links:
    """The links the other way round."""
    return [sorted((j, i) for i, j in of_pair) for of_pair in links]


def symmetrised(forward: Links, reverse: Links, rule: str) -> Links:
    """Both directions in one."""
    return [symmetrize(f, r, rule) for f, r in zip(forward, reverse, strict=True)]


def row_of(model: str, method: str, forward: Links, reverse: Links, gold: list[GoldLinks]) -> Row:
    """Measures two directions, and what they are together."""

    def percent(links):
        return 100 * alignment_scores(links, gold).aer

    both = [percent(symmetrised(forward, reverse, rule)) for rule in RULES]
    return Row(model, method, percent(forward), percent(reverse), both)


def model_rows(task: Task, folder: Path, at_once: int) -> Iterable[Row]:
    """Every family and method, plain and guided; what was measured of the same is read again."""
    comparison = Comparison(task, folder, at_once)
    for guided in (False, True):
        for family in FAMILIES:
            label = f"{family}, guided" if guided else family
            kept = folder / f"{label}.json"
            made_from = partial(comparison.made_from, family, guided=guided)
            before = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else [None]
            if before[0] != made_from():
                aligner = Aligner(comparison.translators(family, guided=guided), task.validation)
                rows = [row_of_method(label, name, aligner, task) for name in METHODS]
                before = [made_from(), rows]
                write_atomically(kept, json.dumps(before))
            yield from (Row(*row) for row in before[1])


def row_of_method(label: str, name: str, aligner: Aligner, task: Task) -> Row:
    """Measures a method on the test pairs, where the models have it."""
    if not aligner.exists(name):
        return Row(label, name, None, None, [None] * len(RULES))
    methods = aligner.methods(name)
    return row_of(label, told(methods), *aligner.links(methods, task.test), task.gold)


def told(methods: tuple[AlignmentMethod, AlignmentMethod]) -> str:
    """The method in words, such as "attention (layer 1 head 0; layer 1 head 2)"."""
    if methods[0].layer is None:
        return methods[0].name
    heads = ["mean" if m.head is None else f"head {m.head}" for m in methods]
    places = [f"layer {m.layer} {head}" for m, head in zip(methods, heads, strict=True)]
    return f"{methods[0].name} ({'; '.join(places)})"


def eflomal_row(task: Task, folder: Path, program: str) -> Row:
    """Eflomal (Östling and Tiedemann 2016) on the training pairs with the gold text behind them."""
    direction = "-".join(task.languages)
    kept = load_kept(RunDirectory.open(folder / f"gru.{direction}").data / "cleaned", "train")
    work = folder / "eflomal"
    work.mkdir(exist_ok=True)
    for side, train, test in zip("st", (kept.source, kept.target), task.test, strict=True):
        write_lines(work / side, [*train, *test])
    names = {"-s": "s", "-t": "t", "-f": "forward", "-r": "reverse"}
    files = [word for option, name in names.items() for word in (option, str(work / name))]
    ended = subprocess.run([program, "--overwrite", "--model", "3", *files])
    if ended.returncode:
        raise NmtError(f"--eflomal: {program} ended with status {ended.returncode}")
    forward, reverse = (
        [
            parse_links(line, f"{name} of eflomal")
            for line in read_lines(work / name)[len(kept.source) :]
        ]
        for name in ("forward", "reverse")
    )
    return row_of("eflomal", "on the same pairs and the gold text", forward, reverse, task.gold)


def table(rows: Sequence[Row]) -> str:
    """The rows in Markdown."""

    def shown(aer: float | None) -> str:
        return "-" if aer is None else f"{aer:.1f}"

    head = ["model", "method", "forward", "reverse", *RULES]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        figures = (row.forward, row.reverse, *row.symmetrised)
        lines.append([row.model, row.method, *map(shown, figures)])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def two_languages(text: str) -> tuple[str, str]:
    """Source and target of such as "de-en"."""
    source, _, target = text.partition("-")
    if not (source and target):
        raise argparse.ArgumentTypeError(f"such as de-en is wanted; got {text}")
    return source, target


@one_line_errors(__file__)
def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line, trains, measures and reports; returns the exit status."""
    parser = ScriptParser(__file__, __doc__)
    add = parser.add_argument
    add("folder", type=Path, help="for runs and the table")
    add("--embedded", action="store_true", help="the built-in corpus")
    add("--corpus", type=Path, help="a folder of raw text files")
    add("--gold", type=Path, help="a folder with test.talp and its text")
    add("--languages", type=two_languages, default="de-en", help="source-target (default: de-en)")
    add("--eflomal", metavar="PROGRAM", help="the program eflomal-align")
    add("--at-once", type=at_least_one, default=1, metavar="N", help="train 2 side by side")
    options = parser.parse_args(arguments)
    if options.embedded == (options.corpus is not None) or (options.corpus and not options.gold):
        parser.error("either --embedded, or --corpus and --gold")
    if options.eflomal and shutil.which(options.eflomal) is None:
        parser.error(f"--eflomal: there is no program {options.eflomal}")
    check_folder(options.folder)
    if options.embedded:
        task = embedded_task()
    else:
        task = file_task(options.corpus, options.gold, options.folder, options.languages)
    options.folder.mkdir(parents=True, exist_ok=True)
    rows = list(model_rows(task, options.folder, options.at_once))
    try:
        if options.eflomal:
            rows.append(eflomal_row(task, options.folder, options.eflomal))
    finally:  # what took hours is told whatever becomes of eflomal
        write_atomically(options.folder / "table.md", table(rows))
        print(table(rows), end="")
    return 0


if __name__ == "__main__":
    exit_on_sigterm()
    sys.exit(main())
