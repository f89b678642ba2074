"""The whole reproduction at a size that says nothing, and what is wrong in one line."""

import json
import re
import shutil

import pytest

from nmt.config.reader import read_config

TINY = (
    "data.embedded.num_train=200",
    "data.embedded.num_validation=3",
    "data.embedded.num_test=24",
    "data.embedded.max_words=9",
    "data.num_shapes=1",
    "vocabulary.size=300",
    *(f"model.{n}_dim=8" for n in ("embedding", "encoder", "decoder", "alignment", "readout")),
    "training.num_steps=2",
    "training.log_every=1",
    "training.save_every=2",
    "training.precision=float32",
    "validation.every=2",
    "validation.max_sentences=2",
    "search.beam_size=1",
    "search.max_length_factor=0.5",
)


@pytest.fixture
def script(load_script):
    return load_script("reproduce_bahdanau2015")


@pytest.fixture
def trainings(script, monkeypatch):
    """The models that were trained, within this process; the second is stopped the first time.

    No sentence has more than 30 words, so a model of 50 is the one of 30.
    """
    from running import trainings

    from nmt.training.loop import train

    names = []

    def train_all(jobs, at_once, done):
        for job in jobs:
            names.append(job.name)
            if len(names) == 2:
                raise SystemExit(137)
            of_30 = job.run.with_name(job.run.name.replace("50", "30"))
            if of_30 == job.run:
                train(read_config(job.config, job.overrides), job.run)
            else:
                shutil.copytree(of_30, job.run)
                config = (of_30 / "config.yaml").read_text("utf-8")
                assert config.count("max_words: 30") == 1
                (job.run / "config.yaml").write_text(config.replace("s: 30", "s: 50"), "utf-8")
            done(job)

    monkeypatch.setattr(trainings, "train_all", train_all)
    return names


def test_it_goes_on_where_it_stopped_and_reports_without_training_again(
    script, trainings, tmp_path, capsys, monkeypatch
):
    arguments = [str(tmp_path / "out"), *TINY]
    with pytest.raises(SystemExit):
        script.main(arguments)
    assert script.main(arguments) == 0
    models = ["RNNencdec-30", "RNNsearch-30", "RNNencdec-50", "RNNsearch-50"]
    assert trainings == [*models[:2], *models[1:]]
    assert capsys.readouterr().out.split() == [
        str(tmp_path / "out" / f"report.{suffix}") for suffix in ("html", "md")
    ]

    page = (tmp_path / "out/report.html").read_text("utf-8")
    text = (tmp_path / "out/report.md").read_text("utf-8")
    for model in models:
        assert f"<td>{model}</td>" in page and f"| {model} |" in text
    for figure in ("13.93", "24.19", "21.50", "31.44", "17.82", "26.71", "26.75", "34.16"):
        assert figure in page and figure in text  # table 1 of the paper
    pictures = re.findall(r"!\[.*\]\((\w+\.png)\)", text)
    assert pictures == ["figure2.png", *(f"figure3{letter}.png" for letter in "abcd")]
    assert all((tmp_path / "out" / name).read_bytes()[:4] == b"\x89PNG" for name in pictures)
    assert page.count("src=") == page.count('src="data:image/png;base64,') == len(pictures)
    assert "href" not in page and "<script" not in page

    from reproduction import measuring

    kept = {}
    for file in (tmp_path / "out/rnnsearch50/evaluations").iterdir():
        record = json.loads(file.read_text("utf-8"))
        kept[record["search"]["unknown"]] = record["hypotheses"]
    assert kept.keys() == {"keep", "forbid"}
    every, known = kept["keep"], kept["forbid"]
    assert len(every) == 24 and 0 < len(known) < 24
    assert not any("UNK" in line.split() for line in known)

    def load_found(*_):
        raise LookupError("translated again")

    monkeypatch.setattr(measuring, "load_found", load_found)
    monkeypatch.setattr(script, "train", lambda options: None)
    found = measuring.measure(tmp_path / "out")
    assert found.hypotheses["RNNsearch-50"] == every
    assert sum(bucket.count for bucket in found.by_length["RNNsearch-50"]) == 24
    monkeypatch.setattr("nmt.commands.evaluations.code_fingerprint", lambda package: "other code")
    with pytest.raises(LookupError, match="translated again"):
        measuring.measure(tmp_path / "out")


def test_what_is_trained_with_the_same_settings_is_left_alone(script, monkeypatch, tmp_path):
    from running import trainings

    trained = []
    monkeypatch.setattr(trainings, "train_all", lambda jobs, at_once, done: trained.extend(jobs))
    options = script.parse([str(tmp_path), "training.seed=3"])
    for model in script.MODELS:
        marker = tmp_path / f"{model.stem}.trained.json"
        marker.write_text(json.dumps(script.settings_of(model, options)))
    script.train(options)
    assert trained == []
    script.train(script.parse([str(tmp_path), "training.seed=3", "--minutes", "20"]))
    assert [job.name for job in trained] == [model.name for model in script.MODELS]
    assert all("training.max_minutes=20.0" in job.overrides for job in trained)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--corpus", "absent"], "data.path absent"),
        (["training.learning_rat=1"], 'did you mean "learning_rate"?'),
        (["data.train=trian"], "'trian'"),
        (["--minutes", "0"], "training.max_minutes must be above 0"),
    ],
)
def test_a_mistake_is_told_in_one_line_before_anything_is_trained(
    script, trainings, tmp_path, capsys, arguments, message
):
    assert script.main([str(tmp_path / "out"), *arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith("reproduce_bahdanau2015: ") and said.count("\n") == 1
    assert message in said
    assert trainings == [] and not (tmp_path / "out").exists()


def test_a_misspelt_preset_is_named(script, tmp_path, capsys):
    assert script.main([str(tmp_path), "--preset", "cpu_smal"]) == 2
    said = capsys.readouterr().err
    assert "no preset is named 'cpu_smal'; did you mean \"cpu-small\"?" in said
    assert said.count("\n") == 1
