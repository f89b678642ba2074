"""What lies where in a run directory: opened, created, locked, and never half-written.

config.yaml        the whole config, defaults included
environment.json   versions, device, git commit, fingerprints of the corpus
vocabulary/        the trained vocabularies
data/              the cleaned text, the same encoded, and cleaning.json
checkpoints/STEP/  see checkpoints.py; checkpoints/average/ is the mean of several, see averaging.py
metrics.jsonl      what was measured, a line for each measurement; tensorboard/ holds the same
metrics.until-STEP.jsonl  what was measured before all checkpoints were lost
seconds.txt        of training that a kill undid: of what is not in metrics.jsonl any more
translations/      STEP.txt, the validation split as the model translated it at that step
evaluations/       SPLIT.STEP.DIGEST.json, scores with the texts and settings they belong to
alignments/        pictures of alignment matrices
alignment.json     the layer and head chosen for each alignment method, see nmt/decoding/heads.py
lexicon.npz        likely target pieces of each source piece, see nmt/decoding/shortlist.py
log.txt            what the program said
"""

import contextlib
import fcntl
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from nmt.config.reader import differing_keys, read_config, to_yaml
from nmt.config.schema import Config
from nmt.data.stages import sync_folder
from nmt.data.text_files import is_utf8
from nmt.devices.processor import lacks_bfloat16, processor_name
from nmt.errors import RunError, nearest

# What may differ on resuming. Of these num_steps changes steps under a cosine, and so does it or
# max_minutes, with a plateau or with patience, where it ended a run between two validations: there
# was one at that end. model_devices changes the order in which numbers are added up.
MAY_DIFFER = {
    "training.num_steps",
    "training.max_minutes",
    "training.patience",
    "training.log_every",
    "training.save_every",
    "training.keep_last",
    "training.model_devices",
    "data.path",  # a corpus may move: its fingerprints tell that it is the same
    "data.hub",
    "data.configuration",
    "data.revision",
    "data.streaming",
}
VALIDATED_WITH = {  # these settings of search may not: validations of two kinds do not compare
    "search.length_norm",
    "search.max_length_factor",
    "search.max_length_extra",
    "search.unknown",
}
PACKAGES = (
    "nmt",
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "numpy",
    "sentencepiece",
    "sacremoses",
)


class RunDirectory:
    """The places of one run. Making the object touches no file; `create` and `open` do."""

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self.config_file = self.path / "config.yaml"
        self.environment_file = self.path / "environment.json"
        self.metrics_file = self.path / "metrics.jsonl"
        self.seconds_file = self.path / "seconds.txt"
        self.log_file = self.path / "log.txt"
        self.vocabulary = self.path / "vocabulary"
        self.data = self.path / "data"
        self.checkpoints = self.path / "checkpoints"
        self.tensorboard = self.path / "tensorboard"
        self.translations = self.path / "translations"
        self.alignments = self.path / "alignments"
        self.alignment_file = self.path / "alignment.json"
        self.lexicon_file = self.path / "lexicon.npz"
        self.evaluations = self.path / "evaluations"
        self._lock_file = self.path / ".lock"

    def __repr__(self):
        return f"RunDirectory({str(self.path)!r})"

    @classmethod
    def create(cls, path: str | os.PathLike, config: Config) -> "RunDirectory":
        """Makes a new run of `config`; config.yaml is written last, so a run always has one.

        Raises:
          RunError: where there is a run already, or a folder with something else in it, or where
            nothing can be written.
        """
        run = cls(path)
        if not is_utf8(str(path)):
            raise RunError(f"a run directory's name must be UTF-8; got {str(path)!r}")
        try:
            run.path.mkdir(parents=True, exist_ok=True)
            others = [name for name in os.listdir(run.path) if not name.startswith(".")]
        except OSError as error:
            raise RunError(f"cannot make the run directory {path}: {error.strerror}") from None
        with run.locked():
            if run.exists():
                raise RunError(f"{path} is a run already")
            if others:
                raise RunError(f"{path} is no run and not empty: it has {sorted(others)[0]}")
            write_atomically(run.config_file, to_yaml(config))
        return run

    @classmethod
    def open(cls, path: str | os.PathLike) -> "RunDirectory":
        """Opens a run that exists.

        Raises:
          RunError: where there is none, or a link in it leads out of it.
        """
        run = cls(path)
        if run.exists():
            run.check_links()
            return run
        if not run.path.exists():
            siblings = [file.parent.name for file in sorted(run.path.parent.glob("*/config.yaml"))]
            raise RunError(f"run {path} does not exist{nearest(run.path.name, siblings)}")
        raise RunError(f"{path} is no run: it has no config.yaml")

    def discard(self, *, keep_folder: bool) -> None:
        """Removes a run that never began, so that a corrected start may use its directory.

        Hidden files stay: `create` puts up with them, they may be the user's.

        Args:
          keep_folder: whether the directory stays too, as one with hidden files does. One that the
            user had made may have a mode or a group of its own.
        """
        for entry in self.path.iterdir():
            if entry.name.startswith(".") and entry != self._lock_file:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        if not keep_folder:
            with contextlib.suppress(OSError):
                self.path.rmdir()

    def check_links(self) -> None:
        """Sees to it that what is read and written as the run's own lies in the run.

        A run may come from a stranger, and a log or a checkpoint is written wherever a link of its
        name leads. The run directory itself may be reached by a link.

        Raises:
          RunError: naming the first link that leads out of the run.
        """
        inside = Path(os.path.realpath(self.path))
        for parent, folders, files in os.walk(self.path):
            for name in (*folders, *files):
                entry = os.path.join(parent, name)
                if os.path.islink(entry) and inside not in Path(os.path.realpath(entry)).parents:
                    raise RunError(
                        f"{entry} is a link that leads out of the run, to {os.readlink(entry)}; "
                        "a run must hold all that is its own"
                    )

    def exists(self) -> bool:
        """Whether a run is here."""
        return self.config_file.is_file()

    def read_config(self, overrides: tuple[str, ...] | list[str] = ()) -> Config:
        """The run's config, with overrides for this call only."""
        return read_config(self.config_file, overrides)

    def check_same_config(self, config: Config) -> None:
        """Lets `config` take the run up again.

        Raises:
          RunError: naming the keys that differ and must not.
        """
        changed = [
            f"{key} is {_short(here)} there and {_short(asked)} here"
            for key, here, asked in differing_keys(self.read_config(), config)
            if key not in MAY_DIFFER and (key in VALIDATED_WITH or not key.startswith("search."))
        ]
        if changed:
            raise RunError(
                f"run {self.path} has another config: {'; '.join(changed)}; "
                "choose another directory with --run, or go back to the run's own values"
            )

    def keep_config(self, config: Config) -> None:
        """Writes to config.yaml what may differ, where the run goes on with it."""
        if differing_keys(self.read_config(), config):
            write_atomically(self.config_file, to_yaml(config))

    def write_environment(self, fingerprints: Mapping[str, str]) -> None:
        """Writes environment.json; `fingerprints` are those of the corpus, by split."""
        environment = describe_environment() | {"corpus": dict(fingerprints)}
        write_atomically(self.environment_file, json.dumps(environment, indent=2) + "\n")

    def check_same_corpus(self, fingerprints: Mapping[str, str]) -> None:
        """Refuses to go on with a corpus that changed under the run.

        Raises:
          RunError: naming the splits that changed.
        """
        try:
            before = {**json.loads(self.environment_file.read_text())["corpus"]}  # or TypeError
        except FileNotFoundError:
            return  # stopped before its environment was written
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            raise RunError(f"{self.environment_file} is damaged") from None
        changed = [name for name in fingerprints if before.get(name) != fingerprints[name]]
        if changed:
            raise RunError(
                f"the corpus of run {self.path} has changed ({', '.join(changed)}); "
                "choose another directory with --run, or bring the old files back"
            )

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the run for this process; the system lets go of it however the process ends.

        Raises:
          RunError: where another process holds it, or a link in it leads out of it.
        """
        self.check_links()
        try:
            file = self._lock_file.open("a+")
        except OSError as error:
            raise RunError(f"cannot write into {self.path}: {error.strerror}") from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = " ".join(file.read(100).split()) or "another process"
                raise RunError(f"run {self.path} is in use by {holder}") from None
            except OSError as error:
                raise RunError(f"cannot lock {self._lock_file}: {error.strerror}") from None
            file.truncate(0)
            file.write(f"process {os.getpid()} on {platform.node()}\n")
            file.flush()
            yield  # closing the file lets go; removing it would let two processes lock two files


def write_atomically(path: str | os.PathLike, content: str | bytes) -> None:
    """Writes a file so that whoever looks, and whenever the power fails, finds all or nothing.

    Raises:
      RunError: where it cannot be written; what was there before stays whole.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")  # others may write it too
    content = content.encode() if isinstance(content, str) else content
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise RunError(f"cannot write {path}: {error.strerror}") from None


def describe_environment() -> dict[str, Any]:
    """What a result may depend on besides config and corpus; starts jax, and names no user."""
    import jax

    devices = jax.devices()
    return {
        "python": platform.python_version(),
        "packages": package_versions(),
        "platform": platform.platform(),
        "processor": processor_name(),
        "processor_lacks_bfloat16": lacks_bfloat16(),
        "cores": os.cpu_count(),
        "device": {"kind": devices[0].device_kind, "count": len(devices)},
        "processes": jax.process_count(),
        "git_commit": git_commit(Path(__file__).parents[2]),
    }


def package_versions() -> dict[str, str | None]:
    """The versions of the libraries on which results depend; None of what is not installed."""
    return {name: _version(name) for name in PACKAGES}


def git_commit(source_tree: Path) -> str | None:
    """The commit of a checkout, with "-changed" where files differ from it; None where it is none.

    An installed package may lie inside the checkout of something else, hence the look for .git.
    """
    if not (source_tree / ".git").exists():
        return None
    git = ["git", "-C", str(source_tree)]
    quiet = {"capture_output": True, "text": True, "timeout": 10}
    try:
        commit = subprocess.run([*git, "rev-parse", "--verify", "HEAD"], **quiet)
        status = subprocess.run([*git, "status", "--porcelain", "--untracked-files=no"], **quiet)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if commit.returncode or status.returncode:
        return None
    return commit.stdout.strip() + ("-changed" if status.stdout.strip() else "")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _short(value: Any) -> str:
    text = (
        "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    )
    return text if len(text) <= 60 else text[:57] + "..."
