import random
import shutil

import numpy as np
import pytest

from nmt.config.schema import Config, DataConfig
from nmt.runs.checkpoints import Checkpoints
from nmt.runs.directory import RunDirectory
from nmt.runs.manifest import NAME


@pytest.fixture
def script(load_script):
    return load_script("damage_checkpoints")


@pytest.fixture
def run(tmp_path):
    """A run with the checkpoints 1 and 2, of two items each."""
    run = RunDirectory.create(tmp_path / "run", Config(data=DataConfig(path="embedded")))
    checkpoints = Checkpoints(run.checkpoints)
    for step in (1, 2):
        items = {"params": {"w": np.arange(9.0) * step}, "training": {"m": np.ones(step)}}
        checkpoints.save(step, items)
    checkpoints.close()
    return run.path


def content(run):
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_every_damage_is_noticed_and_put_back(script, run, capsys):
    before = content(run)
    arguments = ["--flips", "40", "--truncations", "25", "--resumes", "0"]
    assert script.main([str(run), *arguments]) == 0
    assert content(run) == before
    said = capsys.readouterr()
    assert "65 of 65 damages were named and passed over" in said.out and said.err == ""
    rows = {line.split()[0]: line.split()[1:] for line in said.out.splitlines()[1:-1]}
    folder = run / "checkpoints" / "2"
    assert set(rows) == {str(path.relative_to(folder)) for path in before if folder in path.parents}
    assert all(int(flips) and int(truncations) for flips, truncations in rows.values())


def test_a_damage_that_nobody_notices_fails(script, run, monkeypatch, capsys):
    monkeypatch.setattr("nmt.runs.checkpoints.verify_files", lambda *arguments: None)
    before = content(run)
    assert script.main([str(run), "--flips", "30", "--truncations", "0", "--resumes", "0"]) == 1
    assert "resumes at 2 instead of 1" in capsys.readouterr().out
    assert content(run) == before


def test_damages_differ_from_what_was_there(script, run):
    folder = run / "checkpoints" / "2"
    damages = list(script.choose_damages(folder, 100, 20, random.Random(1)))
    assert len(damages) == 120 and {damage.file for damage in damages} >= {NAME}
    for damage in damages:
        whole = (folder / damage.file).read_bytes()
        damaged = damage.of(whole)
        if damage.kind == "flip":
            changed = np.frombuffer(whole, np.uint8) ^ np.frombuffer(damaged, np.uint8)
            assert np.unpackbits(changed).sum() == 1
        else:
            assert len(damaged) < len(whole) and whole.startswith(damaged)


def test_one_checkpoint_is_too_few(script, run, capsys):
    shutil.rmtree(run / "checkpoints" / "1")
    assert script.main([str(run)]) == 2
    assert "has 1 checkpoints; wanted two or more" in capsys.readouterr().err


@pytest.mark.slow
def test_a_damaged_run_is_resumed_by_the_command(script, monkeypatch, capsys):
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
    assert script.main(["--flips", "3", "--truncations", "1", "--resumes", "1"]) == 0
    assert "nmt train resumed at step 4" in capsys.readouterr().out
