import os
import subprocess
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "launch_tpu_pod.sh"
NMT = """#!/usr/bin/env bash
trap 'echo saved; exit 143' TERM
printf '%s\\0' "$@" >arguments
while true; do sleep 0.05; done
"""


@pytest.fixture
def launch(launch_script):
    """Runs the script with a stand-in for gcloud; returns the ended script and the calls of it."""

    def launch(*arguments, **environment):
        pod = {"TPU": "pod", "ZONE": "zone", **environment}
        ended, calls = launch_script(SCRIPT.name, {"gcloud": ""}, *arguments, **pod)
        return ended, [call[1:] for call in calls]

    return launch


@pytest.fixture
def host(tmp_path):
    """Runs what gcloud would run on a host, in a home with a stand-in for nmt."""
    home = tmp_path / "home"
    program = home / "nmt-training" / ".venv" / "bin" / "nmt"
    program.parent.mkdir(parents=True)
    program.write_text(NMT)
    program.chmod(0o755)
    folder = home / "nmt-training"

    def run(call):
        (command,) = [word for word in call if word.startswith("--command=")]
        return subprocess.run(
            ["bash", "-c", command.removeprefix("--command=")],
            cwd=home,
            capture_output=True,
            text=True,
            timeout=30,
        )

    yield folder, run
    if (folder / "nmt.pid").exists():
        subprocess.run(["kill", (folder / "nmt.pid").read_text().strip()], capture_output=True)


def ssh(worker):
    return ["compute", "tpus", "tpu-vm", "ssh", "pod", f"--worker={worker}"]


def test_the_script_is_bash_that_can_be_started():
    assert subprocess.run(["bash", "-n", str(SCRIPT)]).returncode == 0
    assert os.access(SCRIPT, os.X_OK)


def test_start_stop_and_start_again(launch, host):
    folder, run = host
    arguments = ["configs/a b.yaml", "--run", "/shared/it's", "data.path=$HOME"]
    ended, (call,) = launch("start", *arguments)
    assert ended.returncode == 0
    assert call[:6] == ssh("all")
    assert call[7:] == ["--zone=zone", "--quiet"]
    for _ in range(2):
        assert run(call).returncode == 0
        deadline = time.monotonic() + 20
        while not (folder / "arguments").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert (folder / "arguments").read_text().split("\0")[:-1] == ["train", *arguments]
        twice = run(call)
        assert (twice.returncode, twice.stderr) == (2, "training runs already\n")

        _, (stop,) = launch("stop")
        assert stop[:6] == ssh("all")
        stopped = run(stop)
        assert (stopped.returncode, stopped.stdout) == (0, "saved\n")
        (folder / "nmt.log").unlink()
        (folder / "arguments").unlink()
    assert run(stop).stdout == "no training runs\n"


def test_install_sends_what_is_committed_and_installs_for_tpus(launch):
    ended, (sent, installed) = launch("install", PROJECT="mine", PYTHON="python3.12")
    assert ended.returncode == 0, ended.stderr
    where = ["--zone=zone", "--project=mine", "--quiet"]
    assert sent[:4] == ["compute", "tpus", "tpu-vm", "scp"]
    assert sent[5:] == ["pod:nmt.tar.gz", "--worker=all", *where]
    assert not Path(sent[4]).exists()
    assert installed[:6] == ssh("all")
    assert "python3.12 -m venv" in installed[6]
    assert "install --quiet --editable '.[tpu]'" in installed[6]
    assert installed[7:] == where
    command = installed[6].removeprefix("--command=")
    assert subprocess.run(["bash", "-n", "-c", command]).returncode == 0


def test_copy_and_log(launch):
    _, (copied,) = launch("copy", "my corpus")
    assert copied[3:7] == ["scp", "--recurse", "my corpus", "pod:nmt-training/"]
    assert copied[7:] == ["--worker=all", "--zone=zone", "--quiet"]
    _, (logged,) = launch("log")
    assert logged[:6] == ssh(0)
    assert logged[6] == "--command=tail -n 100 -F nmt-training/nmt.log"


@pytest.mark.parametrize("arguments", [[], ["sart"], ["start"], ["copy"], ["copy", "a", "b"]])
def test_what_is_not_meant_shows_the_usage(launch, arguments):
    ended, calls = launch(*arguments)
    assert ended.returncode == 2
    assert "launch_tpu_pod.sh install" in ended.stdout
    assert not calls


@pytest.mark.parametrize(("name", "message"), [("TPU", "name the pod"), ("ZONE", "name the zone")])
def test_pod_and_zone_are_wanted(launch, name, message):
    ended, calls = launch("log", **{name: None})
    assert ended.returncode != 0
    assert message in ended.stderr
    assert not calls
