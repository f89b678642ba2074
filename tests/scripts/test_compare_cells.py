"""The comparison around a stand-in for training, which writes what a run holds."""

import json

import numpy as np
import pytest

from nmt.config.reader import read_config
from nmt.runs.checkpoints import Checkpoints

MACHINE = {"processor": "a", "cores_used": 2, "device": {"kind": "cpu", "count": 1}}


@pytest.fixture
def script(load_script):
    return load_script("compare_cells")


@pytest.fixture
def trainings(script, monkeypatch):
    """The cells that were trained, in order; vanilla_relu fails, and without a corpus all do."""
    cells = []

    def leave_run(run):
        checkpoints = Checkpoints(run / "checkpoints")
        if checkpoints.steps() == []:
            checkpoints.save(9, {"params": {"W": np.zeros((2, 3), np.float32)}}, score=1.0)
        checkpoints.close()
        records = [
            {"step": step, "epoch": 1, "tokens_per_second": rate, "seconds": 30.0 * step}
            for step, rate in ((3, 10.0), (6, 900.0), (9, 1000.0))
        ]
        records += [
            {"step": s, "seconds": 30.0 * s, "validation_bleu": b, "validation_perplexity": p}
            for s, b, p in ((6, 20.0, 5.0), (9, 10.0, 4.0))
        ]
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (run / "metrics.jsonl").write_text(lines)

    def train_all(jobs, at_once, done, failed):
        for job in jobs:
            assert job.overrides[-1] == f"model.cell={job.name}"
            cells.append(job.name)
            if "data.path=absent" not in job.overrides:
                leave_run(job.run)
            if job.name == "vanilla_relu" or "data.path=absent" in job.overrides:
                failed(job, 2)
            else:
                done(job)

    monkeypatch.setattr(script, "train_all", train_all)
    monkeypatch.setattr(script, "machine", lambda: dict(MACHINE))
    return cells


def test_a_row_for_each_cell_and_what_is_done_is_skipped(script, trainings, tmp_path, capsys):
    arguments = [str(tmp_path), "--cells", "lstm,vanilla_relu", "--json", "training.seed=3"]
    assert script.main(arguments) == 1  # one of them could not be trained
    rows = {row["cell"]: row for row in json.loads(capsys.readouterr().out)["results"]}
    assert rows["lstm"] == {
        "cell": "lstm",
        "parameters": 6,
        "target_tokens_per_second": 900.0,
        "steps": 9,
        "epoch": 1,
        "validation_perplexity": 5.0,
        "validation_bleu": 20.0,
    }
    assert set(rows["vanilla_relu"].values()) == {"vanilla_relu", None}
    assert (tmp_path / "bleu.png").read_bytes().startswith(b"\x89PNG")
    assert "lstm" in (tmp_path / "table.txt").read_text()

    assert script.main([*arguments, "--cells", "lstm"]) == 0
    assert trainings == ["lstm", "vanilla_relu"]  # nothing was trained again
    assert script.main([*arguments, "--cells", "lstm", "--minutes", "6"]) == 0
    assert trainings == ["lstm", "vanilla_relu", "lstm"]


@pytest.mark.parametrize(
    ("key", "value"), [("processor", "b"), ("cores_used", 4), ("device", {"kind": "gpu"})]
)
def test_cells_of_another_machine_are_no_rows_of_the_table(
    script, trainings, tmp_path, capsys, monkeypatch, key, value
):
    arguments = [str(tmp_path), "--cells", "lstm"]
    assert script.main(arguments) == 0
    monkeypatch.setattr(script, "machine", lambda: MACHINE | {key: value})
    capsys.readouterr()
    assert script.main(arguments) == 2
    assert capsys.readouterr().err == (
        f"compare_cells: the cells of {tmp_path} were trained otherwise: {key} was {MACHINE[key]} "
        f"and is {value}; choose another folder\n"
    )
    assert trainings == ["lstm"]


def test_cells_are_trained_as_many_at_once_as_before(script, trainings, tmp_path, capsys):
    arguments = [str(tmp_path), "--cells", "lstm,gru_reset_after"]
    assert script.main([*arguments, "--at-once", "2"]) == 0
    assert script.main(arguments) == 2
    assert "--at-once was 2 and is 1; choose another folder" in capsys.readouterr().err
    (tmp_path / "conditions.json").unlink()
    (tmp_path / "lstm" / "config.yaml").touch()
    assert script.main(arguments) == 2  # nobody knows how they were trained
    assert "--at-once was not kept and is 1" in capsys.readouterr().err


def test_a_config_of_other_content_is_trained(script, trainings, tmp_path):
    config = tmp_path / "config.yaml"
    arguments = [str(tmp_path / "out"), "--cells", "lstm", "--config", str(config)]
    for text in ("model: {dropout: 0.1}", "{model: {dropout: 0.1}}", "model: {dropout: 0.2}"):
        config.write_text(text)
        assert script.main(arguments) == 0
    assert trainings == ["lstm", "lstm"]  # the second says the same in other words


def test_the_machine_is_described_by_a_process_of_its_own(script):
    assert script.machine()["cores_used"] >= 1


def test_a_mistake_that_no_cell_makes_ends_it(script, trainings, tmp_path):
    with pytest.raises(SystemExit) as ended:
        script.main([str(tmp_path), "--corpus", "absent"])
    assert ended.value.code == 2 and len(trainings) == 1


def test_a_mistake_in_the_config_is_one_line_before_anything_is_trained(
    script, trainings, tmp_path, capsys
):
    assert script.main([str(tmp_path), "training.sede=3"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and 'did you mean "seed"?' in said and trainings == []
    assert script.main([]) == 2
    assert capsys.readouterr().err == (
        "compare_cells: the following arguments are required: folder\n"
    )


def test_every_config_of_a_recurrent_model_can_be_laid_under_the_cells(script):
    configs = [
        path for path in script.CONFIG.parent.rglob("*.yaml") if "cell: " in path.read_text()
    ]
    assert len(configs) >= 6
    for config in configs:
        training = read_config(config, [*script.OVERRIDES, "data.path=embedded"]).training
        assert training.schedule == "constant"


def test_a_file_in_place_of_the_folder_is_one_line(script, trainings, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert script.main([str(tmp_path / "file"), "--cells", "gru_reset_after"]) == 2
    assert capsys.readouterr().err.endswith(f"{tmp_path / 'file'} is no folder\n")
    assert trainings == []


def test_a_misspelt_cell_is_named(script, tmp_path, capsys):
    assert script.main([str(tmp_path), "--cells", "lsmt"]) == 2
    assert "no cell is named 'lsmt'; did you mean \"lstm\"?" in capsys.readouterr().err
