"""The command `nmt`: its help, and how it ends whatever ends it."""

import importlib.metadata
import os
import signal
import subprocess
import sys
import time

import pytest

from nmt.cli import COMMANDS, main
from nmt.devices.allocator import MALLOC_CONF, TUNABLES
from nmt.devices.compiled_programs import THREADS_PER_DEVICE
from nmt.errors import NmtError
from tests.tiny_runs import CONFIG, LINES, listing, start_nmt

pytest_plugins = ["tests.command_calls"]
PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
WAIT = 120.0  # seconds, on a machine that has much to do


def test_python_knows_the_command_too():
    done = subprocess.run([sys.executable, "-m", "nmt", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "usage: nmt COMMAND" in done.stdout


def test_help_and_import_load_nothing_heavy():
    """jax, datasets and the like take seconds; numpy and yaml are what the config reader needs."""
    code = (
        "import sys\nbefore = set(sys.modules)\nimport nmt, nmt.cli\n"
        "assert nmt.cli.main(['--help']) == 0\n"
        "assert nmt.cli.main(['evaluate', '--help']) == 0\n"
        "print(*set(sys.modules) - before, sep='\\n', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    packages = set(importlib.metadata.packages_distributions())
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert loaded & packages == {"nmt", "numpy", "yaml"}


def test_help_and_version(call):
    listed = call("--help")
    assert listed == call("-h") and "example" in listed
    assert call("--version").startswith("nmt 0.")
    for name in COMMANDS:
        assert f"  {name} " in listed
        text = call(name, "runs/x", "--help", "--whatever")
        assert f"usage: nmt {name} " in text and f"examples:\n  nmt {name} " in text
        assert max(map(len, text.splitlines())) <= 100


# ---- how a command ends


def test_a_command_that_a_signal_ended_waits_for_no_thread():
    """Such as one that compiles, which nothing can stop."""
    code = (
        "import threading, time\nfrom nmt import cli\n"
        "threading.Thread(target=time.sleep, args=(600,)).start()\n"
        "cli.main = lambda: print('stopped') or 143\n"
        "cli.start()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=WAIT
    )
    assert (done.returncode, done.stdout) == (143, "stopped\n")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no choice")
def test_a_command_chooses_its_allocator_and_help_does_not():
    code = "import os\nfrom nmt import cli\ncli.main = lambda: print(*os.environ) or 0\ncli.start()"
    chosen = {TUNABLES, MALLOC_CONF}
    environment = {k: v for k, v in os.environ.items() if k not in {*chosen, "LD_PRELOAD"}}
    for argument, is_chosen in (("aer", True), ("--help", False)):
        done = subprocess.run(
            [sys.executable, "-c", code, argument],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
            timeout=WAIT,
        )
        assert bool(chosen & set(done.stdout.split())) == is_chosen


@pytest.mark.parametrize(
    "main, status, said, traced",
    [
        ("lambda: atexit.register(print, 'left clean') and 2", 2, "left clean\n", False),
        ("lambda: atexit.register(print, 'left clean') / 2", 1, "left clean\n", True),
    ],
)
def test_a_command_cleans_up_but_waits_for_no_end_of_the_interpreter(main, status, said, traced):
    """There threads of pyarrow abort the process where they still hold a file of Python."""
    code = (
        "import atexit, sys\nfrom nmt import cli\n"
        "class Held:\n    def __del__(self):\n        print('the interpreter ended', flush=True)\n"
        "held = Held()\n"
        f"cli.main = {main}\n"
        "sys.exit(cli.start())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=WAIT
    )
    assert (done.returncode, done.stdout) == (status, said)
    assert ("TypeError" in done.stderr) == traced


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


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_unwinds_and_its_handler_is_put_back(capsys, monkeypatch, number, status):
    from nmt.commands import plot

    monkeypatch.setattr(plot, "run", lambda arguments: os.kill(os.getpid(), number))
    before = signal.signal(number, signal.SIG_DFL)  # nohup has SIGHUP ignored
    try:
        assert main(["plot"]) == status
        assert capsys.readouterr() == ("", "nmt: terminated\n")
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "out of memory; try a smaller data.batch_pieces"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes."), "out of memory"),
    ],
)
def test_a_full_memory_is_one_line(mistake, monkeypatch, error, said):
    from nmt.commands import plot

    def run(arguments):
        raise error

    monkeypatch.setattr(plot, "run", run)
    assert said in mistake("plot")


def test_a_bug_is_no_mistake_of_the_user(monkeypatch):
    from nmt.commands import plot

    def run(arguments):
        raise RuntimeError("a bug")

    monkeypatch.setattr(plot, "run", run)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["plot"])


def test_a_signal_waits_for_the_end_of_imports():
    from nmt.commands.models import signals_put_off

    done = []
    with pytest.raises(KeyboardInterrupt), signals_put_off():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        done.append("imported")
    assert done == ["imported"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("command", ["train", "translate"])
def test_a_signal_while_jax_is_imported_waits(monkeypatch, run, command):
    """Its C++ ends the process, or swallows the exception."""
    from nmt.commands import models, train

    done = []

    def importing():
        signal.raise_signal(signal.SIGINT)
        done.append("imported")

    for module in (models, train):
        monkeypatch.setattr(module, "use_compilation_cache", importing)
    config = run.with_suffix(".yaml")
    words = [run, config] if command == "translate" else [config, "--run", run]
    assert main([command, *map(str, words)]) == 130
    assert done == ["imported"]


def test_the_folder_of_kept_programs_is_chosen_once_the_threads_are(monkeypatch, run):
    """It is by their number, which virtual devices change."""
    from nmt.commands import train

    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", "2")
    monkeypatch.delenv("NPROC", raising=False)
    threads = []

    def choosing():
        threads.append(os.environ.get("NPROC"))
        raise NmtError("no further")

    monkeypatch.setattr(train, "use_compilation_cache", choosing)
    assert main(["train", str(run.with_suffix(".yaml"))]) == 2
    assert threads == [str(2 * THREADS_PER_DEVICE)]
    monkeypatch.delenv("NPROC")  # what `nmt train` has set


# ---- signals, in processes that are started together


def wait_for(process, sign):
    """Waits until there is a sign of what the process does."""
    end = time.monotonic() + WAIT
    while not sign():
        assert process.poll() is None and time.monotonic() < end, process.communicate()
        time.sleep(0.02)


def translate_reading(folder, run):
    """Blocked in standard input, of which more has come than a pipe holds."""
    process = start_nmt("translate", run, "--output", folder / "out", **PIPES)
    process.stdin.write(b"the cat .\n" * 100_000)
    return process, lambda: True


def translate_importing(folder, run):
    """Where jax is being imported, which comes after the output was opened."""
    process = start_nmt("translate", run, folder / "in", "--output", folder / "out", **PIPES)
    return process, lambda: list(folder.glob(".out.*"))


def evaluate_reading(folder, run):
    """Blocked in a named pipe."""
    os.mkfifo(folder / "pipe")
    files = ["--source", folder / "pipe", "--reference", folder / "in"]
    process = start_nmt("evaluate", run, *files, "--output", folder / "out", **PIPES)
    return process, lambda: _is_read(folder / "pipe")


def train_preparing(folder, run):
    """Reading and cleaning a corpus for which it takes long."""
    for side in ("en", "fr"):
        lines = "".join(f"{side} {i} of many lines\n" for i in range(100_000))
        (folder / f"train.{side}").write_text(lines)
        for split in ("validation", "test"):
            (folder / f"{split}.{side}").write_text(f"{side}\n")
    (folder / "c.yaml").write_text(CONFIG.replace("embedded", str(folder), 1))
    process = start_nmt("train", folder / "c.yaml", "--run", folder / "new", **PIPES)
    return process, (folder / "new" / "log.txt").exists


def _is_read(pipe):
    try:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


PLACES = [translate_reading, translate_importing, evaluate_reading, train_preparing]
SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]


@pytest.fixture(scope="module")
def ended(tmp_path_factory, trained):
    """What each process said and left behind when the signal had come."""
    started = {}
    for place in PLACES:
        for number, _ in SIGNALS:
            folder = tmp_path_factory.mktemp(place.__name__)
            (folder / "in").write_text("the cat .\n")
            started[place, number] = (*place(folder, trained), folder)
    before = listing(trained)
    for (_, number), (process, sign, _) in started.items():
        wait_for(process, sign)
        process.send_signal(number)
    ended = {}
    for key, (process, _, folder) in started.items():
        out, err = process.communicate(timeout=WAIT)
        left = {name for name in listing(folder) if name.startswith((".out", "out"))}
        ended[key] = process.returncode, out, err.decode(), left
    assert listing(trained) == before
    return ended


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
@pytest.mark.parametrize(("number", "status"), SIGNALS, ids=lambda number: str(int(number)))
def test_a_signal_is_one_line(ended, place, number, status):
    returncode, out, err, left = ended[place, number]
    assert (returncode, out, left) == (status, b"", set()), err
    *before, line = err.splitlines()
    assert line.startswith("nmt: ") and "Traceback" not in err
    assert place is train_preparing or not before


# ---- pipes, closed streams and other locales


def test_a_reader_that_has_seen_enough_ends_it_silently(trained):
    process = start_nmt("translate", trained, "--help", **PIPES)
    process.stdout.close()
    assert process.wait() == 128 + signal.SIGPIPE
    assert process.stderr.read() == b""
    process.stdin.close()
    process.stderr.close()


@pytest.mark.slow
def test_translations_that_nobody_reads(trained):
    process = start_nmt("translate", trained, **PIPES)
    process.stdout.close()
    process.stdin.write("\n".join(LINES).encode())
    process.stdin.close()
    assert process.wait() == 128 + signal.SIGPIPE
    assert process.stderr.read() == b""
    process.stderr.close()


def test_a_full_disk_is_one_line():
    with open("/dev/full", "wb") as full:
        process = start_nmt("--help", stdout=full, stderr=subprocess.PIPE)
        _, err = process.communicate()
    assert process.returncode == 2
    assert err == b"nmt: cannot read or write: No space left on device\n"


@pytest.mark.parametrize(
    ("closed", "line", "status", "said"),
    [
        (">&-", "--help", 0, ""),
        (">&-", "translate {run} {run}.yaml", 2, "nmt: standard output is closed\n"),
        ("<&-", "translate {run}", 2, "nmt: standard input is closed\n"),
        ("2>&-", "translate {run}x", 2, ""),
        ("<&- >&- 2>&-", "trian", 2, ""),
    ],
)
def test_closed_streams(trained, closed, line, status, said):
    words = line.format(run=trained).split()
    command = ["sh", "-c", f'"$@" {closed}', "sh", sys.executable, "-m", "nmt.cli", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout * (">&-" in closed), done.stderr) == (status, "", said)


def test_a_file_never_takes_the_place_of_a_closed_stream(tmp_path):
    """Or else what a library says to standard error would be written into that file."""
    code = (
        "import os, nmt.cli; nmt.cli.main(['--version']);"
        f"print(open({str(tmp_path / 'file')!r}, 'w').fileno(), file=os.fdopen(9, 'w'))"
    )
    done = subprocess.run(
        ["sh", "-c", '"$@" 9>&1 >&- 2>&-', "sh", sys.executable, "-c", code], capture_output=True
    )
    assert int(done.stdout) > 2


def test_a_message_in_a_locale_without_its_letters():
    locale = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "nmt.cli", "translate", "runs/été\n猫"]
    done = subprocess.run(command, env=os.environ | locale, capture_output=True)
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1
    assert done.stderr.isascii() and done.stderr.startswith(b"nmt: run runs/")


@pytest.mark.slow
def test_text_is_utf_8_whatever_the_locale(tmp_path, trained, texts):
    command = [sys.executable, "-m", "nmt.cli", "translate", str(trained)]
    environment = os.environ | {
        "PYTHONIOENCODING": "ascii",
        "LC_ALL": "C",
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
