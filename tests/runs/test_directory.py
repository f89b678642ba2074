import copy
import json
import os
import re
import subprocess
import sys
from dataclasses import fields, is_dataclass, replace
from functools import reduce
from pathlib import Path

import pytest

from nmt.config.schema import (
    Config,
    DataConfig,
    RecurrentConfig,
    SearchConfig,
    TrainingConfig,
    TransformerConfig,
)
from nmt.errors import RunError
from nmt.runs.directory import RunDirectory, git_commit, write_atomically

CONFIG = Config(data=DataConfig(path="embedded"))
MAY_DIFFER = {  # when a run is taken up again: none is of the model that results
    "training.num_steps",
    "training.max_minutes",
    "training.patience",
    "training.log_every",
    "training.save_every",
    "training.keep_last",
    "training.model_devices",
    "data.path",  # as the fingerprints of the corpus tell whether it is the same
    "data.hub",
    "data.configuration",
    "data.revision",
    "data.streaming",
    "search.method",  # no validation goes by it, nor by the others
    "search.beam_size",
    "search.temperature",
    "search.top_k",
    "search.top_p",
    "search.seed",
    "search.batch_sentences",
    "search.precision",
    "search.shortlist",
}
LOCK = """
import sys
from nmt.errors import RunError
from nmt.runs.directory import RunDirectory
try:
    with RunDirectory.open(sys.argv[1]).locked():
        print("locked", flush=True)
        sys.stdin.read()
except RunError as error:
    print(error, flush=True)
"""


@pytest.fixture
def run(tmp_path):
    return RunDirectory.create(tmp_path / "runs" / "first", CONFIG)


@pytest.fixture
def start():
    """Starts another Python process that locks a run and waits."""
    started = []

    def start(path):
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        process = subprocess.Popen(
            [sys.executable, "-c", LOCK, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_create_then_open_gives_the_config(run):
    assert RunDirectory.open(run.path).read_config() == CONFIG
    assert run.read_config(["search.beam_size=1"]).search.beam_size == 1
    assert run.read_config() == CONFIG


def test_create_refuses_a_run_and_a_folder_of_other_things(run, tmp_path):
    with pytest.raises(RunError, match="is a run already"):
        RunDirectory.create(run.path, CONFIG)
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(RunError, match="no run and not empty: it has runs"):
        RunDirectory.create(tmp_path, CONFIG)
    with pytest.raises(RunError, match="cannot make the run directory"):
        RunDirectory.create(tmp_path / "thesis.tex", CONFIG)


def test_create_takes_up_what_a_killed_start_left(tmp_path):
    (tmp_path / ".config.yaml.7.tmp").write_text("data: {pa")  # of another process
    (tmp_path / ".lock").write_text("process 1\n")
    assert RunDirectory.create(tmp_path, CONFIG).read_config() == CONFIG
    assert sorted(os.listdir(tmp_path)) == [".config.yaml.7.tmp", ".lock", "config.yaml"]


def test_discard_empties_a_run_but_for_hidden_files_of_others(tmp_path):
    (tmp_path / ".gitkeep").write_text("")
    run = RunDirectory.create(tmp_path, CONFIG)
    (run.data / "train").mkdir(parents=True)
    (run.data / "train" / "x.npy").write_text("x")
    run.discard(keep_folder=False)
    assert os.listdir(tmp_path) == [".gitkeep"]
    assert RunDirectory.create(tmp_path, CONFIG).exists()


@pytest.mark.parametrize("keep_folder", [True, False])
def test_discard_leaves_a_folder_that_was_there(tmp_path, keep_folder):
    run = RunDirectory.create(tmp_path / "run", CONFIG)
    run.discard(keep_folder=keep_folder)
    assert run.path.exists() == keep_folder and not run.exists()


def test_open_says_what_is_wrong(run, tmp_path):
    with pytest.raises(RunError, match='does not exist; did you mean "first"'):
        RunDirectory.open(run.path.parent / "frist")
    with pytest.raises(RunError, match="does not exist$"):
        RunDirectory.open(tmp_path / "absent")
    with pytest.raises(RunError, match="is no run: it has no config.yaml"):
        RunDirectory.open(tmp_path)


@pytest.mark.parametrize("name", ["log.txt", ".lock", "checkpoints", "translations/4.txt"])
def test_a_link_that_leads_out_of_a_run_is_refused_and_what_it_leads_to_untouched(
    run, tmp_path, name
):
    outside = tmp_path / "outside"
    outside.write_text("mine")
    entry = run.path / name
    entry.parent.mkdir(exist_ok=True)
    entry.unlink(missing_ok=True)
    entry.symlink_to(os.path.relpath(outside, entry.parent))
    message = f"{entry} is a link that leads out of the run, to .*outside; a run must hold all"
    for action in (lambda: RunDirectory.open(run.path), lambda: run.locked().__enter__()):
        with pytest.raises(RunError, match=message):
            action()
    assert outside.read_text() == "mine"


def test_links_within_a_run_and_to_a_run_are_fine(run, tmp_path):
    run.checkpoints.mkdir()
    (run.checkpoints / "newest").symlink_to("12")  # leads nowhere as yet
    (run.path / "loop").symlink_to("loop")
    (tmp_path / "link").symlink_to(run.path)
    opened = RunDirectory.open(tmp_path / "link")
    with opened.locked():
        assert opened.read_config() == CONFIG
    (run.path / "up").symlink_to(".")
    with pytest.raises(RunError, match="leads out of the run, to"):
        RunDirectory.open(run.path)


def test_what_may_differ_is_taken_over(run):
    training = TrainingConfig(
        num_steps=7,
        max_minutes=1.0,
        patience=2,
        log_every=1,
        save_every=9,
        keep_last=1,
        model_devices=2,
    )
    data = DataConfig(hub="owner/name", configuration="fr-en", revision="v2", streaming=True)
    changed = Config(data=data, training=training, search=SearchConfig(beam_size=2))
    run.check_same_config(changed)
    assert run.read_config() == CONFIG
    run.keep_config(changed)
    assert run.read_config() == changed


def keys_of(section, prefix=""):
    """The dotted key of every value of a config."""
    for field in fields(section):
        value = getattr(section, field.name)
        if is_dataclass(value):
            yield from keys_of(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name


def test_a_config_that_does_not_differ_is_not_written_again(run):
    before = run.config_file.stat().st_ino
    run.keep_config(CONFIG)
    assert run.config_file.stat().st_ino == before


@pytest.mark.parametrize("model", [RecurrentConfig(), TransformerConfig()])
def test_every_other_key_that_differs_is_refused_and_named(tmp_path, model):
    config = replace(CONFIG, model=model)
    run = RunDirectory.create(tmp_path / "run", config)
    keys = [key for key in keys_of(config) if key not in MAY_DIFFER]
    assert {key.partition(".")[0] for key in keys} == {field.name for field in fields(Config)}
    for key in keys:
        other = copy.deepcopy(config)
        *sections, name = key.split(".")
        section = reduce(getattr, sections, other)
        object.__setattr__(section, name, "another")  # legal or not: it differs
        with pytest.raises(RunError, match=f": {re.escape(key)} is .* there and 'another' here;"):
            run.check_same_config(other)
    assert run.read_config() == config


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            replace(CONFIG, model=RecurrentConfig(cell="lstm")),
            "model.cell is 'gru_reset_after' ther",
        ),
        (replace(CONFIG, training=TrainingConfig(seed=2)), "training.seed is 1 there and 2 here"),
        (
            replace(CONFIG, data=DataConfig(path="embedded", max_pieces=None, tokenized=True)),
            "data.tokenized is false there and true here; data.max_pieces is 256 there and null he",
        ),
    ],
)
def test_another_config_is_refused_and_nothing_written(run, changed, message):
    changed = replace(changed, search=SearchConfig(beam_size=2))
    with pytest.raises(RunError, match=message):
        run.check_same_config(changed)
    assert run.read_config() == CONFIG


def test_a_second_process_is_refused_and_a_dead_one_holds_nothing(run, start):
    first, said = start(run.path)
    assert said == "locked"
    _, refused = start(run.path)
    assert refused.startswith(f"run {run.path} is in use by process {first.pid} on ")
    with pytest.raises(RunError, match="is in use by process"), run.locked():
        pass
    first.kill()
    first.wait()
    with run.locked():
        _, refused = start(run.path)
        assert "is in use by" in refused
    with run.locked():
        pass  # letting go lets in


def test_a_lock_is_let_go_on_an_error(run):
    with pytest.raises(ZeroDivisionError), run.locked():
        1 / 0  # noqa: B018
    with run.locked():
        pass


def test_environment(run):
    run.write_environment({"train": "aa", "validation": "bb"})
    environment = json.loads(run.environment_file.read_text())
    assert environment["corpus"] == {"train": "aa", "validation": "bb"}
    assert environment["python"] == sys.version.split()[0]
    import jax

    assert environment["packages"]["jax"] == jax.__version__
    assert environment["device"]["count"] == jax.device_count()
    assert str(Path.home()) not in run.environment_file.read_text()


def test_a_corpus_that_changed_is_refused(run):
    run.check_same_corpus({"train": "aa"})  # nothing known yet
    run.write_environment({"train": "aa", "validation": "bb"})
    run.check_same_corpus({"train": "aa", "validation": "bb"})
    with pytest.raises(RunError, match=r"has changed \(validation\)"):
        run.check_same_corpus({"train": "aa", "validation": "cc"})


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "{}", '{"corpus": []}', '{"corpus": [["train", "aa"]]}', '{"corpus": "train"}']
    + ["[" * 100_000, '{"corpus":' * 100_000, '{"corpus": 1' + "0" * 5000 + "}"],
    ids=lambda content: content[:30],
)
def test_a_damaged_environment_is_named(run, content):
    run.environment_file.write_text(content)
    with pytest.raises(RunError, match="environment.json is damaged"):
        run.check_same_corpus({"train": "aa"})


def test_git_commit(tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    assert git_commit(tmp_path) is None
    git("init", "--quiet")
    assert git_commit(tmp_path) is None  # no commit yet
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "--quiet", "--message", "x")
    assert git_commit(tmp_path) == git("rev-parse", "HEAD")
    (tmp_path / "file").write_text("2")
    assert git_commit(tmp_path) == git("rev-parse", "HEAD") + "-changed"
    (tmp_path / "installed").mkdir()
    assert git_commit(tmp_path / "installed") is None  # inside another's checkout


@pytest.mark.parametrize("content", ["é\n", b"\x00\xff", ""])
def test_write_atomically(tmp_path, content):
    file = tmp_path / "file"
    file.write_text("before")
    write_atomically(file, content)
    assert file.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert os.listdir(tmp_path) == ["file"]


def test_content_is_on_the_disk_before_the_name_and_the_name_before_returning(
    tmp_path, monkeypatch
):
    events, sync, replace = [], os.fsync, os.replace

    def synced(descriptor):
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        events.append(("to the disk", path, path.read_text() if path.is_file() else None))
        sync(descriptor)

    def replaced(path, target):
        events.append(("renamed", Path(path), Path(target)))
        replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    write_atomically(tmp_path / "file", "content")
    beside = tmp_path / f".file.{os.getpid()}.tmp"
    assert events == [
        ("to the disk", beside, "content"),
        ("renamed", beside, tmp_path / "file"),
        ("to the disk", tmp_path, None),
    ]


def test_two_processes_may_write_one_file(tmp_path):
    """Whoever reads finds what one of them wrote, whole."""
    write = "import sys; from nmt.runs.directory import write_atomically\nfor _ in range(60): "
    write += "write_atomically(sys.argv[1], sys.argv[2] * 100_000)"
    path = tmp_path / "file"
    path.write_text("a" * 100_000)
    writing = [subprocess.Popen([sys.executable, "-c", write, str(path), x]) for x in "ab"]
    while any(process.poll() is None for process in writing):
        assert path.read_text() in ("a" * 100_000, "b" * 100_000)
    assert [process.returncode for process in writing] == [0, 0]
    assert os.listdir(tmp_path) == ["file"]


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("before")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="cannot write .*file: No space left on device"):
        write_atomically(file, "after")
    assert file.read_text() == "before" and os.listdir(tmp_path) == ["file"]


def test_importing_starts_neither_jax_nor_orbax():
    check = "import sys, nmt.runs.directory; sys.exit(bool({'jax', 'orbax'} & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    assert subprocess.run([sys.executable, "-c", check], env=environment).returncode == 0
