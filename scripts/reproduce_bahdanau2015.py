"""Does the experiment of Bahdanau et al. (2015) again: four models, one report.

    python scripts/reproduce_bahdanau2015.py FOLDER                        # the embedded corpus
    python scripts/reproduce_bahdanau2015.py FOLDER --corpus DIR data.source_language=de ...
    python scripts/reproduce_bahdanau2015.py FOLDER --preset paper --hub wmt14 \\
        data.configuration=fr-en vocabulary.tokenize=moses

Trains RNNencdec-30, RNNsearch-30, RNNencdec-50 and RNNsearch-50 (the number is the longest
training sentence in words) as configs/bahdanau2015/ has them, which is preset cpu-small; preset
paper has the paper's sizes and wants an accelerator. What stands at the end is laid over that, as
for `nmt train`. Of tokenised text say data.tokenized=true, of other vocabulary.tokenize=moses.

FOLDER gets a run for each model, and report.html (which has its pictures in itself) and report.md:
table 1 (BLEU on all sentences, and on those without unknown words), figure 2 (BLEU against length,
with bootstrap bands), figure 3 (four alignments), the paper's figures beside ours, and what differs
from the paper. Run again, the script goes on where it stopped; what is done is not done again.

On 2 cores cpu-small takes four times 16 minutes and some more for the translation of the test set;
--at-once 2 trains two models side by side, a core each, for which --minutes 30 is about as much.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from reproduction.paper import MODELS, PRESETS, Model
from running.command_line import ScriptParser, at_least_one, exit_on_sigterm, one_line_errors

from nmt.commands.pictures import check_folder
from nmt.config.reader import read_config
from nmt.config.schema import EMBEDDED, Config
from nmt.errors import nearest
from nmt.runs.directory import write_atomically


def settings_of(model: Model, options: argparse.Namespace) -> list[str]:
    """What is laid over a model's config; the last wins."""
    preset = PRESETS[options.preset]
    corpus = f"data.path={options.corpus}" if options.hub is None else f"data.hub={options.hub}"
    minutes = preset.minutes if options.minutes is None else options.minutes
    limit = [] if minutes is None else [f"training.max_minutes={minutes}"]
    return [*preset.overrides_of(model), corpus, *limit, *options.overrides]


def check(options: argparse.Namespace) -> None:
    """Reads all configs and finds every split, before the first model is trained.

    Raises:
      NmtError: an override is wrong, or the corpus is not there.
    """
    from nmt.data.readers import open_split

    configs: list[Config] = [
        read_config(model.config, settings_of(model, options)) for model in MODELS
    ]
    data = configs[0].data
    for name in (data.train, data.validation, data.test[0]):
        open_split(data, name)


def train(options: argparse.Namespace) -> None:
    """Trains the models that are not trained with these very settings."""
    from running.trainings import Job, train_all

    settings = {model.stem: settings_of(model, options) for model in MODELS}
    jobs = []
    for model in MODELS:
        marker = _marker(options.folder, model.stem)
        if marker.exists() and json.loads(marker.read_text("utf-8")) == settings[model.stem]:
            continue
        run = options.folder / model.stem
        jobs.append(Job(model.name, model.config, settings[model.stem], run))

    def done(job: Job) -> None:
        write_atomically(_marker(options.folder, job.run.name), json.dumps(job.overrides))

    train_all(jobs, options.at_once, done)


def _marker(folder: Path, stem: str) -> Path:
    """The file that says with which settings a run has come to its end."""
    return folder / f"{stem}.trained.json"


def preset_name(text: str) -> str:
    """The name of a preset."""
    if text not in PRESETS:
        raise argparse.ArgumentTypeError(f"no preset is named {text!r}{nearest(text, PRESETS)}")
    return text


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Reads the command line.

    Raises:
      NmtError: there is a mistake in it.
    """
    parser = ScriptParser(__file__, __doc__)
    add = parser.add_argument
    add("folder", type=Path, help="for runs, pictures and report")
    add("--preset", type=preset_name, default="cpu-small", help="cpu-small (the default) or paper")
    corpus = parser.add_mutually_exclusive_group()
    corpus.add_argument("--corpus", default=EMBEDDED, metavar="PATH", help="default: embedded")
    corpus.add_argument("--hub", metavar="NAME", help="a dataset of the Hugging Face Hub")
    add("--minutes", type=float, help="of each model (cpu-small: 16; paper: no limit)")
    add("--at-once", type=at_least_one, default=1, metavar="N", help="train N models side by side")
    parser.add_overrides("the configs")
    return parser.parse_intermixed_args(arguments)


@one_line_errors(__file__)
def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line, trains, measures and reports; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parse(arguments)
    check_folder(options.folder)
    check(options)
    options.folder.mkdir(parents=True, exist_ok=True)
    train(options)
    from reproduction.measuring import measure
    from reproduction.report import write_report

    command = " ".join(["python scripts/reproduce_bahdanau2015.py", *arguments])
    for path in write_report(measure(options.folder), options.folder, options.preset, command):
        print(path)
    return 0


if __name__ == "__main__":
    exit_on_sigterm()
    sys.exit(main())
