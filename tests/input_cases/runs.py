"""Runs that cannot be used as they are, and calls that fit no run."""

import json
import shutil
from pathlib import Path

from tests.input_cases import Case

VOCABULARY = "runs/good/vocabulary/joint.model"
TRANSLATE = "translate runs/good text.txt"
FILE = {"size": 23, "sha256": "0" * 64}


def broken(name, files, says, line=TRANSLATE, *, logged=False):
    """A case in which the run's files are others."""
    return Case(name, line, says, {f"runs/good/{k}": v for k, v in files.items()}, logged)


def other_size(path: Path) -> None:
    """A vocabulary that is whole, and of another model."""
    from nmt.config.schema import VocabularyConfig
    from nmt.data.sentencepiece_training import train_model

    path.write_bytes(train_model(["one two three", "four five"], VocabularyConfig(size=24)))


def forged(name, **changes):
    """A case in which a checkpoint's manifest is a stranger's, with a digest of its own."""

    def make(path: Path) -> None:
        from nmt.runs import manifest

        shutil.copytree(path.with_name("9"), path)
        body = json.loads((path / manifest.NAME).read_text())
        body.pop("sha256")
        body |= {"step": 7, **changes}
        body["sha256"] = manifest._digest(body)
        (path / manifest.NAME).write_text(manifest._text(body))

    says = "checkpoint 7 of run | runs/good is damaged: manifest.json is not as it was written"
    return broken(name, {"checkpoints/7": make}, says, f"{TRANSLATE} --checkpoint 7", logged=True)


def array(*keys):
    """What a manifest says of an array."""
    return {"keys": list(keys), "shape": [1], "dtype": "float32"}


def pickled(path: Path) -> None:
    """A checkpoint of one pickle, which would make a file if it were loaded."""
    path.mkdir()
    (path / "params").write_bytes(b"cos\nsystem\n(S'touch EXECUTED'\ntR.")


RUNS = [
    Case("no RUN", "translate", "RUN is missing; see nmt translate --help"),
    Case(
        "a RUN that is not there", "translate runs/god text.txt", 'not exist; did you mean "good"'
    ),
    Case("a RUN that is a folder", "translate corpus text.txt", "corpus is no run: it has no conf"),
    Case("a RUN that is a file", "translate text.txt text.txt", "text.txt is no run"),
    Case("a RUN below a file", "translate text.txt/x text.txt", "run text.txt/x does not exist"),
    Case("a RUN without a name", "evaluate ''", "RUN must name a run directory; got ''"),
    Case("a RUN with a line end", "translate 'runs/a\nb'", "run runs/a b does not exist"),
    Case(
        "a RUN with controls", "translate 'runs/\x1b[2J\r'", "run runs/\\x1b[2J\\r does not exist"
    ),
    Case(
        "a run whose name is no UTF-8",
        "translate runs/\udcff text.txt",
        "a run directory's name must be UTF-8; got 'runs/\\udcff'",
        {"runs/\udcff": lambda path: path.symlink_to("good")},
    ),
    Case(
        "a new run whose name is no UTF-8",
        "train c.yaml --run runs/\udcff",
        "a run directory's name must be UTF-8; got 'runs/\\udcff'",
    ),
    broken("no checkpoint", {"checkpoints": None}, "runs/good has no finished checkpoint"),
    broken(
        "damaged checkpoints alone",
        {"checkpoints/7/manifest.json": "{", "checkpoints/9/manifest.json": None},
        "runs/good has no finished checkpoint",
        logged=True,
    ),
    broken(
        "the checkpoint that is asked for is damaged",
        {"checkpoints/7/manifest.json": "{}"},
        "checkpoint 7 of run | runs/good is damaged: manifest.json",
        f"{TRANSLATE} --checkpoint 7",
        logged=True,
    ),
    forged("a manifest that leads out of the run", files={"../../../../text.txt": FILE}),
    forged("a manifest with NUL in the name of a file", files={"params/a\0b": FILE}),
    forged("a manifest with an array without a name", items={"params": [array()]}),
    forged(
        "a manifest with an array within an array",
        items={"params": [array("w"), array("w", "x")]},
    ),
    broken(
        "a pickle for a checkpoint",
        {"checkpoints/7": pickled},
        "checkpoint 7 of run | runs/good is damaged: it has no manifest.json",
        f"{TRANSLATE} --checkpoint 7",
        logged=True,
    ),
    broken(
        "checkpoints without their arrays",
        {"checkpoints/7/params/d": None, "checkpoints/9/params/d": None},
        "runs/good has no finished checkpoint",
        logged=True,
    ),
    broken(
        "no such step, and a damaged one",
        {"checkpoints/7/manifest.json": ""},
        "has no checkpoint 8 (legal: best, last, 9)",
        f"{TRANSLATE} --checkpoint 8",
        logged=True,
    ),
    Case(
        "no such step",
        f"{TRANSLATE} --checkpoint 8",
        "has no checkpoint 8 (legal: best, last, 7, 9)",
    ),
    Case("no such name of a step", f"{TRANSLATE} --checkpoint bset", 'did you mean "best"?'),
    Case(
        "no average",
        f"{TRANSLATE} --checkpoint average",
        "has no average of checkpoints; nmt average",
    ),
    broken(
        "no vocabulary", {"vocabulary": None}, "no vocabulary in runs/good/vocabulary: wanted jo"
    ),
    broken(
        "a vocabulary of nothing", {"vocabulary/joint.model": b""}, f"{VOCABULARY} is no Sentence"
    ),
    broken(
        "a damaged vocabulary", {"vocabulary/joint.model": b"\xff\0x"}, f"{VOCABULARY} is no Sent"
    ),
    broken(
        "a damaged list of words",
        {"vocabulary/joint.model": None, "vocabulary/joint.words": "words\t3\t9\tnone\t\na\t2\n"},
        "runs/good/vocabulary/joint.words is damaged: wanted 3 words; got 1",
    ),
    broken(
        "a vocabulary of another model",
        {"vocabulary/joint.model": other_size},
        "runs/good is of another model: | float32",
    ),
    broken("a damaged config", {"config.yaml": "data: ["}, "good/config.yaml line 1 is not YAML"),
    broken("an empty config", {"config.yaml": ""}, "config file runs/good/config.yaml is empty"),
    broken(
        "binary for a config", {"config.yaml": b"\x93NUMPY\xff"}, "good/config.yaml line 1 is not U"
    ),
    broken(
        "a config that would run",
        {"config.yaml": "data: !!python/object/apply:os.system ['touch EXECUTED']"},
        "good/config.yaml line 1 is not YAML | python/object",
    ),
]
TRAINING = [
    Case(
        "a run of another config",
        "train good.yaml --run runs/good model.encoder_dim=9",
        "run runs/good has another config: model.encoder_dim is 8 there and 9 here",
    ),
    Case(
        "a corpus that has changed",
        "train good.yaml --run runs/good",
        "the corpus of run runs/good has changed (train",
        {
            "runs/good/environment.json": '{"corpus": {"train": "0", "validation": "0"}}',
        },
        logged=True,
    ),
    Case(
        "a damaged environment.json",
        "train good.yaml --run runs/good",
        "runs/good/environment.json is damaged",
        {"runs/good/environment.json": "{"},
        logged=True,
    ),
    Case(
        "an environment.json of other kinds",
        "train good.yaml --run runs/good",
        "runs/good/environment.json is damaged",
        {"runs/good/environment.json": '{"corpus": []}'},
        logged=True,
    ),
    Case(
        "an environment.json nested without end",
        "train good.yaml --run runs/good",
        "runs/good/environment.json is damaged",
        {"runs/good/environment.json": "[" * 100_000},
        logged=True,
    ),
    Case("a folder of other things", "train c.yaml --run corpus", "corpus is no run and not empty"),
    Case(
        "a run below a file", "train c.yaml --run text.txt/x", "cannot make the run directory text"
    ),
    Case(
        "a run that is a file", "train c.yaml --run text.txt", "make the run directory text.txt: F"
    ),
    Case(
        "a run in /proc", "train c.yaml --run /proc/nmt/x", "cannot make the run directory /proc/nm"
    ),
    Case(
        "a run that is a device", "train c.yaml --run /dev/null", "cannot make the run directory /d"
    ),
    Case("no CONFIG", "train", "CONFIG is missing; see nmt train --help"),
    Case(
        "two configs", "train c.yaml good.yaml", "nothing more is wanted after CONFIG; got 'good.ya"
    ),
    Case("--run without a value", "train c.yaml --run", "--run: expected one argument"),
    Case("a name too long", f"train c.yaml --run {'x' * 300}", "File name too long"),
]


def another_run(**changes):
    """A run beside the good one, whose config has other values for some keys of `data`."""

    def make(path: Path) -> None:
        import yaml

        shutil.copytree("runs/good", path)
        config = yaml.safe_load((path / "config.yaml").read_text())
        config["data"] |= changes
        (path / "config.yaml").write_text(yaml.safe_dump(config))

    return {"runs/other": make}


COMPARE = "compare runs/good runs/other --split test"
COMPARING = [
    Case("no runs to compare", "compare", "two runs or more are wanted | got 0; see nmt compare -"),
    Case("one run to compare", "compare runs/good", "two runs or more are wanted | got 1; see nmt"),
    Case("a run against itself", "compare runs/good runs/../runs/good", "good is given twice"),
    Case(
        "the second run is none",
        "compare runs/good runs/god --split test",
        'god does not exist; did you mean "good"?',
    ),
    Case(
        "runs of two directions",
        COMPARE,
        "runs of one pair of languages | runs/good translates en-fr and runs/other fr-en",
        another_run(source_language="fr", target_language="en"),
    ),
    Case(
        "a picture of runs of two directions",
        "plot runs/good 'the cat' --compare runs/other --output x.png",
        "runs of one pair of languages | runs/good translates en-fr and runs/other fr-en",
        another_run(source_language="fr", target_language="en"),
    ),
    Case(
        "runs of text and of tokenised text",
        COMPARE,
        "the same data.tokenized; it is false in runs/good and true in runs/other",
        another_run(tokenized=True),
    ),
    Case(
        "runs of two test sets",
        COMPARE,
        "split 'test' is not the same text in runs/good and runs/other (12 and 12 sentences)",
        another_run(embedded={"num_train": 200, "num_validation": 3, "num_test": 12, "seed": 9}),
    ),
    Case(
        "runs on several test sets",
        "compare runs/good runs/other",
        "one test set; choose one of test, validation with --split",
        another_run(),
    ),
    Case(
        "a second run without its checkpoint",
        f"{COMPARE} --checkpoint 8",
        "has no checkpoint 8 (legal: best, last, 7, 9)",
        another_run(),
    ),
    Case(
        "pictures below a file",
        f"{COMPARE} --output text.txt/x",
        "cannot write into text.txt/x: text.txt is no folder",
        another_run(),
    ),
    Case("no samples", f"{COMPARE} --samples 0", "--samples: wanted a whole number of 1 or more"),
    Case(
        "more samples than memory",
        f"{COMPARE} --samples 999999999",
        "samples of 12 sentences are too much | at most 4166666",
        another_run(),
    ),
    Case("falling lengths to compare by", f"{COMPARE} --by-length 9,5", "wanted rising whole"),
]
CASES = [*RUNS, *TRAINING, *COMPARING]
