"""The command `nmt`: what goes in, what comes out where, and one line for every mistake."""

import gzip
import io
import json
import lzma
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nmt.cli import COMMANDS, main

CONFIG = """
data:
  path: embedded
  test: [test, validation]
  num_shapes: 1
  embedded: {num_train: 200, num_validation: 3, num_test: 12, max_words: 9}
vocabulary: {size: 300}
model: {embedding_dim: 8, encoder_dim: 8, decoder_dim: 8, alignment_dim: 8, readout_dim: 8}
training: {num_steps: 4, log_every: 2, save_every: 4}
validation: {every: 4, max_sentences: 2}
search: {beam_size: 2, max_length_factor: 0.5, max_length_extra: 5}
"""
LINES = ["the cat sleeps .", "", "a small dog sees the house .", "  ", "we do not sing ."]


def make_run(path, config_text):
    """A run as training leaves it, with random parameters in checkpoints 7 (the best) and 9."""
    import jax

    from nmt.config.reader import read_config
    from nmt.data.corpus import load_split
    from nmt.data.vocabulary import train_vocabularies
    from nmt.models.build import build_model, split_model
    from nmt.runs.checkpoints import Checkpoints
    from nmt.runs.directory import RunDirectory

    path.with_suffix(".yaml").write_text(config_text)
    config = read_config(path.with_suffix(".yaml"))
    run = RunDirectory.create(path, config)
    train = load_split(config.data, "train")
    run.vocabulary.mkdir()
    vocabularies = train_vocabularies(train.source, train.target, config.vocabulary, run.vocabulary)
    size = len(vocabularies.source)
    _, params = split_model(build_model(config.model, source_size=size, target_size=size))
    checkpoints = Checkpoints(run.checkpoints)
    for step, scale, score in ((7, 4, 2.0), (9, 3, 1.0)):
        scaled = jax.tree.map(lambda leaf, scale=scale: scale * leaf, params)
        checkpoints.save(step, {"params": scaled}, score=score)
    checkpoints.close()
    return path


@pytest.fixture(autouse=True)
def no_compilation_cache(monkeypatch):
    monkeypatch.setenv("NMT_CACHE", "")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "tiny", CONFIG)


@pytest.fixture(scope="module")
def run_without_attention(tmp_path_factory):
    config = CONFIG.replace("model: {", "model: {attention: none, ")
    return make_run(tmp_path_factory.mktemp("runs") / "blind", config)


@pytest.fixture(scope="module")
def texts(run):
    """What the run's best checkpoint makes of LINES."""
    import nmt

    return [translation.text for translation in nmt.load(run).translate(LINES)]


@pytest.fixture
def typed(monkeypatch):
    """Puts bytes on standard input."""

    def put(content):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return put


def call(capsys, *arguments):
    """Runs a command that must succeed and returns what it printed."""
    status = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert status == 0, err
    return out


def mistake(capsys, *arguments):
    """Runs a command that must fail as a user's mistake, and returns its one line."""
    status = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert status == 2 and out == ""
    assert err.startswith("nmt: ") and err.endswith("\n") and err.count("\n") == 1, err
    return err


def nmt_process(*arguments, **options):
    """The command in a process of its own."""
    command = [sys.executable, "-m", "nmt.cli", *map(str, arguments)]
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "NMT_CACHE": ""}
    return subprocess.Popen(command, env=environment, **options)


# ---- start-up and help


def test_help_and_import_load_nothing_heavy():
    heavy = ("jax", "flax", "datasets", "matplotlib", "orbax", "sacrebleu", "tqdm")
    code = (
        "import sys, time\nstart = time.perf_counter()\n"
        "import nmt, nmt.cli\nassert nmt.cli.main(['--help']) == 0\n"
        "assert nmt.cli.main(['evaluate', '--help']) == 0\n"
        "print(time.perf_counter() - start, sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, _, modules = done.stderr.partition(" ")
    assert not [name for name in heavy if f"'{name}'" in modules]
    assert float(seconds) < 0.5


def test_help_and_version(capsys):
    listed = call(capsys, "--help")
    assert listed == call(capsys, "-h") and "example" in listed
    assert call(capsys, "--version").startswith("nmt 0.")
    for name in COMMANDS:
        assert f"  {name} " in listed
        text = call(capsys, name, "runs/x", "--help", "--whatever")
        assert f"usage: nmt {name} " in text and f"examples:\n  nmt {name} " in text
        assert max(map(len, text.splitlines())) <= 100


# ---- mistakes


@pytest.mark.parametrize(
    "line, said",
    [
        ("", "train, translate, evaluate, plot"),
        ("trian x", "unknown command 'trian'; did you mean \"train\"?"),
        ("--verison", 'did you mean "--version"?'),
        ("train", "CONFIG is missing; see nmt train --help"),
        ("train {tmp}/none.yaml", "does not exist"),
        ("train {tmp}", "Is a directory"),
        ("train {run}.yaml {run}", "nothing more is wanted after CONFIG; got"),
        ("train {run}.yaml trainin.num_steps=1", 'did you mean "training"?'),
        ("train {run}.yaml training.num_steps=many", "must be a whole number; got 'many'"),
        ("train {run}.yaml --run", "--run: expected one argument"),
        ("train {run}.yaml --run {file}/x", "cannot make the run directory"),
        ("translate", "RUN is missing"),
        ("translate {run}x", 'did you mean "tiny"?'),
        ("translate {tmp}", "is no run"),
        ("translate {run} {tmp}/none.txt", "no such file"),
        ("translate {run} {tmp}", "Is a directory"),
        ("translate {run} {bad}", "bad.txt, line 2: wanted UTF-8"),
        ("translate {run} {bad}.gz", "damaged"),
        ("translate {run} {file} {file}", "nothing more is wanted after RUN FILE"),
        ("translate {run} {file} --n-best 0", "--n-best: wanted a whole number of 1 or more"),
        ("translate {run} {file} --n-best 3", "must not exceed search.beam_size (2); got 3"),
        ("translate {run} {file} --nbest 3", 'unknown option --nbest; did you mean "--n-best"?'),
        ("translate {run} {file} beam_size=3", "unknown section beam_size; (legal: search)"),
        ("translate {run} {file} serach.beam_size=3", 'did you mean "search"?'),
        ("translate {run} {file} search.beam_size=0", "must be 1 or more; got 0"),
        ("translate {run} {file} model.encoder_dim=9", "comes too late: the run is trained"),
        ("translate {run} {file} data.path=x", "this command takes search.key=value"),
        ("translate {run} {file} --checkpoint 8", "has no checkpoint 8"),
        ("translate {run} {file} --checkpoint bset", 'did you mean "best"?'),
        ("translate {run} {file} --checkpoint average", "keeps no average of its weights"),
        ("translate {run} {file} --output {tmp}", "it is a folder"),
        ("translate {run} {file} --output {tmp}/none/x", "No such file or directory"),
        ("translate {run} {file} --output {file}/x", "Not a directory"),
        ("evaluate {run} --split tset", 'did you mean "test"?'),
        ("evaluate {run} data.test=tset", 'did you mean "test"?'),
        ("evaluate {run} training.seed=2", "takes search.key=value and data.key=value"),
        ("evaluate {run} --source {file}", "are given together"),
        ("evaluate {run} --source {file} --reference {short}", "has 2 lines and"),
        ("evaluate {run} --source {empty} --reference {empty}", "is empty"),
        ("evaluate {run} --split test --source {file} --reference {file}", "not both"),
        ("evaluate {run} --output {tmp}/x", "choose one of test, validation"),
        ("evaluate {run} --json=yes", "ignored explicit argument"),
        ("evaluate {blind} --split test --alignments 2", "the model has no attention"),
        ("plot {run} cat", "--output is missing"),
        ("plot {run} --output {tmp}/x.png", "SENTENCE is missing"),
        ("plot {run} cat --output {tmp}/x.bmp", "written as .png, .svg or .pdf"),
        ("plot {run} --output {tmp}/x.png -- ", "SENTENCE is missing"),
        ("plot {run} cat --target \udcff --output {tmp}/x.png", "must be UTF-8"),
        ("plot {run} \u3000 --output {tmp}/x.png", "has no words"),
        ("plot {run} cat --output {file}/x.png", "cannot write"),
        ("plot {blind} cat --output {tmp}/x.png", "has no attention"),
        ("plot {blind} cat --target chat --output {tmp}/x.png", "has no attention"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    capsys, tmp_path, run, run_without_attention, line, said
):
    for name, content in {
        "file.txt": b"a cat\n" * 2,
        "short.txt": b"un chat\n",
        "empty.txt": b"",
        "bad.txt": b"one\ntw\xff\n",
        "bad.txt.gz": b"one\n",
    }.items():
        (tmp_path / name).write_bytes(content)
    places = {"tmp": tmp_path, "run": run, "blind": run_without_attention}
    files = {name: tmp_path / f"{name}.txt" for name in ("file", "short", "empty", "bad")}
    arguments = [word.format(**places, **files) for word in line.split(" ") if word]
    before = sorted(tmp_path.iterdir())
    assert said in mistake(capsys, *arguments)
    assert sorted(tmp_path.iterdir()) == before  # nothing half-written
    assert not (run / "evaluations").exists()


def test_a_message_stays_on_one_line_whatever_a_name_holds(capsys):
    assert "a b" in mistake(capsys, "translate", "runs/a\nb")


# ---- translate


def test_translate_is_a_filter(capsys, tmp_path, run, texts, typed):
    assert texts[1] == texts[3] == "" and all(texts[i] for i in (0, 2, 4))
    typed("\n".join(LINES).encode())  # without a last line end
    assert call(capsys, "translate", run) == "".join(f"{text}\n" for text in texts)
    typed(b"\xef\xbb\xbf" + "\r\n".join(LINES).encode() + b"\r\n")
    assert call(capsys, "translate", run, "-").splitlines() == texts
    typed(b"")
    assert call(capsys, "translate", run) == ""
    typed(b"one\ntw\xff\n")
    assert "standard input, line 2: wanted UTF-8; got byte 0xFF" in mistake(
        capsys, "translate", run
    )


def test_a_line_ends_at_a_line_feed_only(capsys, run, typed):
    typed("the cat\u2028sleeps .\x0c\na\x85dog\v.\n".encode())
    assert call(capsys, "translate", run).count("\n") == 2


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz", ".zst"])
def test_files_are_packed_as_their_names_say(capsys, tmp_path, run, texts, suffix):
    zstandard = pytest.importorskip("zstandard")
    pack = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress, ".zst": zstandard.compress}
    unpack = {
        "": bytes,
        ".gz": gzip.decompress,
        ".xz": lzma.decompress,
        ".zst": lambda data: zstandard.ZstdDecompressor().stream_reader(data).read(),
    }
    source, output = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    source.write_bytes(pack[suffix]("".join(f"{line}\n" for line in LINES).encode()))
    output.write_bytes(b"old")
    assert call(capsys, "translate", run, "--output", output, source) == ""
    written = output.read_bytes()
    assert unpack[suffix](written).decode() == "".join(f"{text}\n" for text in texts)
    call(capsys, "translate", run, "--output", output, source)
    assert output.read_bytes() == written
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, output.name])


def test_a_link_and_a_device_stay_what_they_are(capsys, tmp_path, run, texts, typed):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    for output in (tmp_path / "link", Path("/dev/null")):
        typed(LINES[0].encode())
        call(capsys, "translate", run, "--output", output)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == f"{texts[0]}\n"
    assert Path("/dev/null").is_char_device()


def test_an_output_is_left_alone_when_translating_fails(capsys, tmp_path, run, typed):
    (tmp_path / "out").write_text("old")
    typed(LINES[0].encode())
    mistake(capsys, "translate", run, "--output", tmp_path / "out", "--checkpoint", "8")
    assert (tmp_path / "out").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_n_best_lists(capsys, run, texts, typed):
    import nmt

    typed("\n".join(LINES).encode())
    rows = [
        line.split(" ||| ") for line in call(capsys, "translate", run, "--n-best", 2).splitlines()
    ]
    expected = nmt.load(run).translate(LINES, num_hypotheses=2)
    assert [int(index) for index, _, _ in rows] == [0, 0, 1, 2, 2, 3, 4, 4]
    flat = [hypothesis for translation in expected for hypothesis in translation.hypotheses]
    assert [text for _, text, _ in rows] == [hypothesis.text for hypothesis in flat]
    scores = [float(score) for _, _, score in rows]
    np.testing.assert_allclose(scores, [hypothesis.score for hypothesis in flat], atol=1e-5)
    typed(LINES[0].encode())
    one = call(capsys, "translate", run, "--n-best", 1)
    assert one.startswith(f"0 ||| {texts[0]} ||| -") and one.count("\n") == 1


def test_overrides_and_options_come_in_any_order(capsys, tmp_path, run, typed):
    import nmt
    from nmt.config.schema import SearchConfig

    search = SearchConfig(beam_size=3, max_length_factor=0.5, max_length_extra=2)
    expected = nmt.load(run, "9").translate(LINES, search=search)
    file = tmp_path / "a=b.txt"  # no override: there is such a file
    file.write_text("\n".join(LINES))
    overrides = ["search.beam_size=3", "search.max_length_extra=2"]
    for arguments in (
        [run, file, *overrides, "--checkpoint", "last"],
        ["--checkpoint=9", overrides[1], run, overrides[0], file],
        [overrides[0], "--checkpoint", "9", overrides[1], "--", run, file],
    ):
        out = call(capsys, "translate", *arguments)
        assert out.splitlines() == [translation.text for translation in expected]
    (tmp_path / "search.beam_size=3").write_text("the cat .\n")
    assert "no such file" in mistake(capsys, "translate", run, "--", "search.beam_size=4")


def test_sampling_depends_on_the_seed_alone(capsys, run, typed):
    def sample(*overrides):
        typed("\n".join(LINES).encode())
        return call(capsys, "translate", run, "search.method=sample", *overrides)

    assert sample() == sample("search.seed=1") != sample("search.seed=2")


def test_a_typed_line_is_answered_before_the_next(capsys, monkeypatch, run, texts):
    shown = []

    class Terminal(io.BytesIO):
        def isatty(self):
            return True

        def readline(self, size=-1):
            shown.append(capsys.readouterr().out)
            return super().readline(size)

        __next__ = None

        def __iter__(self):
            return iter(self.readline, b"")

    keyboard = Terminal("\n".join(LINES[:3]).encode())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(keyboard))
    call(capsys, "translate", run)
    assert shown == ["", *(f"{text}\n" for text in texts[:3])]


# ---- evaluate


def evaluate(capsys, *arguments):
    return json.loads(call(capsys, "evaluate", *arguments, "--json"))


def test_evaluate_scores_and_keeps_what_was_scored(capsys, tmp_path, run):
    import sacrebleu

    from nmt.config.reader import read_config
    from nmt.data.corpus import load_split

    output = tmp_path / "out.gz"
    shown = evaluate(capsys, run, "--split", "test", "--output", output, "search.beam_size=1")
    assert {"chrf", "ter", "bleu_tokenized_lowercase", "bleu_signature"} <= shown.keys()
    split = load_split(read_config(run / "config.yaml").data, "test")
    hypotheses = gzip.decompress(output.read_bytes()).decode().split("\n")[:-1]
    expected = sacrebleu.corpus_bleu(hypotheses, [split.target], force=True).score
    assert shown["bleu"] == pytest.approx(expected) and shown["sentences"] == len(split) == 12
    assert (shown["split"], shown["checkpoint"]) == ("test", 7)
    assert shown["fingerprint"] == split.fingerprint
    assert shown["search"]["beam_size"] == 1 and shown["search"]["max_length_extra"] == 5

    kept = json.loads(next((run / "evaluations").glob("test.7.*.json")).read_text())
    assert kept == shown | {
        "sources": split.source,
        "hypotheses": hypotheses,
        "references": split.target,
    }


def test_evaluate_takes_files_and_gives_the_same_score(capsys, tmp_path, run):
    from nmt.config.reader import read_config
    from nmt.data.corpus import load_split

    split = load_split(read_config(run / "config.yaml").data, "test")
    for side in ("source", "target"):
        text = "".join(f"{line}\n" for line in getattr(split, side))
        (tmp_path / f"{side}.gz").write_bytes(gzip.compress(text.encode()))
    files = ["--source", tmp_path / "source.gz", "--reference", tmp_path / "target.gz"]
    of_files = evaluate(capsys, run, *files)
    of_split = evaluate(capsys, run, "--split", "test")
    assert of_files.pop("split") == "source.gz" and of_split.pop("split") == "test"
    assert of_files.pop("fingerprint") != of_split.pop("fingerprint")  # the split has word links
    assert of_files == of_split
    assert list((run / "evaluations").glob("source.gz.7.*.json"))


def test_evaluate_takes_all_test_splits_into_a_table_or_an_object(capsys, run):
    several = evaluate(capsys, run)["splits"]
    assert {name: scores["sentences"] for name, scores in several.items()} == {
        "test": 12,
        "validation": 3,
    }
    table = call(capsys, "evaluate", run).splitlines()
    assert table[0].split()[:5] == ["split", "sentences", "BLEU", "chrF", "TER"]
    for row, (name, scores) in zip(table[1:3], several.items(), strict=True):
        values = ("bleu", "chrf", "ter", "bleu_tokenized_lowercase")
        numbers = [f"{scores[value]:.2f}" for value in values]
        assert row.split() == [name, str(scores["sentences"]), *numbers]
    assert f"BLEU: {several['test']['bleu_signature']}" in table


def test_evaluate_draws_alignments(capsys, run):
    drawn = evaluate(capsys, run, "--split", "test", "--alignments", "3")["alignments"]
    assert len(drawn) == 3
    for path in map(Path, drawn):
        assert path.parent == run / "alignments"
        assert path.read_bytes().startswith(b"\x89PNG")
    table = call(capsys, "evaluate", run, "--split", "test", "--alignments", "3")
    assert [line.removeprefix("alignment: ") for line in table.splitlines()[-3:]] == drawn


def test_a_run_that_cannot_be_written_is_evaluated_with_a_warning(capsys, tmp_path, run):
    closed = tmp_path / "run"
    closed.mkdir()
    for path in run.iterdir():
        if path.name != "evaluations":
            (closed / path.name).symlink_to(path)
    (closed / "evaluations").write_text("a file in the way")
    assert main(["evaluate", str(closed), "--split", "test"]) == 0
    out, err = capsys.readouterr()
    assert "BLEU" in out
    assert err.startswith("warning: the scores of test are not kept: ") and err.count("\n") == 1


# ---- plot


@pytest.mark.parametrize(
    "suffix, start", [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_plot_draws_and_prints_the_translation(capsys, tmp_path, run, texts, suffix, start):
    picture = tmp_path / f"new/cat.{suffix}"
    out = call(capsys, "plot", run, LINES[0], "--output", picture)
    assert out == f"{texts[0]}\n"
    assert picture.read_bytes().startswith(start)


def test_plot_with_a_given_translation(capsys, tmp_path, run):
    picture = tmp_path / "cat.svg"
    target = "un petit chat = ."
    assert call(capsys, "plot", run, "--output", picture, "--target", target, "x y") == ""
    svg = picture.read_text()
    assert all(f">{word}<" in svg for word in [*target.split(), "x", "y"])


# ---- train


def test_train_reads_the_config_and_names_the_run(capsys, monkeypatch, tmp_path, run):
    from nmt.training import loop

    calls = []
    monkeypatch.setattr(loop, "train", lambda config, path: calls.append((config, path)))
    monkeypatch.chdir(tmp_path)
    config_file = run.with_suffix(".yaml")
    assert call(capsys, "train", config_file, "training.num_steps=11") == ""
    call(capsys, "train", "--run", tmp_path / "other", config_file)
    (first, first_path), (second, second_path) = calls
    assert (first.training.num_steps, second.training.num_steps) == (11, 4)
    assert (first_path, second_path) == (Path("runs/tiny"), tmp_path / "other")


def test_train_that_was_stopped_ends_as_the_signal_does(capsys, monkeypatch, run):
    from nmt.training import loop

    def train(config, path):
        raise loop.Interrupted(signal.SIGTERM)

    monkeypatch.setattr(loop, "train", train)
    assert main(["train", str(run.with_suffix(".yaml"))]) == 128 + signal.SIGTERM
    assert capsys.readouterr().err == "nmt: stopped by SIGTERM\n"


@pytest.mark.slow
def test_train_then_evaluate(capsys, monkeypatch, tmp_path, run):
    monkeypatch.chdir(tmp_path)
    config_file = run.with_suffix(".yaml")
    assert main(["train", str(config_file)]) == 0
    out, err = capsys.readouterr()
    assert out == "" and err.count("finished 4 steps") == 1
    assert evaluate(capsys, "runs/tiny", "--split", "test")["checkpoint"] == 4
    assert main(["train", str(config_file)]) == 0
    assert "finished" in capsys.readouterr().err
    assert "model.encoder_dim is 8 there and 9 here" in mistake(
        capsys, "train", config_file, "model.encoder_dim=9"
    )


# ---- signals, pipes and odd places


@pytest.mark.parametrize(
    "error, status, said",
    [
        (KeyboardInterrupt(), 130, "nmt: interrupted\n"),
        (BrokenPipeError(), 141, ""),
        (PermissionError(13, "Permission denied", "a/b"), 2, "nmt: a/b: Permission denied\n"),
        (OSError(28, "No space left"), 2, "nmt: cannot read or write: No space left\n"),
    ],
)
def test_how_a_command_ends(capsys, monkeypatch, error, status, said):
    from nmt.commands import plot

    def run(arguments):
        raise error

    monkeypatch.setattr(plot, "run", run)
    assert main(["plot"]) == status
    assert capsys.readouterr() == ("", said)


def test_sigterm_unwinds_and_its_handler_is_put_back(capsys, monkeypatch):
    from nmt.commands import plot

    monkeypatch.setattr(plot, "run", lambda arguments: os.kill(os.getpid(), signal.SIGTERM))
    assert main(["plot"]) == 143
    assert capsys.readouterr() == ("", "nmt: terminated\n")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_one_line_and_leaves_nothing(tmp_path, run, number, status):
    output = tmp_path / "out"
    process = nmt_process(
        "translate", run, "--output", output, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdin.write(b"the cat .\n" * 100_000)  # more than a pipe holds: it is being read
    process.send_signal(number)
    _, err = process.communicate()
    assert process.returncode == status
    assert err.startswith(b"nmt: ") and err.count(b"\n") == 1, err
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_has_seen_enough_ends_it_silently(run):
    process = nmt_process("translate", run, "--help", stdout=-1, stderr=-1)
    process.stdout.close()
    assert process.wait() == 128 + signal.SIGPIPE
    assert process.stderr.read() == b""
    process.stderr.close()


def test_a_full_disk_is_one_line(run):
    with open("/dev/full", "wb") as full:
        process = nmt_process("--help", stdout=full, stderr=subprocess.PIPE)
        _, err = process.communicate()
    assert process.returncode == 2
    assert err == b"nmt: cannot read or write: No space left on device\n"


@pytest.mark.slow
def test_text_is_utf_8_whatever_the_locale(tmp_path, run, texts):
    command = [sys.executable, "-m", "nmt.cli", "translate", str(run)]
    environment = os.environ | {
        "PYTHONIOENCODING": "latin-1",
        "NMT_CACHE": str(tmp_path / "cache"),
        "JAX_PLATFORMS": "cpu",
    }
    for _ in range(2):  # the second time with compiled programs from the cache
        done = subprocess.run(
            command, input="\n".join(LINES).encode(), env=environment, capture_output=True
        )
        assert done.stdout.decode() == "".join(f"{text}\n" for text in texts)
        assert (done.returncode, done.stderr) == (0, b"")
    assert list((tmp_path / "cache").iterdir())
