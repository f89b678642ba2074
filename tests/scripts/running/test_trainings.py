"""Runs trained side by side: who waits for whom, around stand-ins for `nmt train`."""

import subprocess
import sys

import pytest
from running import trainings
from running.trainings import Job, train_all


@pytest.fixture
def programs(monkeypatch):
    """Each job's program is its override, in a process of its own; gives back those that began."""
    begun = []

    def start(job, cores):
        assert cores
        begun.append(job.name)
        return subprocess.Popen([sys.executable, "-S", "-c", job.overrides[0]])

    monkeypatch.setattr(trainings, "start", start)
    return begun


def job(name, program, folder):
    return Job(name, folder / "config.yaml", [program], folder / name)


@pytest.mark.parametrize("at_once", [1, 2, 9])
def test_all_are_trained_and_told_of(programs, tmp_path, at_once):
    jobs = [job(name, "pass", tmp_path) for name in "abc"]
    done = []
    train_all(jobs, at_once, done.append)
    assert programs == ["a", "b", "c"] and sorted(done) == jobs


def test_a_run_alone_has_the_share_that_it_has_beside_others(monkeypatch, tmp_path):
    shares = []

    def start(job, cores):
        shares.append(cores)
        return subprocess.Popen([sys.executable, "-S", "-c", ""])

    monkeypatch.setattr(trainings, "start", start)
    monkeypatch.setattr(trainings.os, "sched_getaffinity", lambda process: {0, 1, 2, 3})
    train_all([job("a", "", tmp_path)], 2, lambda job: None)
    assert [len(cores) for cores in shares] == [2]


def test_one_that_fails_ends_all_and_those_that_wait_never_begin(programs, tmp_path):
    jobs = [
        job("slow", "import time; time.sleep(100)", tmp_path),
        job("bad", "raise SystemExit(2)", tmp_path),
        job("waits", "pass", tmp_path),
    ]
    done = []
    with pytest.raises(SystemExit) as ended:
        train_all(jobs, 2, done.append)
    assert ended.value.code == 2
    assert programs == ["slow", "bad"] and done == []


def test_where_a_failure_is_borne_the_others_go_on(programs, tmp_path):
    jobs = [
        job("good", "pass", tmp_path),
        job("bad", "raise SystemExit(2)", tmp_path),
        job("waits", "pass", tmp_path),
    ]
    done, failed = [], []
    train_all(jobs, 1, done.append, lambda *of_job: failed.append(of_job))
    assert done == [jobs[0], jobs[2]] and failed == [(jobs[1], 2)]


def test_one_that_is_killed_has_the_status_of_its_signal(programs, tmp_path):
    program = "import os; os.kill(os.getpid(), 9)"
    with pytest.raises(SystemExit) as ended:
        train_all([job("a", program, tmp_path)], 1, print)
    assert ended.value.code == 128 + 9
