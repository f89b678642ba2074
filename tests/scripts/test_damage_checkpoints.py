import contextlib
import random
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from nmt.config.reader import read_config
from nmt.devices.mesh import make_mesh
from nmt.runs.checkpoints import Checkpoints
from nmt.runs.directory import RunDirectory
from nmt.runs.manifest import NAME
from nmt.training.judging import Progress, Standing
from nmt.training.members import Members
from nmt.training.preparation import prepare
from nmt.training.resuming import initial, items_of, resumed
from tests.tiny_runs import CONFIG


@pytest.fixture
def script(load_script):
    return load_script("damage_checkpoints")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run with the checkpoints 1 and 2, as training saves them."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "c.yaml").write_text(CONFIG.replace("num_steps: 4", "average_decay: 0.9"))
    config = read_config(folder / "c.yaml")
    run = RunDirectory.create(folder / "run", config)
    members = Members(config.training.seeds)
    sizes = prepare(config, run).vocabulary_sizes
    _, state = initial(config, members, sizes, make_mesh())
    with contextlib.closing(Checkpoints(run.checkpoints)) as checkpoints:
        for step in (1, 2):
            scaled = jax.tree.map(lambda leaf, step=step: (step * leaf).astype(leaf.dtype), state)
            standing = Standing((Progress(validated=step),))
            checkpoints.save(step, items_of(members, scaled, standing))
    return run.path


@pytest.fixture
def run(trained, tmp_path):
    """A copy for one test."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def content(run):
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_every_damage_is_noticed_and_put_back(script, run, capsys):
    before, folder = content(run), run / "checkpoints" / "2"
    files = {str(path.relative_to(folder)) for path in before if folder in path.parents}
    many = str(len(files))
    arguments = ["--flips", many, "--truncations", many, "--resumes", "0"]
    assert script.main([str(run), *arguments]) == 0
    assert content(run) == before
    said = capsys.readouterr()
    total = 2 * len(files)
    assert f"{total} of {total} damages were named and passed over" in said.out and said.err == ""
    rows = {line.split()[0]: line.split()[1:] for line in said.out.splitlines()[1:-1]}
    assert set(rows) == files
    assert all(int(flips) and int(truncations) for flips, truncations in rows.values())


def test_a_damage_that_nobody_notices_fails(script, run, monkeypatch, capsys):
    monkeypatch.setattr("nmt.runs.checkpoints.verify_files", lambda *arguments: None)
    before = content(run)
    assert script.main([str(run), "--flips", "30", "--truncations", "0", "--resumes", "0"]) == 1
    assert "resumes at 2 instead of 1" in capsys.readouterr().out
    assert content(run) == before


def test_another_state_than_was_saved_fails(script, run, monkeypatch, capsys):
    """What training takes up is compared, not only the step of it."""

    def drifted(checkpoints, members, state):
        state, standing, step = resumed(checkpoints, members, state)
        (progress,) = standing.members
        moved = progress._replace(stale=progress.stale + 1)
        return state, standing._replace(members=(moved,)), step

    monkeypatch.setattr(script, "resumed", drifted)
    assert script.main([str(run), "--flips", "1", "--truncations", "0", "--resumes", "0"]) == 1
    assert "resumes at 1 with another state than was saved there" in capsys.readouterr().out


def test_a_last_checkpoint_of_an_interruption_is_refused(script, run, capsys):
    checkpoints = Checkpoints(run / "checkpoints")
    checkpoints.save(3, {"params": {"w": np.ones(2)}}, interrupted=True)
    checkpoints.close()
    assert script.main([str(run)]) == 2
    said = capsys.readouterr()
    assert "run, 3, is of an interruption; wanted a regular one" in said.err
    assert len(said.err.splitlines()) == 1


def test_a_run_that_is_damaged_already_is_refused(script, run, capsys):
    (run / "checkpoints" / "1" / NAME).write_text("")
    assert script.main([str(run)]) == 2
    assert "checkpoint 1 of run" in capsys.readouterr().err


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
def test_a_damaged_run_is_resumed_by_the_command(script, capsys):
    assert script.main(["--flips", "3", "--truncations", "1", "--resumes", "1"]) == 0
    assert "nmt train resumed at step 4" in capsys.readouterr().out
