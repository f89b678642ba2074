import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "launch_slurm.sh"
STAND_INS = {"srun": 'exit "${SRUN_STATUS:-0}"\n', "scontrol": ""}


@pytest.fixture
def launch(launch_script):
    """Runs the script with stand-ins for Slurm; returns the ended script and the calls it made."""
    job = {"SLURM_JOB_ID": "77", "SLURM_CPUS_PER_TASK": "16"}
    return lambda *arguments, **environment: launch_script(
        SCRIPT.name, STAND_INS, *arguments, **job, **environment
    )


def test_the_script_is_bash_that_can_be_started():
    assert subprocess.run(["bash", "-n", str(SCRIPT)]).returncode == 0
    assert os.access(SCRIPT, os.X_OK)


def test_arguments_reach_nmt_train_as_they_are(launch):
    arguments = ["configs/a b.yaml", "--run", "runs/$HOME", "data.path=it's"]
    ended, calls = launch(*arguments)
    assert ended.returncode == 0
    options = ["--kill-on-bad-exit=0", "--wait=120", "--cpus-per-task=16"]
    assert calls == [["srun", *options, "nmt", "train", *arguments]]


def test_another_program(launch):
    _, (call,) = launch("config.yaml", NMT=".venv/bin/nmt")
    assert call[-3:] == [".venv/bin/nmt", "train", "config.yaml"]


def test_training_that_saved_and_stopped_is_queued_again(launch):
    ended, calls = launch("config.yaml", SRUN_STATUS="143", SLURM_RESTART_COUNT="3")
    assert ended.returncode == 143
    assert calls[1:] == [["scontrol", "requeue", "77"]]


@pytest.mark.parametrize("status", ["0", "1", "2"])
def test_nothing_else_is_queued_again(launch, status):
    ended, calls = launch("config.yaml", SRUN_STATUS=status)
    assert ended.returncode == int(status)
    assert len(calls) == 1


def test_not_without_end(launch):
    _, calls = launch("config.yaml", SRUN_STATUS="143", SLURM_RESTART_COUNT="5", MOST_RESTARTS="5")
    assert len(calls) == 1


def test_no_config(launch):
    ended, calls = launch()
    assert ended.returncode == 2
    assert "sbatch --nodes=4 scripts/launch_slurm.sh" in ended.stderr
    assert not calls


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_is_the_comment_at_its_head_and_starts_nothing(launch, option):
    ended, calls = launch(option)
    assert (ended.returncode, ended.stderr, calls) == (0, "", [])
    head = SCRIPT.read_text().partition("\n\n")[0].splitlines()[1:]
    assert ended.stdout.splitlines() == [line.removeprefix("#").removeprefix(" ") for line in head]


def test_training_is_told_before_slurm_ends_it():
    options = [
        line.split()[1] for line in SCRIPT.read_text().splitlines() if line.startswith("#SBATCH")
    ]
    assert {"--signal=TERM@120", "--requeue", "--ntasks-per-node=1"} <= set(options)
